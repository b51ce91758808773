//! Events on their way to a receiver: several in one request, in their order, again until it takes them or five minutes are over.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::sender::{SendError, Sender, Signed};
use super::{Occurred, Waiting, Webhook};
use crate::bounded::Weighed;
use crate::hub::Hub;
use crate::metrics;

/// Events in one request.
const EVENTS_AT_ONCE: usize = 100;
/// Bytes of the events in one request, about; a single larger one goes alone. Many servers take a megabyte.
const BYTES_AT_ONCE: usize = 256 * 1024;
/// How long others are waited for that could go with the first.
const GATHER: Duration = Duration::from_millis(50);
/// The first pause before a request is sent again; it doubles with each try. As much again is added by chance.
const PAUSE_MIN_MS: u64 = 500;
const PAUSE_MAX_MS: u64 = 30_000;
/// After so long a request is given up, and its events are counted as dropped.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(300);
/// How long what waits may take when the server stops. Then the rest is counted as dropped.
const LAST_TRY_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Body<'a> {
    time_ms: i64,
    events: &'a [Arc<Occurred>],
}

/// Brings events to one receiver.
struct Courier {
    hub: Arc<Hub>,
    sender: Sender,
    webhook: Webhook,
    /// What is to be told, in its order.
    events: Vec<Arc<Occurred>>,
    /// Events in the next request, at most. Fewer after the receiver has found a request too large.
    at_once: usize,
}

/// Sends what waits for a receiver until the node has closed its sockets; then what is left, once.
pub(crate) async fn run(hub: Arc<Hub>, webhook: Webhook, mut waiting: Waiting) {
    let sender = match Sender::new(&webhook.url) {
        Ok(sender) => sender,
        Err(error) => {
            tracing::error!(url = %webhook.url, %error, "the system has no certificates; webhooks are not sent");
            return;
        }
    };
    let node = Arc::clone(&hub);
    let mut courier = Courier { hub, sender, webhook, events: Vec::new(), at_once: EVENTS_AT_ONCE };
    loop {
        tokio::select! {
            () = node.link.ended() => break,
            received = waiting.recv() => match received {
                Some(event) => courier.events.push(event),
                None => break,
            }
        }
        let gathering = async {
            while courier.events.len() < EVENTS_AT_ONCE {
                match waiting.recv().await {
                    Some(event) => courier.events.push(event),
                    None => return,
                }
            }
        };
        let _ = timeout(GATHER, gathering).await;
        tokio::select! {
            () = node.link.ended() => break,
            () = courier.deliver_all() => {}
        }
    }
    courier.events.extend(std::iter::from_fn(|| waiting.try_recv()));
    // What does not succeed is counted.
    let _ = timeout(LAST_TRY_TIMEOUT, courier.deliver_once()).await;
    courier.drop_events(courier.events.len());
}

impl Courier {
    /// Until all events are taken or given up.
    async fn deliver_all(&mut self) {
        while !self.events.is_empty() {
            self.deliver_some().await;
        }
        self.at_once = EVENTS_AT_ONCE;
    }

    /// As much as the receiver takes without being asked twice.
    async fn deliver_once(&mut self) {
        while !self.events.is_empty() {
            let (count, signed) = self.next_request();
            match self.sender.send(&self.webhook.url, &signed).await {
                Ok(()) => self.taken(count),
                Err(_) => return metrics::webhook_failed(),
            }
        }
    }

    /// Until the receiver has taken the next request, wants a smaller one, or the events are given up.
    async fn deliver_some(&mut self) {
        // Signed once: the receiver can tell a repeat by its time.
        let (count, signed) = self.next_request();
        let given_up_at = Instant::now() + GIVEN_UP_AFTER;
        let mut pause_ms = PAUSE_MIN_MS;
        loop {
            let Err(error) = self.sender.send(&self.webhook.url, &signed).await else {
                return self.taken(count);
            };
            metrics::webhook_failed();
            if error.is_too_large() && count > 1 {
                self.at_once = count / 2;
                return;
            }
            let pause = Duration::from_millis(pause_ms + fastrand::u64(..pause_ms));
            if !error.may_pass() || Instant::now() + pause > given_up_at {
                return self.give_up(count, &error);
            }
            tracing::debug!(url = %self.webhook.url, %error, "a webhook is sent again");
            tokio::time::sleep(pause).await;
            pause_ms = (pause_ms * 2).min(PAUSE_MAX_MS);
        }
    }

    /// The next events that go together, and how many they are.
    fn next_request(&self) -> (usize, Signed) {
        let count = together(&self.events, self.at_once);
        let body = Body { time_ms: self.hub.clock.now_ms(), events: &self.events[..count] };
        let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
        let signature = self.hub.application.sign_text(&body);
        (count, Signed { key: self.hub.application.key().to_owned(), signature, body })
    }

    fn taken(&mut self, count: usize) {
        metrics::webhook_sent();
        self.events.drain(..count);
    }

    fn give_up(&mut self, count: usize, error: &SendError) {
        tracing::warn!(url = %self.webhook.url, events = count, %error, "a webhook was given up");
        self.drop_events(count);
    }

    fn drop_events(&mut self, count: usize) {
        self.events.drain(..count);
        metrics::webhook_events_dropped(count);
    }
}

/// How many of the first events go together: at least one.
fn together(events: &[Arc<Occurred>], at_once: usize) -> usize {
    let mut bytes = 0;
    let fits = events.iter().take(at_once).take_while(|event| {
        bytes += event.bytes();
        bytes <= BYTES_AT_ONCE
    });
    fits.count().max(1)
}
