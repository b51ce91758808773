//! What is appended, read and subscribed to.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

/// A place in the whole log, from 1, strictly increasing; given at commit and comparable only within one log. In the
/// embedded log it is the event's number, without gaps. 0 is before the first event.
pub type Position = u64;

/// An event's number in its stream, from 0, without gaps.
pub type Revision = u64;

/// The longest stream name, in bytes.
pub const STREAM_NAME_BYTES_MAX: usize = 1_024;
/// The largest event (type, data and metadata together), in bytes.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// The largest append, in bytes.
pub const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What an event takes in an append besides its type, data and metadata, at most, in bytes.
pub const EVENT_OVERHEAD_BYTES: usize = 32;
/// The most events in one append.
pub const APPEND_EVENTS_MAX: usize = 4_096;

/// An event to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Chosen by the writer; appending the same id to the same stream again appends nothing.
    pub id: Uuid,
    /// The stable name of its type.
    pub event_type: Arc<str>,
    /// The body.
    pub data: Bytes,
    /// What surrounds it.
    pub metadata: Bytes,
}

impl NewEvent {
    /// How much of an append's room it takes at most, in bytes.
    pub fn append_bytes(&self) -> usize {
        self.event_type.len() + self.data.len() + self.metadata.len() + EVENT_OVERHEAD_BYTES
    }
}

/// What the writer believes of the stream it appends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Any,
    /// The stream has no event.
    NoStream,
    /// The stream has at least one event.
    Exists,
    /// The stream's last event has this revision.
    Exact(Revision),
}

/// One atomic append to one stream: all of its events are written, next to each other, or none.
#[derive(Clone, Debug)]
pub struct Append {
    /// The stream's name, 1 to [`STREAM_NAME_BYTES_MAX`] bytes.
    pub stream: Arc<str>,
    /// What the writer believes of the stream.
    pub expected: Expected,
    /// 1 to [`APPEND_EVENTS_MAX`] events.
    pub events: Vec<NewEvent>,
}

/// Where an append went. For a repeat, where it went the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The revision of the last event.
    pub last_revision: Revision,
    /// The position of the first event.
    pub first_position: Position,
    /// The position of the last event.
    pub last_position: Position,
    /// Whether nothing was written because the log had these events already.
    pub repeated: bool,
    /// The position of each event, where they do not follow one another without gaps.
    pub scattered: Option<Arc<[Position]>>,
}

impl Appended {
    /// The position of the append's event with this index, from 0; of the last one where there are not so many.
    pub fn position(&self, index: usize) -> Position {
        match &self.scattered {
            Some(positions) => positions.get(index).copied().unwrap_or(self.last_position),
            None => (self.first_position + index as u64).min(self.last_position),
        }
    }
}

/// An event as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the whole log.
    pub position: Position,
    /// The stream it is in.
    pub stream: Arc<str>,
    /// Its number in the stream.
    pub revision: Revision,
    /// Its id.
    pub id: Uuid,
    /// The name of its type.
    pub event_type: Arc<str>,
    /// When the log took it, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// The body.
    pub data: Bytes,
    /// What surrounds it.
    pub metadata: Bytes,
}

/// Which way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From older to newer.
    Forwards,
    /// From newer to older.
    Backwards,
}

/// Which events a subscription or a read of the whole log is about. An empty filter lets everything through; the
/// prefixes of one list are alternatives; both lists must let an event through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The stream's name begins with one of these.
    pub stream_prefixes: Vec<Arc<str>>,
    /// The type's name begins with one of these.
    pub type_prefixes: Vec<Arc<str>>,
}

impl Filter {
    /// Only streams whose name begins with `prefix`.
    pub fn stream_prefix(prefix: &str) -> Self {
        Self { stream_prefixes: vec![prefix.into()], type_prefixes: Vec::new() }
    }

    /// Whether the filter lets the event of this type in this stream through.
    pub fn lets_through(&self, stream: &str, event_type: &str) -> bool {
        self.lets_stream_through(stream) && begins_with_one(event_type, &self.type_prefixes)
    }

    /// Whether the filter lets any event of this stream through.
    pub fn lets_stream_through(&self, stream: &str) -> bool {
        begins_with_one(stream, &self.stream_prefixes)
    }
}

fn begins_with_one(name: &str, prefixes: &[Arc<str>]) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(&**prefix))
}

/// How a log is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// The position of the last durable event; 0 when there is none.
    pub head: Position,
    /// Whether it takes appends now; false while its disk refuses writes.
    pub writable: bool,
}
