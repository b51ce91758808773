//! One message of the JetStream stream: all events of an append, so that they are there together or not at all.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | CRC-32C of all that follows |
//! | 1 | version of this layout |
//! | 8 | when the log took it, milliseconds since the Unix epoch |
//! | 8 | revision of the first event |
//! | 8 | sequence of the stream's group before this one, 0 for none |
//! | 4 | number of events |
//! | 4 + n | the stream's name with its length |
//! | each event | id (16), lengths of type, data and metadata (4 each), then these |
//!
//! All numbers are little-endian.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::error::ReadError;
use crate::limits::event_bytes;
use crate::types::{
    Append, Appended, EVENT_OVERHEAD_BYTES, Position, RecordedEvent, Revision, STREAM_NAME_BYTES_MAX,
};

const VERSION: u8 = 1;
const CRC_BYTES: usize = 4;
const HEADER_BYTES: usize = CRC_BYTES + 1 + 8 + 8 + 8 + 4 + 4;
const EVENT_HEADER_BYTES: usize = 16 + 3 * 4;
const _: () = assert!(EVENT_HEADER_BYTES <= EVENT_OVERHEAD_BYTES);
/// What a message has at most besides its events.
pub(super) const BESIDES_EVENTS_BYTES_MAX: usize = HEADER_BYTES + STREAM_NAME_BYTES_MAX;
/// A position is the message's sequence in the upper bits and the event's index in the group in these.
const INDEX_BITS: u32 = 16;

/// A group as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The message's sequence.
    pub(super) sequence: u64,
    /// The sequence of the stream's group before this one; 0 for none.
    pub(super) previous: u64,
    /// The revision of its first event.
    pub(super) first_revision: Revision,
    /// Its events, at least one.
    pub(super) events: Vec<RecordedEvent>,
}

/// Where a group goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The sequence of the stream's last group; 0 for none.
    pub(super) previous: u64,
    /// The revision of the group's first event.
    pub(super) first_revision: Revision,
}

impl Group {
    /// The revision of the last event.
    pub(super) fn last_revision(&self) -> Revision {
        self.first_revision + (self.events.len() as u64).saturating_sub(1)
    }

    /// The position of the last event.
    pub(super) fn last_position(&self) -> Position {
        position(self.sequence, self.events.len().saturating_sub(1))
    }
}

/// The position of an event.
pub(super) fn position(sequence: u64, index: usize) -> Position {
    (sequence << INDEX_BITS) | index as u64
}

/// The sequence of the message that holds the event at `position`.
pub(super) fn sequence_of(position: Position) -> u64 {
    position >> INDEX_BITS
}

/// The answer for `count` events whose message has this sequence.
pub(super) fn appended(sequence: u64, first_revision: Revision, count: usize, repeated: bool) -> Appended {
    let last = count.saturating_sub(1);
    Appended {
        last_revision: first_revision + last as u64,
        first_position: position(sequence, 0),
        last_position: position(sequence, last),
        repeated,
        scattered: None,
    }
}

/// How many bytes the message of this append has.
pub(super) fn encoded_bytes(append: &Append) -> usize {
    let events = append.events.iter().map(|event| EVENT_HEADER_BYTES + event_bytes(event)).sum::<usize>();
    HEADER_BYTES + append.stream.len() + events
}

/// The message of an append. The append is within the limits, so that every length fits.
pub(super) fn encode(append: &Append, place: Place, created_ms: i64) -> Bytes {
    let mut out = BytesMut::with_capacity(encoded_bytes(append));
    out.put_u32_le(0);
    out.put_u8(VERSION);
    out.put_i64_le(created_ms);
    out.put_u64_le(place.first_revision);
    out.put_u64_le(place.previous);
    out.put_u32_le(append.events.len() as u32);
    out.put_u32_le(append.stream.len() as u32);
    out.put_slice(append.stream.as_bytes());
    for event in &append.events {
        out.put_slice(event.id.as_bytes());
        for part in [event.event_type.as_bytes(), &event.data, &event.metadata] {
            out.put_u32_le(part.len() as u32);
        }
        for part in [event.event_type.as_bytes(), &event.data, &event.metadata] {
            out.put_slice(part);
        }
    }
    let crc = crc32c::crc32c(&out[CRC_BYTES..]);
    out[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    out.freeze()
}

/// Reads a message.
///
/// # Errors
/// [`ReadError::Damaged`] when it is not what [`encode`] wrote.
pub(super) fn decode(sequence: u64, payload: Bytes) -> Result<Group, ReadError> {
    parse(sequence, payload).map_err(|reason| ReadError::Damaged {
        place: format!("message {sequence} of the JetStream stream"),
        reason: reason.to_owned(),
    })
}

fn parse(sequence: u64, mut rest: Bytes) -> Result<Group, &'static str> {
    if rest.len() < HEADER_BYTES {
        return Err("it is shorter than a group");
    }
    let crc = rest.get_u32_le();
    if crc32c::crc32c(&rest) != crc {
        return Err("its checksum does not match its bytes");
    }
    if rest.get_u8() != VERSION {
        return Err("its layout is of another version");
    }
    let created_ms = rest.get_i64_le();
    let first_revision = rest.get_u64_le();
    let previous = rest.get_u64_le();
    let count = rest.get_u32_le() as usize;
    let stream_bytes = rest.get_u32_le() as usize;
    let stream: Arc<str> = text(take(&mut rest, stream_bytes)?)?;
    let mut events: Vec<RecordedEvent> = Vec::with_capacity(count.min(rest.len() / EVENT_HEADER_BYTES));
    for index in 0..count {
        if rest.len() < EVENT_HEADER_BYTES {
            return Err("it ends within an event");
        }
        let id = Uuid::from_u128(rest.get_u128());
        let [type_bytes, data_bytes, metadata_bytes] = [(); 3].map(|()| rest.get_u32_le() as usize);
        let type_name = take(&mut rest, type_bytes)?;
        let known = events.iter().rev().take(4).find(|known| known.event_type.as_bytes() == type_name);
        let event_type = known.map_or_else(|| text(type_name), |known| Ok(Arc::clone(&known.event_type)))?;
        events.push(RecordedEvent {
            position: position(sequence, index),
            stream: Arc::clone(&stream),
            revision: first_revision + index as u64,
            id,
            event_type,
            created_ms,
            data: take(&mut rest, data_bytes)?,
            metadata: take(&mut rest, metadata_bytes)?,
        });
    }
    if events.is_empty() || !rest.is_empty() {
        return Err("it holds no event, or more than its events");
    }
    Ok(Group { sequence, previous, first_revision, events })
}

fn take(rest: &mut Bytes, bytes: usize) -> Result<Bytes, &'static str> {
    if rest.len() < bytes { Err("it ends within an event") } else { Ok(rest.split_to(bytes)) }
}

fn text(bytes: Bytes) -> Result<Arc<str>, &'static str> {
    std::str::from_utf8(&bytes).map(Arc::from).map_err(|_| "a name in it is no UTF-8")
}
