//! From an HTTP request to a socket.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{ORIGIN, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use fastwebsockets::upgrade;
use tokio::time::Instant;

use crate::error::CloseReason;
use crate::hub::Hub;
use crate::hub::registry::Admission;
use crate::socket::task::{self, Entry};
use crate::websocket::deflate;

/// How long the client may take to read the answer to its upgrade. Then the connection is dropped.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// The versions of the Pusher protocol that are spoken here.
const PROTOCOLS: std::ops::RangeInclusive<u32> = 5..=7;

/// Says that the node takes sockets; load balancers ask for it.
pub(super) async fn health(State(hub): State<Arc<Hub>>) -> Response {
    if hub.shutdown.is_requested() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping").into_response()
    } else {
        (StatusCode::OK, "ok").into_response()
    }
}

/// `GET /app/{key}`: makes the connection a socket. A browser does not show the status of a refused upgrade, so whatever the
/// protocol has a number for is said on the socket.
pub(super) async fn connect(
    State(hub): State<Arc<Hub>>,
    Path(key): Path<String>,
    request: Request,
) -> Response {
    upgrade(&hub, request, |request| match admit(&hub, &key, request) {
        Ok((admission, turn)) => Some(Entry::admitted(admission, turn)),
        Err(reason) => refuse(&hub, reason),
    })
}

/// A path under `/app` that is no application's.
pub(super) async fn lost(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    upgrade(&hub, request, |_| refuse(&hub, CloseReason::PathNotFound))
}

/// Lets the connection be told why it is refused; `None` when too many are being told.
fn refuse(hub: &Hub, reason: CloseReason) -> Option<Entry> {
    hub.sockets.admit_refused().map(|admission| Entry::refused(admission, reason))
}

fn admit(hub: &Hub, key: &str, request: &Request) -> Result<(Admission, Instant), CloseReason> {
    if !hub.application.has_key(key) {
        return Err(CloseReason::UnknownApp);
    }
    // Only a browser says where its page comes from, and it says the truth.
    let origin = request.headers().get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if origin.is_some_and(|origin| !is_allowed(&hub.config.allowed_origins, origin)) {
        return Err(CloseReason::OriginRefused);
    }
    let query = request.uri().query().unwrap_or_default();
    let protocol = query.split('&').find_map(|pair| pair.strip_prefix("protocol=")).unwrap_or_default();
    if protocol.is_empty() {
        return Err(CloseReason::NoProtocol);
    }
    let protocol: u32 = protocol.parse().map_err(|_| CloseReason::BadVersion)?;
    if !PROTOCOLS.contains(&protocol) {
        return Err(CloseReason::UnsupportedProtocol);
    }
    let admission = hub.sockets.admit().ok_or(CloseReason::NodeFull)?;
    let turn = hub.pace.turn().ok_or(CloseReason::NodeFull)?;
    Ok((admission, turn))
}

/// Answers the upgrade. `enter` is asked for a request that is whole and right, so that no other one takes the turn of somebody who comes.
fn upgrade(hub: &Arc<Hub>, mut request: Request, enter: impl FnOnce(&Request) -> Option<Entry>) -> Response {
    if hub.shutdown.is_requested() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !upgrade::is_upgrade_request(&request) {
        let upgrade = [("upgrade", "websocket"), ("connection", "upgrade")];
        return (StatusCode::UPGRADE_REQUIRED, upgrade, "connect with a WebSocket").into_response();
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let is_valid = request.headers().get(SEC_WEBSOCKET_KEY).is_some_and(is_key);
    let Some((mut response, _)) = upgrade::upgrade(&mut request).ok().filter(|_| is_valid) else {
        let version = [("sec-websocket-version", "13")];
        return (StatusCode::BAD_REQUEST, version, "the WebSocket handshake is not valid").into_response();
    };
    let Some(entry) = enter(&request) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many are being refused; try again").into_response();
    };
    let mut offers = request.headers().get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let deflates = offers.any(|offer| offer.to_str().is_ok_and(deflate::is_offered));
    if deflates {
        response.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(deflate::TAKEN));
    }
    let hub_of_socket = Arc::clone(hub);
    hub.shutdown.spawn(async move {
        if let Ok(Ok(upgraded)) = tokio::time::timeout(UPGRADE_TIMEOUT, upgraded).await {
            task::run(hub_of_socket, upgraded, entry.deflating(deflates)).await;
        }
    });
    response.map(|_| Body::empty())
}

/// Whether pages of this origin may connect.
fn is_allowed(allowed: &[String], origin: &str) -> bool {
    let fits = |pattern: &String| match pattern.split_once("://*.") {
        Some((scheme, domain)) => {
            let host = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
            host.and_then(|host| host.strip_suffix(domain))
                .is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
        }
        None => pattern == origin,
    };
    allowed.is_empty() || allowed.iter().any(fits)
}

/// Whether a handshake's key is one: 16 bytes in base64.
fn is_key(key: &HeaderValue) -> bool {
    let digits = key.as_bytes().strip_suffix(b"==").unwrap_or_default();
    digits.len() == 22 && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_origins_that_are_named_may_connect() {
        let allowed = ["https://example.com".to_owned(), "https://*.example.org".to_owned()];
        for origin in ["https://example.com", "https://a.example.org", "https://a.b.example.org"] {
            assert!(is_allowed(&allowed, origin), "{origin}");
            assert!(is_allowed(&[], origin));
        }
        for origin in [
            "http://example.com",
            "https://example.com.evil.net",
            "https://example.org",
            "https://.example.org",
            "https://evilexample.org",
            "http://a.example.org",
            "null",
            "",
        ] {
            assert!(!is_allowed(&allowed, origin), "{origin}");
        }
    }
}
