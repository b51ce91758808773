//! One request to a receiver of webhooks.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// How long a receiver may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests to one receiver.
pub(super) enum Sender {
    /// Needs no certificates, which an image may not have.
    Plain(Client<HttpConnector, Full<Bytes>>),
    Encrypted(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// A request as it is signed.
pub(super) struct Signed {
    pub(super) key: String,
    pub(super) signature: String,
    pub(super) body: Bytes,
}

/// Why a receiver has not taken a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the request cannot be made: {0}")]
    Request(#[from] axum::http::Error),
    #[error("{0}")]
    Connection(#[from] Error),
    #[error("it does not answer in time")]
    Silent,
    #[error("it answers {0}")]
    Status(u16),
}

impl SendError {
    /// Whether the same request may be taken later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Request(_) => false,
            Self::Connection(_) | Self::Silent => true,
            // Of the client's errors those that speak of the moment, and nothing else.
            Self::Status(status) => matches!(status, 408 | 425 | 429) || !(400..500).contains(status),
        }
    }

    /// Whether less at once may be taken.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Status(413))
    }
}

impl Sender {
    /// For a receiver at this address.
    ///
    /// # Errors
    /// The address is `https://`, and the system has no certificates.
    pub(super) fn new(url: &str) -> std::io::Result<Self> {
        if !url.starts_with("https:") {
            return Ok(Self::Plain(Client::builder(TokioExecutor::new()).build_http()));
        }
        // Two kinds of cryptography may be built in, and then the client does not guess.
        let cryptography = tokio_rustls::rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new().with_provider_and_native_roots(cryptography)?;
        let connector = connector.https_only().enable_http1().build();
        Ok(Self::Encrypted(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends a request once.
    pub(super) async fn send(&self, url: &str, signed: &Signed) -> Result<(), SendError> {
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-Pusher-Key", &signed.key)
            .header("X-Pusher-Signature", &signed.signature)
            .body(Full::new(signed.body.clone()))?;
        let answer = async {
            match self {
                Self::Plain(client) => client.request(request).await,
                Self::Encrypted(client) => client.request(request).await,
            }
        };
        let response = timeout(ANSWER_TIMEOUT, answer).await.map_err(|_| SendError::Silent)??;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(SendError::Status(status.as_u16())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_sent_again() {
        for (status, may_pass) in [
            (400, false),
            (401, false),
            (404, false),
            (410, false),
            (413, false),
            (429, true),
            (408, true),
            (500, true),
            (503, true),
            (302, true),
        ] {
            assert_eq!(SendError::Status(status).may_pass(), may_pass, "{status}");
        }
        assert!(SendError::Silent.may_pass());
    }

    #[test]
    fn a_receiver_without_encryption_needs_no_certificates() {
        assert!(matches!(Sender::new("http://127.0.0.1:1/hook"), Ok(Sender::Plain(_))));
    }
}
