//! Whether the application's own server has sent a request: its signature, its time, and that nobody sends it once more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ahash::AHashMap;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::{Method, StatusCode};
use md5::{Digest, Md5};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;

use super::ApiError;
use crate::cluster::Say;
use crate::hub::Hub;

/// How far the sender's clock may be off, in seconds; the protocol's own bound.
const SKEW_MAX_S: i64 = 600;
/// A library may send the same request anew at once, when its connection broke; and two events in one second are the same request
/// when they say the same. After so many milliseconds it is a replay.
const REPEAT_MS: i64 = 5_000;
/// Signatures of the last minutes that are remembered. When there are more, the oldest is forgotten, and could be used again.
const SIGNATURES_MAX: usize = 50_000;

/// A request that the application's own server has sent.
pub(super) struct Signed {
    /// What the query says, names in lower case.
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Bytes,
    /// The parts of the path that are variable, after the application's id.
    pub(super) path: Vec<String>,
}

impl FromRequest<Arc<Hub>> for Signed {
    type Rejection = ApiError;

    async fn from_request(request: Request, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, hub).await;
        let params = params.map_err(|_| ApiError::wrong("the path is not UTF-8"))?;
        let mut path: Vec<_> = params.iter().map(|(_, value)| value.to_owned()).collect();
        if path.is_empty() || path.remove(0) != hub.config.app_id {
            return Err(ApiError::UnknownApp);
        }
        let method = parts.method.clone();
        let whole_path = parts.uri.path().to_owned();
        let query = read_query(parts.uri.query().unwrap_or_default());
        let body = Bytes::from_request(Request::from_parts(parts, body), &()).await.map_err(unreadable)?;
        let now_ms = hub.clock.now_ms();
        let signature = verify(hub, &method, &whole_path, &query, &body, now_ms)?;
        // Asking twice does nothing twice.
        if method != Method::GET {
            match hub.replays.admit(signature, now_ms) {
                Admitted::Anew => {
                    let signature = hex::encode(signature).into();
                    hub.link.say_to_peers(|| Say::Done { signature });
                }
                Admitted::Again => {}
                Admitted::Not => {
                    return Err(ApiError::Unsigned("this request was sent before; sign it anew"));
                }
            }
        }
        Ok(Self { query, body, path })
    }
}

fn unreadable(rejection: BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::TooLarge("the body is too large")
    } else {
        ApiError::wrong("the body cannot be read")
    }
}

/// Names in lower case and in order, as they are signed.
fn read_query(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name).to_lowercase(), decode(value)))
        .collect()
}

/// The signature, if it is right.
fn verify(
    hub: &Hub,
    method: &Method,
    path: &str,
    query: &BTreeMap<String, String>,
    body: &[u8],
    now_ms: i64,
) -> Result<[u8; 32], ApiError> {
    let get = |name| query.get(name).map(String::as_str);
    let signature = get("auth_signature").ok_or(ApiError::Unsigned("auth_signature is missing"))?;
    if !get("auth_key").is_some_and(|key| hub.application.has_key(key)) {
        return Err(ApiError::Unsigned("auth_key is not this application's"));
    }
    if get("auth_version") != Some("1.0") {
        return Err(ApiError::Unsigned("auth_version is not 1.0"));
    }
    let signed = query.iter().filter(|(name, _)| *name != "auth_signature");
    let signed: Vec<_> = signed.map(|(name, value)| format!("{name}={value}")).collect();
    let signed = format!("{method}\n{path}\n{}", signed.join("&"));
    let signature = hub.application.verify_text(&signed, signature);
    let signature = signature.ok_or(ApiError::Unsigned("auth_signature is not that of this request"))?;
    // Checked last: who cannot sign learns nothing.
    let is_body_signed = match get("body_md5") {
        Some(digest) => digest.eq_ignore_ascii_case(&hex::encode(Md5::digest(body))),
        None => body.is_empty(),
    };
    if !is_body_signed {
        return Err(ApiError::Unsigned("body_md5 is not that of the body"));
    }
    let sent_s: Option<i64> = get("auth_timestamp").and_then(|seconds| seconds.parse().ok());
    let skew_s = sent_s.map(|sent_s| now_ms.div_euclid(1_000).saturating_sub(sent_s).saturating_abs());
    match skew_s {
        Some(skew_s) if skew_s <= SKEW_MAX_S => Ok(signature),
        Some(_) => Err(ApiError::Unsigned("auth_timestamp is more than 600 s off; set the sender's clock")),
        None => Err(ApiError::Unsigned("auth_timestamp is missing or no number")),
    }
}

/// The signatures of requests that were carried out, as long as they could be sent once more.
#[derive(Default)]
pub(crate) struct Replays {
    inner: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When each was first seen.
    first_ms: AHashMap<[u8; 32], i64>,
    in_order: VecDeque<([u8; 32], i64)>,
}

/// Whether a request may be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admitted {
    Anew,
    /// A library has sent it once more.
    Again,
    Not,
}

impl Replays {
    /// Another node has carried out a request with this signature.
    pub(crate) fn heard(&self, signature: &str, now_ms: i64) {
        let mut bytes = [0; 32];
        if hex::decode_to_slice(signature, &mut bytes).is_ok() {
            self.admit(bytes, now_ms);
        }
    }

    /// Whether a request with this signature may be carried out now.
    fn admit(&self, signature: [u8; 32], now_ms: i64) -> Admitted {
        let mut seen = self.inner.lock();
        let Seen { first_ms, in_order } = &mut *seen;
        // Its time may be as far ahead as behind.
        let is_over = |at_ms: i64| now_ms - at_ms > 2 * SKEW_MAX_S * 1_000 + REPEAT_MS;
        while in_order.front().is_some_and(|(_, at_ms)| is_over(*at_ms)) || in_order.len() >= SIGNATURES_MAX {
            let Some((oldest, _)) = in_order.pop_front() else { break };
            first_ms.remove(&oldest);
        }
        match first_ms.get(&signature) {
            Some(at_ms) if now_ms - at_ms <= REPEAT_MS => Admitted::Again,
            Some(_) => Admitted::Not,
            None => {
                first_ms.insert(signature, now_ms);
                in_order.push_back((signature, now_ms));
                Admitted::Anew
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_sent_once_more_later_is_a_replay() {
        let replays = Replays::default();
        assert_eq!(replays.admit([1; 32], 0), Admitted::Anew);
        assert_eq!(
            replays.admit([1; 32], REPEAT_MS),
            Admitted::Again,
            "a library sends anew what it does not know to have arrived"
        );
        assert_eq!(replays.admit([1; 32], REPEAT_MS + 1), Admitted::Not);
        replays.heard(&hex::encode([2; 32]), 0);
        assert_eq!(replays.admit([2; 32], REPEAT_MS + 1), Admitted::Not, "another node has done it");
        replays.heard("no signature", 0);
        assert_eq!(replays.admit([3; 32], REPEAT_MS + 1), Admitted::Anew);
    }

    #[test]
    fn what_could_not_be_replayed_is_forgotten() {
        let replays = Replays::default();
        for n in 0..(SIGNATURES_MAX as u64 + 10) {
            let mut signature = [0; 32];
            signature[..8].copy_from_slice(&n.to_be_bytes());
            assert_eq!(replays.admit(signature, 0), Admitted::Anew);
        }
        assert_eq!(replays.inner.lock().first_ms.len(), SIGNATURES_MAX);
        assert_eq!(replays.admit([9; 32], 10_000_000), Admitted::Anew);
        assert_eq!(replays.inner.lock().first_ms.len(), 1);
    }

    #[test]
    fn the_query_is_read_as_it_was_signed() {
        let query = read_query("Auth_Key=a%20b&info=user_count%2Cx&flag&filter_by_prefix=presence-+c");
        let query: Vec<_> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(query, ["auth_key=a b", "filter_by_prefix=presence- c", "flag=", "info=user_count,x"]);
    }
}
