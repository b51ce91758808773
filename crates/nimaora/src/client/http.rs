//! One small HTTP/1.1 request over a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a request may take, connecting included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes; a larger one fails.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a request got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody answers at the address.
    #[error("cannot connect to {authority}: {source}")]
    Connect {
        /// HOST:PORT.
        authority: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Connection(#[from] hyper::Error),
    /// Something in the request cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Request(#[from] hyper::http::Error),
    /// The answer broke off, or was larger than 4 MiB.
    #[error("the answer could not be read: {0}")]
    Answer(Box<dyn std::error::Error + Send + Sync>),
    /// The server said no.
    #[error("the server answered {status}: {body}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// What it said.
        body: String,
    },
    /// There was no answer within ten seconds.
    #[error("{authority} gave no answer in time")]
    Timeout {
        /// HOST:PORT.
        authority: String,
    },
}

/// Gets a page. `authority` is HOST:PORT.
///
/// # Errors
/// [`HttpError`]; a status other than 2xx is one too.
pub async fn get(authority: &str, path: &str) -> Result<Bytes, HttpError> {
    let request = Request::get(path).header(HOST, authority).body(Full::default())?;
    send(authority, request).await
}

/// Posts a form as whoever holds `token`.
///
/// # Errors
/// [`HttpError`]; a status other than 2xx is one too.
pub async fn post_form(authority: &str, path: &str, token: &str, form: String) -> Result<Bytes, HttpError> {
    let request = Request::post(path)
        .header(HOST, authority)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form))?;
    send(authority, request).await
}

async fn send(authority: &str, request: Request<Full<Bytes>>) -> Result<Bytes, HttpError> {
    timeout(REQUEST_TIMEOUT, exchange(authority, request))
        .await
        .unwrap_or_else(|_| Err(HttpError::Timeout { authority: authority.to_owned() }))
}

async fn exchange(authority: &str, request: Request<Full<Bytes>>) -> Result<Bytes, HttpError> {
    let stream = TcpStream::connect(authority)
        .await
        .map_err(|source| HttpError::Connect { authority: authority.to_owned(), source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(HttpError::Answer)?.to_bytes();
        Ok::<_, HttpError>((status, body))
    };
    // The connection ends once the sender is dropped; whatever breaks it, the answer tells.
    let (answer, _) = tokio::join!(answer, connection);
    let (status, body) = answer?;
    if status.is_success() {
        Ok(body)
    } else {
        Err(HttpError::Status { status, body: String::from_utf8_lossy(&body).into_owned() })
    }
}
