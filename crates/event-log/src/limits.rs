//! The limits of an append, the same for every implementation.

use crate::error::AppendError;
use crate::types::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, Append, EVENT_BYTES_MAX, NewEvent, STREAM_NAME_BYTES_MAX,
};

/// Type, data and metadata of an event together, in bytes.
pub(crate) fn event_bytes(event: &NewEvent) -> usize {
    event.event_type.len() + event.data.len() + event.metadata.len()
}

/// The bytes of all events.
///
/// # Errors
/// [`AppendError::Invalid`] with the value and the limit.
pub(crate) fn check(append: &Append) -> Result<usize, AppendError> {
    let invalid = |reason| Err(AppendError::Invalid { reason });
    let (name, count) = (append.stream.len(), append.events.len());
    if name == 0 || name > STREAM_NAME_BYTES_MAX {
        return invalid(format!("the stream's name has {name} bytes, not 1 to {STREAM_NAME_BYTES_MAX}"));
    }
    if count == 0 || count > APPEND_EVENTS_MAX {
        return invalid(format!("it has {count} events, not 1 to {APPEND_EVENTS_MAX}"));
    }
    let mut total = 0;
    for event in &append.events {
        let bytes = event_bytes(event);
        if bytes > EVENT_BYTES_MAX {
            return invalid(format!("event {} has {bytes} bytes, more than {EVENT_BYTES_MAX}", event.id));
        }
        if event.event_type.len() > usize::from(u16::MAX) {
            return invalid(format!("the type of event {} is longer than {} bytes", event.id, u16::MAX));
        }
        total += bytes;
    }
    if total > APPEND_BYTES_MAX {
        return invalid(format!("it has {total} bytes, more than {APPEND_BYTES_MAX}"));
    }
    Ok(total)
}
