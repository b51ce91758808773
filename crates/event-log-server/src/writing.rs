//! Appends to streams that clients may have deleted, ended or given metadata. What became of a stream is looked at first, and while it
//! is changed here nobody else appends to it here.
//!
//! Another server of the same log may append between the look and the write. The log's own fence holds for each stream by itself, so
//! then the append counts as the earlier one of the two.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Append, AppendError, Appended, Expected, NewEvent, ReadError, Revision};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::marks::Mark;
use crate::standing::{self, Fate, Metadata, Standing, metadata_of, original_of};

/// The type of events that hold a stream's metadata.
pub(crate) const METADATA_TYPE: &str = "$metadata";
/// Locks that all streams share.
const LOCKS: usize = 256;
/// How often metadata is written anew because another server wrote it at the same time.
const RACES_MAX: usize = 5;

/// Why nothing was written, or may have been.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Log(#[from] AppendError),
    #[error(transparent)]
    Look(#[from] ReadError),
    #[error("the stream is deleted")]
    Deleted,
}

/// The log, for those who append.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) log: SharedLog,
    locks: Arc<[Arc<RwLock<()>>]>,
}

impl Writer {
    pub(crate) fn new(log: SharedLog) -> Self {
        Self { log, locks: (0..LOCKS).map(|_| Arc::default()).collect() }
    }

    fn lock(&self, stream: &str) -> Arc<RwLock<()>> {
        let mut hasher = DefaultHasher::new();
        stream.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        self.locks.get(at).cloned().unwrap_or_default()
    }

    /// Looks at the stream and lets one append to it.
    pub(crate) async fn admit(&self, stream: &str) -> Result<Admitted, Refused> {
        let (original, lock) = match original_of(stream) {
            Some(original) => (original, Lock::Alone(self.alone(original).await)),
            None => (stream, Lock::Shared(self.lock(stream).read_owned().await)),
        };
        let standing = Standing::look(&self.log, original).await?;
        Ok(Admitted { log: self.log.clone(), standing, _lock: lock })
    }

    /// Keeps others from appending to the stream.
    pub(crate) async fn alone(&self, stream: &str) -> OwnedRwLockWriteGuard<()> {
        self.lock(stream).write_owned().await
    }
}

/// Held while a stream is written.
enum Lock {
    Shared(#[expect(dead_code, reason = "held")] OwnedRwLockReadGuard<()>),
    Alone(#[expect(dead_code, reason = "held")] OwnedRwLockWriteGuard<()>),
}

/// One append to a stream whose standing is known.
pub(crate) struct Admitted {
    log: SharedLog,
    standing: Standing,
    _lock: Lock,
}

impl Admitted {
    pub(crate) async fn append(mut self, append: Append) -> Result<Appended, Refused> {
        match original_of(&append.stream).map(str::to_owned) {
            Some(original) => self.metadata(&original, append).await,
            None => self.events(append).await,
        }
    }

    async fn events(self, mut append: Append) -> Result<Appended, Refused> {
        let before = match self.standing.fate {
            Fate::Open => return Ok(self.log.append(append).await?),
            Fate::Ended => return Err(Refused::Deleted),
            Fate::Deleted(before) => before,
        };
        match append.expected {
            Expected::NoStream => append.expected = ended_before(before),
            Expected::Exists if !self.has_events_from(&append.stream, before).await? => {
                return Err(Refused::Deleted);
            }
            Expected::Exists | Expected::Any | Expected::Exact(_) => {}
        }
        let stream = Arc::clone(&append.stream);
        let appended = self.log.append(append).await?;
        self.tell_return(&stream, before).await;
        Ok(appended)
    }

    async fn has_events_from(&self, stream: &str, before: Revision) -> Result<bool, ReadError> {
        let last = standing::last(&self.log, stream).await?;
        Ok(last.is_some_and(|last| last.revision >= before))
    }

    /// Lets the metadata of a stream that was deleted say from where it goes on, for clients that look there. Nothing depends on it.
    async fn tell_return(&self, stream: &str, before: Revision) {
        let metadata = self.standing.metadata.clone().truncated(before);
        let written = set(&self.log, stream, self.standing.metadata_revision, Mark::Json, metadata).await;
        if let Err(error) = written {
            tracing::debug!(%error, "the metadata of a deleted stream does not say that it goes on");
        }
    }

    /// Metadata is always written behind that which was looked at, so that nothing it must carry on is lost.
    async fn metadata(&mut self, original: &str, append: Append) -> Result<Appended, Refused> {
        let mut races = 0;
        loop {
            let current = self.standing.metadata_revision;
            let met = match append.expected {
                Expected::Any => true,
                Expected::NoStream => current.is_none(),
                Expected::Exists => current.is_some(),
                Expected::Exact(revision) => current == Some(revision),
            };
            // Where it is not met, the log still knows whether this is a repeat.
            let expected = if met { exactly(current) } else { append.expected };
            let events = self.marked(original, &append.events).await?;
            let tried = Append { stream: Arc::clone(&append.stream), expected, events };
            match self.log.append(tried).await {
                Err(AppendError::WrongExpectedRevision { .. }) if met && races < RACES_MAX => races += 1,
                outcome => return Ok(outcome?),
            }
            self.standing = Standing::look(&self.log, original).await?;
        }
    }

    /// The events with the marks that their stream's fate asks for.
    async fn marked(&self, original: &str, events: &[NewEvent]) -> Result<Vec<NewEvent>, ReadError> {
        let mut fate = self.standing.fate;
        let mut marked = Vec::with_capacity(events.len() + 1);
        for event in events {
            let metadata = Metadata::parse(&event.data);
            let (own, custom) = Mark::split(&event.metadata);
            let mark = match fate {
                Fate::Ended => Mark::Ended,
                _ if metadata.deletes() => {
                    let last = standing::last(&self.log, original).await?;
                    Mark::Deleted(last.map_or(0, |last| last.revision + 1))
                }
                _ => own,
            };
            marked.push(NewEvent { metadata: mark.before(&custom), ..event.clone() });
            fate = match (mark, fate) {
                (Mark::Deleted(before), _) => Fate::Deleted(before),
                // Metadata brings a deleted stream back, without the events that were deleted.
                (_, Fate::Deleted(before)) => {
                    if metadata.truncate_before().is_none_or(|other| other < before) {
                        marked.push(event_of(METADATA_TYPE, Mark::Json, metadata.truncated(before)));
                    }
                    Fate::Open
                }
                (_, fate) => fate,
            };
        }
        Ok(marked)
    }
}

/// Writes the metadata of a stream behind that which is there.
///
/// # Errors
/// The log refuses, or somebody else wrote metadata.
pub(crate) async fn set(
    log: &SharedLog,
    stream: &str,
    current: Option<Revision>,
    mark: Mark,
    metadata: bytes::Bytes,
) -> Result<Appended, AppendError> {
    let event = event_of(METADATA_TYPE, mark, metadata);
    put(log, stream, current, event).await
}

/// Writes an event about a stream behind those that are there.
pub(crate) async fn put(
    log: &SharedLog,
    stream: &str,
    current: Option<Revision>,
    event: NewEvent,
) -> Result<Appended, AppendError> {
    let (stream, expected) = (metadata_of(stream).into(), exactly(current));
    log.append(Append { stream, expected, events: vec![event] }).await
}

/// An event of the server's own.
pub(crate) fn event_of(event_type: &str, mark: Mark, data: bytes::Bytes) -> NewEvent {
    NewEvent { id: standing::fresh_id(), event_type: event_type.into(), data, metadata: mark.before(b"") }
}

/// The expectation that the last revision is this one.
pub(crate) fn exactly(last: Option<Revision>) -> Expected {
    last.map_or(Expected::NoStream, Expected::Exact)
}

fn ended_before(before: Revision) -> Expected {
    exactly(before.checked_sub(1))
}
