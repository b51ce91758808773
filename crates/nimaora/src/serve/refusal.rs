//! An answer that says to try again later, in the words of its protocol.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tonic::Status;
use tonic::body::Body;
use tonic_types::StatusExt;

/// Says the status in place of an answer, whose headers tell the protocol and what a browser lets its page see. The status must
/// say when to try again.
pub(super) fn instead_of(answer: Response<Body>, status: &Status) -> Response<Body> {
    let (mut head, _) = answer.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    if is_grpc(&head.headers) {
        head.status = StatusCode::OK;
        if let Err(error) = status.add_header(&mut head.headers) {
            // Our own words fit in a header.
            debug_assert!(false, "{error}");
        }
        return Response::from_parts(head, Body::empty());
    }
    head.status = StatusCode::SERVICE_UNAVAILABLE;
    head.headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_s(status)));
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let message = axum::body::Body::from(status.message().to_owned());
    Response::from_parts(head, Body::new(message))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// In whole seconds, as HTTP has it.
fn retry_after_s(status: &Status) -> u64 {
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    delay.map_or(1, |delay| delay.as_secs().max(1))
}
