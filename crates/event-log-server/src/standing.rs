//! What became of a stream, and which of its events are shown. The newest event of the stream `$$NAME` says so for the stream `NAME`; it
//! is read anew each time, so that nothing has to be kept in memory, or told to other servers of the same log.

use bytes::Bytes;
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Direction, ReadError, RecordedEvent, Revision};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::access;
use crate::marks::Mark;

/// How the names of streams with metadata begin.
const METADATA: &str = "$$";
/// The field that says before which revision events are not shown.
const TRUNCATE_BEFORE: &str = "$tb";
/// The value of that field in metadata that deletes a stream.
const DELETED: u64 = i64::MAX as u64;

/// The stream that holds the metadata of `stream`.
pub(crate) fn metadata_of(stream: &str) -> String {
    format!("{METADATA}{stream}")
}

/// The stream whose metadata `stream` holds.
pub(crate) fn original_of(stream: &str) -> Option<&str> {
    stream.strip_prefix(METADATA)
}

/// Metadata of a stream. What is not a JSON object says nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata(Map<String, Value>);

impl Metadata {
    pub(crate) fn parse(data: &[u8]) -> Self {
        Self(serde_json::from_slice(data).unwrap_or_default())
    }

    fn number(&self, field: &str) -> Option<u64> {
        self.0.get(field).and_then(Value::as_u64)
    }

    pub(crate) fn truncate_before(&self) -> Option<Revision> {
        self.number(TRUNCATE_BEFORE)
    }

    /// Whether it deletes its stream.
    pub(crate) fn deletes(&self) -> bool {
        self.truncate_before() == Some(DELETED)
    }

    /// The same, deleting its stream.
    pub(crate) fn deleting(self) -> Bytes {
        self.truncated(DELETED)
    }

    /// The same, hiding what is before the revision.
    pub(crate) fn truncated(mut self, before: Revision) -> Bytes {
        self.0.insert(TRUNCATE_BEFORE.to_owned(), before.into());
        Value::Object(self.0).to_string().into()
    }
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing special.
    Open,
    /// Its events before this revision were deleted.
    Deleted(Revision),
    /// It is over for ever.
    Ended,
}

/// What the newest metadata of a stream says.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The revision of the newest metadata.
    pub(crate) metadata_revision: Option<Revision>,
    pub(crate) fate: Fate,
    pub(crate) metadata: Metadata,
}

impl Standing {
    /// Reads it. Battles have no metadata.
    pub(crate) async fn look(log: &SharedLog, stream: &str) -> Result<Self, ReadError> {
        let newest = match access::is_battle(stream) {
            true => None,
            false => last(log, &metadata_of(stream)).await?,
        };
        Ok(newest.map_or_else(Self::open, |newest| Self::of(&newest)))
    }

    fn open() -> Self {
        Self { metadata_revision: None, fate: Fate::Open, metadata: Metadata::default() }
    }

    fn of(newest: &RecordedEvent) -> Self {
        let fate = match Mark::split(&newest.metadata).0 {
            Mark::Ended => Fate::Ended,
            Mark::Deleted(before) => Fate::Deleted(before),
            Mark::Json | Mark::Binary => Fate::Open,
        };
        let metadata = Metadata::parse(&newest.data);
        Self { metadata_revision: Some(newest.revision), fate, metadata }
    }
}

/// Which events of a stream are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// None, and clients are told that there is no such stream. Those from this revision on will be shown.
    Nothing(Revision),
    /// The stream is over for ever, and clients are told so.
    Ended,
    /// Those from `first` to `last`; none where `last` comes before.
    Events { first: Revision, last: Revision },
}

impl Shown {
    pub(crate) async fn look(log: &SharedLog, stream: &str, now_ms: i64) -> Result<Self, ReadError> {
        if original_of(stream).is_some() {
            return Ok(last(log, stream).await?.map_or(Self::Nothing(0), |newest| Self::metadata(&newest)));
        }
        let standing = Standing::look(log, stream).await?;
        if standing.fate == Fate::Ended {
            return Ok(Self::Ended);
        }
        let deleted_before = match standing.fate {
            Fate::Deleted(before) => before,
            Fate::Open | Fate::Ended => 0,
        };
        let Some(newest) = last(log, stream).await? else { return Ok(Self::Nothing(0)) };
        let last = newest.revision;
        if last < deleted_before {
            return Ok(Self::Nothing(deleted_before));
        }
        let metadata = &standing.metadata;
        let truncated = metadata.truncate_before().filter(|before| *before != DELETED).unwrap_or(0);
        let kept = metadata.number("$maxCount").map_or(0, |count| (last + 1).saturating_sub(count));
        let mut first = deleted_before.max(truncated).max(kept);
        if let Some(seconds) = metadata.number("$maxAge") {
            let age_ms = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
            first = first_since(log, stream, first, last, now_ms.saturating_sub(age_ms)).await?;
        }
        Ok(Self::Events { first, last })
    }

    /// Of metadata only the newest is shown.
    fn metadata(newest: &RecordedEvent) -> Self {
        match Mark::split(&newest.metadata).0 {
            Mark::Ended => Self::Ended,
            _ => Self::Events { first: newest.revision, last: newest.revision },
        }
    }
}

/// The first revision from `first` to `last` that is not older than `since_ms`, or the one behind `last`.
async fn first_since(
    log: &SharedLog,
    stream: &str,
    first: Revision,
    last: Revision,
    since_ms: i64,
) -> Result<Revision, ReadError> {
    let (mut low, mut high) = (first, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = log.read_stream(stream, middle, Direction::Forwards, 1).await?;
        match found.first() {
            Some(event) if event.created_ms < since_ms => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The last event of a stream.
pub(crate) async fn last(log: &SharedLog, stream: &str) -> Result<Option<RecordedEvent>, ReadError> {
    Ok(log.read_stream(stream, Revision::MAX, Direction::Backwards, 1).await?.pop())
}

/// An id for an event of the server's own.
pub(crate) fn fresh_id() -> Uuid {
    Uuid::new_v4()
}
