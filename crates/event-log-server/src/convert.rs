//! From the protocol's messages to ours, and back.

use std::collections::HashMap;

use bytes::Bytes;
use nimaora_event_log::types::EVENT_BYTES_MAX;
use nimaora_event_log::{NewEvent, RecordedEvent, Revision};
use tonic::Status;
use uuid::Uuid;

use crate::deleting::ENDED_TYPE;
use crate::marks::{MARK_BYTES_MAX, Mark};
use crate::wire::client::streams::read_resp::read_event::{Position, RecordedEvent as Recorded};
use crate::wire::client::streams::read_resp::{Content, ReadEvent};
use crate::wire::client::streams::{Moment, ReadResp};
use crate::wire::client::uuid::{Structured, Value};
use crate::wire::client::{StreamIdentifier, Uuid as WireUuid};
use crate::{access, refusal, standing};

const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";
/// The revision of the event that ends a stream, as clients know it.
const ENDED_REVISION: Revision = i64::MAX as Revision;
/// The largest event that is taken: one of the log, less its mark. A larger one is refused.
const PROPOSED_BYTES_MAX: usize = EVENT_BYTES_MAX - MARK_BYTES_MAX;
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
    let position = Some(Position::CommitPosition(event.position));
    let event = ReadEvent { event: Some(recorded(event, ids)), link: None, position };
    ReadResp { content: Some(Content::Event(event)) }
}

/// What a link stands for, if that is there, and the link.
pub(crate) fn linked(found: Option<RecordedEvent>, link: RecordedEvent, ids: IdForm) -> ReadResp {
    let position = Some(Position::CommitPosition(link.position));
    let event = found.map(|event| recorded(event, ids));
    let event = ReadEvent { event, link: Some(recorded(link, ids)), position };
    ReadResp { content: Some(Content::Event(event)) }
}

/// The event as the log holds it.
pub(crate) fn recorded(event: RecordedEvent, ids: IdForm) -> Recorded {
    let (mark, custom_metadata) = match access::is_battle(&event.stream) {
        true => (Mark::Json, event.metadata),
        false => Mark::split(&event.metadata),
    };
    let content_type = if mark.is_json() { JSON } else { BINARY };
    let metadata = HashMap::from([
        ("type".to_owned(), (*event.event_type).to_owned()),
        ("created".to_owned(), event.created_ms.saturating_mul(TICKS_PER_MS).to_string()),
        ("content-type".to_owned(), content_type.to_owned()),
    ]);
    // Clients look for the end of a stream in the stream itself.
    let ended = match mark == Mark::Ended && &*event.event_type == ENDED_TYPE {
        true => standing::original_of(&event.stream),
        false => None,
    };
    let (stream, stream_revision) = match ended {
        Some(original) => (original, ENDED_REVISION),
        None => (&*event.stream, event.revision),
    };
    Recorded {
        id: Some(ids.write(event.id)),
        stream_identifier: Some(identifier(stream)),
        stream_revision,
        prepare_position: event.position,
        commit_position: event.position,
        metadata,
        custom_metadata,
        data: event.data,
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
    let bytes = event_type.len() + data.len() + custom.len();
    if bytes > PROPOSED_BYTES_MAX {
        return Err(refusal::event_too_large(id, bytes, PROPOSED_BYTES_MAX));
    }
    let mark = if content_type == JSON { Mark::Json } else { Mark::Binary };
    Ok(NewEvent { id, event_type: event_type.as_str().into(), data, metadata: mark.before(custom) })
}

/// What an event counts for in the limit of an append, in bytes.
pub(crate) fn bytes_of(event: &NewEvent) -> usize {
    event.event_type.len() + event.data.len() + event.metadata.len()
}
