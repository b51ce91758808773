//! From the protocol's messages to ours, and back.
//!
//! The log has no field for an event's content type. What comes through this port keeps it as the first byte of its metadata,
//! before the client's own; a battle's metadata is JSON and begins with none of these bytes.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use nimaora_event_log::types::EVENT_BYTES_MAX;
use nimaora_event_log::{NewEvent, RecordedEvent};
use tonic::Status;
use uuid::Uuid;

use crate::wire::client::streams::read_resp::read_event::{Position, RecordedEvent as Recorded};
use crate::wire::client::streams::read_resp::{Content, ReadEvent};
use crate::wire::client::streams::{Moment, ReadResp};
use crate::wire::client::uuid::{Structured, Value};
use crate::wire::client::{StreamIdentifier, Uuid as WireUuid};
use crate::{access, refusal};

const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";
const JSON_MARK: u8 = 1;
const BINARY_MARK: u8 = 2;
/// Ticks of the protocol's clock in a millisecond.
const TICKS_PER_MS: i64 = 10_000;

/// The stream's name.
///
/// # Errors
/// It is missing, empty or not UTF-8.
pub(crate) fn stream(identifier: Option<StreamIdentifier>) -> Result<String, Status> {
    let name = identifier.map(|identifier| identifier.stream_name).unwrap_or_default();
    match String::from_utf8(name.into()) {
        Ok(name) if !name.is_empty() => Ok(name),
        _ => Err(Status::invalid_argument("the stream needs a name in UTF-8")),
    }
}

pub(crate) fn identifier(stream: &str) -> StreamIdentifier {
    StreamIdentifier { stream_name: Bytes::copy_from_slice(stream.as_bytes()) }
}

/// The id, in whichever form it came.
///
/// # Errors
/// There is none, or it is malformed.
pub(crate) fn uuid(id: Option<&WireUuid>) -> Result<Uuid, Status> {
    let malformed = || Status::invalid_argument("an id is missing, or is no UUID");
    match id.and_then(|id| id.value.as_ref()).ok_or_else(malformed)? {
        Value::String(text) => Uuid::parse_str(text).map_err(|_| malformed()),
        Value::Structured(halves) => Ok(Uuid::from_u64_pair(
            halves.most_significant_bits.cast_unsigned(),
            halves.least_significant_bits.cast_unsigned(),
        )),
    }
}

/// The form in which a client wants ids.
#[derive(Clone, Copy, Debug)]
pub(crate) enum IdForm {
    Structured,
    Text,
}

impl IdForm {
    pub(crate) fn write(self, id: Uuid) -> WireUuid {
        let value = match self {
            Self::Text => Value::String(id.hyphenated().to_string()),
            Self::Structured => {
                let (most, least) = id.as_u64_pair();
                Value::Structured(Structured {
                    most_significant_bits: most.cast_signed(),
                    least_significant_bits: least.cast_signed(),
                })
            }
        };
        WireUuid { value: Some(value) }
    }
}

pub(crate) fn moment(now_ms: i64) -> Moment {
    let nanos = now_ms.rem_euclid(1_000) * 1_000_000;
    Moment { seconds: now_ms.div_euclid(1_000), nanos: i32::try_from(nanos).unwrap_or_default() }
}

/// The event as a client is sent it. Its body is shared and not copied.
pub(crate) fn event(event: RecordedEvent, ids: IdForm) -> ReadResp {
    let (content_type, custom_metadata) = content_type(&event);
    let metadata = HashMap::from([
        ("type".to_owned(), (*event.event_type).to_owned()),
        ("created".to_owned(), event.created_ms.saturating_mul(TICKS_PER_MS).to_string()),
        ("content-type".to_owned(), content_type.to_owned()),
    ]);
    let recorded = Recorded {
        id: Some(ids.write(event.id)),
        stream_identifier: Some(identifier(&event.stream)),
        stream_revision: event.revision,
        prepare_position: event.position,
        commit_position: event.position,
        metadata,
        custom_metadata,
        data: event.data,
    };
    let position = Some(Position::CommitPosition(event.position));
    let event = ReadEvent { event: Some(recorded), link: None, position };
    ReadResp { content: Some(Content::Event(event)) }
}

fn content_type(event: &RecordedEvent) -> (&'static str, Bytes) {
    let metadata = &event.metadata;
    match metadata.first() {
        _ if access::is_battle(&event.stream) => (JSON, metadata.clone()),
        Some(&JSON_MARK) => (JSON, metadata.slice(1..)),
        Some(&BINARY_MARK) => (BINARY, metadata.slice(1..)),
        _ => (BINARY, metadata.clone()),
    }
}

/// An event that a client proposes.
///
/// # Errors
/// Something that is required is missing, or it is too large.
pub(crate) fn proposed(
    id: Option<&WireUuid>,
    metadata: &HashMap<String, String>,
    custom: &Bytes,
    data: Bytes,
) -> Result<NewEvent, Status> {
    let id = uuid(id)?;
    let known = |name| metadata.get(name).filter(|value| !value.is_empty());
    let event_type = known("type").ok_or_else(|| refusal::metadata_missing("type"))?;
    let content_type = known("content-type").ok_or_else(|| refusal::metadata_missing("content-type"))?;
    let mut stored = BytesMut::with_capacity(1 + custom.len());
    stored.put_u8(if content_type == JSON { JSON_MARK } else { BINARY_MARK });
    stored.put_slice(custom);
    let bytes = event_type.len() + data.len() + stored.len();
    if bytes > EVENT_BYTES_MAX {
        return Err(refusal::event_too_large(id, bytes, EVENT_BYTES_MAX));
    }
    Ok(NewEvent { id, event_type: event_type.as_str().into(), data, metadata: stored.freeze() })
}

/// What an event counts for in the limit of an append, in bytes.
pub(crate) fn bytes_of(event: &NewEvent) -> usize {
    event.event_type.len() + event.data.len() + event.metadata.len()
}
