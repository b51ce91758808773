//! Errors in the form that clients recognise: the trailer `exception` names them. Nothing here is `INTERNAL` or `UNKNOWN`, since
//! clients answer those by giving up the connection, and every other call on it.

use nimaora_event_log::{Expected, ReadError, Revision};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use uuid::Uuid;

fn named(code: Code, message: impl Into<String>, trailers: &[(&'static str, &str)]) -> Status {
    let mut status = Status::new(code, message);
    for (name, value) in trailers {
        if let Ok(value) = MetadataValue::try_from(*value) {
            status.metadata_mut().insert(*name, value);
        }
    }
    status
}

pub(crate) fn access_denied(why: &str) -> Status {
    named(Code::PermissionDenied, format!("Access Denied: {why}"), &[("exception", "access-denied")])
}

pub(crate) fn stream_deleted(stream: &str) -> Status {
    let trailers = [("exception", "stream-deleted"), ("stream-name", stream)];
    named(Code::FailedPrecondition, format!("Event stream '{stream}' is deleted."), &trailers)
}

/// Clients read the numbers from the text.
pub(crate) fn wrong_expected_version(stream: &str, expected: Expected, actual: Option<Revision>) -> Status {
    let expected = match expected {
        Expected::Exact(revision) => revision.to_string(),
        Expected::NoStream => "-1".to_owned(),
        Expected::Any => "-2".to_owned(),
        Expected::Exists => "-4".to_owned(),
    };
    let actual = actual.map_or_else(|| "-1".to_owned(), |revision| revision.to_string());
    let message = format!(
        "Refused due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, Actual version: {actual}"
    );
    let trailers = [
        ("exception", "wrong-expected-version"),
        ("stream-name", stream),
        ("expected-version", &*expected),
        ("actual-version", &*actual),
    ];
    named(Code::FailedPrecondition, message, &trailers)
}

fn group(code: Code, exception: &'static str, message: String, stream: &str, group: &str) -> Status {
    let trailers = [("exception", exception), ("stream-name", stream), ("group-name", group)];
    named(code, message, &trailers)
}

pub(crate) fn no_such_group(stream: &str, name: &str) -> Status {
    let message = format!("Subscription group {name} on stream {stream} does not exist.");
    group(Code::NotFound, "persistent-subscription-does-not-exist", message, stream, name)
}

pub(crate) fn group_exists(stream: &str, name: &str) -> Status {
    let message = format!("Subscription group {name} on stream {stream} already exists.");
    group(Code::AlreadyExists, "persistent-subscription-exists", message, stream, name)
}

pub(crate) fn group_dropped(stream: &str, name: &str) -> Status {
    let message = format!("Subscription group {name} on stream {stream} was dropped.");
    group(Code::Cancelled, "persistent-subscription-dropped", message, stream, name)
}

/// Clients know it by how the text begins.
pub(crate) fn too_many_consumers(stream: &str, name: &str) -> Status {
    let message = format!("Maximum subscriptions reached for subscription group {name} on stream {stream}.");
    group(Code::FailedPrecondition, "maximum-subscribers-reached", message, stream, name)
}

pub(crate) fn timed_out(what: &str) -> Status {
    Status::aborted(format!("Operation timed out: {what}"))
}

pub(crate) fn append_too_large(bytes_max: usize) -> Status {
    let max = bytes_max.to_string();
    let trailers = [("exception", "maximum-append-size-exceeded"), ("maximum-append-size", &*max)];
    named(Code::InvalidArgument, format!("Maximum Append Size of {max} Exceeded."), &trailers)
}

pub(crate) fn event_too_large(id: Uuid, bytes: usize, bytes_max: usize) -> Status {
    let (id, bytes, max) = (id.to_string(), bytes.to_string(), bytes_max.to_string());
    let trailers = [
        ("exception", "maximum-append-event-size-exceeded"),
        ("event-id", &*id),
        ("proposed-append-event-size", &*bytes),
        ("maximum-append-event-size", &*max),
    ];
    named(Code::InvalidArgument, format!("Event {id} has {bytes} bytes, more than {max}."), &trailers)
}

pub(crate) fn metadata_missing(what: &str) -> Status {
    let trailers = [
        ("exception", "missing-required-metadata-property"),
        ("required-metadata-properties", "type,content-type"),
    ];
    named(Code::InvalidArgument, format!("Required Metadata Property '{what}' is missing"), &trailers)
}

/// A client that listens does so again after `UNAVAILABLE`; a subscription never ends with success.
pub(crate) fn stopping() -> Status {
    Status::unavailable("the server is stopping; subscribe again after the last event seen")
}

pub(crate) fn read(error: &ReadError) -> Status {
    let code = match error {
        ReadError::Damaged { .. } => Code::FailedPrecondition,
        ReadError::Unavailable { .. } => Code::Unavailable,
        ReadError::Invalid { .. } => Code::InvalidArgument,
    };
    Status::new(code, error.to_string())
}
