//! Events on their way to a receiver: several in one request, in their order, again until it takes them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{Occurred, Webhook};
use crate::hub::Hub;
use crate::metrics;

/// Events in one request.
const EVENTS_AT_ONCE: usize = 100;
/// How long others are waited for that could go with the first.
const GATHER: Duration = Duration::from_millis(50);
/// How long a receiver may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause before a request is sent again; it doubles with each try. As much again is added by chance.
const PAUSE_MIN_MS: u64 = 500;
const PAUSE_MAX_MS: u64 = 30_000;
/// After so long a request is given up, and its events are counted as dropped.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(300);

type Sender = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

#[derive(Serialize)]
struct Body<'a> {
    time_ms: i64,
    events: &'a [Arc<Occurred>],
}

/// Sends what waits for a receiver until the server stops.
pub(crate) async fn run(hub: Arc<Hub>, webhook: Webhook, mut waiting: mpsc::Receiver<Arc<Occurred>>) {
    let Some(sender) = sender() else {
        tracing::error!(url = %webhook.url, "the system has no certificates; webhooks are not sent");
        return;
    };
    let mut events = Vec::new();
    loop {
        tokio::select! {
            () = hub.shutdown.requested() => return,
            received = waiting.recv_many(&mut events, 1) => if received == 0 { return },
        }
        let gathering =
            async { while waiting.recv_many(&mut events, 1).await > 0 && events.len() < EVENTS_AT_ONCE {} };
        let _ = timeout(GATHER, gathering).await;
        tokio::select! {
            () = hub.shutdown.requested() => return,
            () = deliver(&hub, &sender, &webhook, &events) => events.clear(),
        }
    }
}

fn sender() -> Option<Sender> {
    // Two kinds of cryptography may be built in, and then the client does not guess.
    let cryptography = tokio_rustls::rustls::crypto::ring::default_provider();
    let connector = HttpsConnectorBuilder::new().with_provider_and_native_roots(cryptography).ok()?;
    let connector = connector.https_or_http().enable_http1().build();
    Some(Client::builder(TokioExecutor::new()).build(connector))
}

/// Until the receiver has taken the events, or they are given up.
async fn deliver(hub: &Hub, sender: &Sender, webhook: &Webhook, events: &[Arc<Occurred>]) {
    // Signed once: the receiver can tell a repeat by its time.
    let body = Body { time_ms: hub.clock.now_ms(), events };
    let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
    let signature = hub.application.sign_text(&body);
    let given_up_at = Instant::now() + GIVEN_UP_AFTER;
    let mut pause_ms = PAUSE_MIN_MS;
    loop {
        match timeout(ANSWER_TIMEOUT, send(hub, sender, webhook, &body, &signature)).await {
            Ok(Ok(())) => {
                metrics::webhook_sent();
                return;
            }
            Ok(Err(why)) => tracing::debug!(url = %webhook.url, %why, "a webhook is sent again"),
            Err(_) => {
                tracing::debug!(url = %webhook.url, "a webhook was not answered in time and is sent again")
            }
        }
        metrics::webhook_failed();
        let pause = Duration::from_millis(pause_ms + fastrand::u64(..pause_ms));
        if Instant::now() + pause > given_up_at {
            tracing::warn!(url = %webhook.url, events = events.len(), "a webhook was given up");
            metrics::webhook_events_dropped(events.len());
            return;
        }
        tokio::time::sleep(pause).await;
        pause_ms = (pause_ms * 2).min(PAUSE_MAX_MS);
    }
}

/// Why a receiver has not taken events.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the request cannot be made: {0}")]
    Request(#[from] axum::http::Error),
    #[error("{0}")]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error("the receiver answers {0}")]
    Status(u16),
}

async fn send(
    hub: &Hub,
    sender: &Sender,
    webhook: &Webhook,
    body: &Bytes,
    signature: &str,
) -> Result<(), SendError> {
    let request = Request::post(&webhook.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header("X-Pusher-Key", hub.application.key())
        .header("X-Pusher-Signature", signature)
        .body(Full::new(body.clone()))?;
    let response = sender.request(request).await?;
    if response.status().is_success() { Ok(()) } else { Err(SendError::Status(response.status().as_u16())) }
}
