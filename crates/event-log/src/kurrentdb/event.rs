//! Events, from the client's form and into it.

use bytes::Bytes;
use kurrentdb::{EventData, ResolvedEvent};
use serde_json::value::RawValue;

use super::fault::Fault;
use super::position;
use crate::types::{NewEvent, RecordedEvent};

/// An event as the server stored it; `None` for a link to another one, which no log of ours holds.
///
/// # Errors
/// The stream's name is not text.
pub(super) fn recorded(event: ResolvedEvent) -> Result<Option<RecordedEvent>, Fault> {
    let Some(event) = event.event.filter(|_| event.link.is_none()) else { return Ok(None) };
    // The client takes the name for text without a look.
    let stream = std::str::from_utf8(event.stream_id().as_bytes())
        .map_err(|_| Fault::Damaged("a stream's name is not UTF-8".into()))?;
    Ok(Some(RecordedEvent {
        position: position::of(event.position),
        stream: stream.into(),
        revision: event.revision,
        id: event.id,
        event_type: event.event_type.as_str().into(),
        created_ms: event.created.timestamp_millis(),
        data: event.data,
        metadata: event.custom_metadata,
    }))
}

/// An event to be appended. Its bytes arrive as they are; what is JSON is called so, for other clients of the server.
pub(super) fn proposed(event: &NewEvent) -> EventData {
    let proposed = match json(&event.data) {
        Some(data) => EventData::json(&event.event_type, &data).ok(),
        None => None,
    };
    proposed
        .unwrap_or_else(|| EventData::binary(&event.event_type, event.data.clone()))
        .id(event.id)
        .metadata(event.metadata.clone())
}

/// The bytes as JSON, if they are that and nothing around it.
fn json(data: &Bytes) -> Option<&RawValue> {
    let value: &RawValue = serde_json::from_slice(data).ok()?;
    (value.get().len() == data.len()).then_some(value)
}
