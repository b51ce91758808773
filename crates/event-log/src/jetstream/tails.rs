//! What is remembered of the streams that are appended to. It may be out of date: the server's fence decides.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::Mutex;
use uuid::Uuid;

use super::config::{REMEMBERED_STREAMS_MAX, SEARCHED_IDS_MAX};
use crate::types::{Position, Revision};

/// The end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The sequence of its last group; 0 when it has no event.
    pub(super) sequence: u64,
    /// The revision of its last event.
    pub(super) last_revision: Option<Revision>,
}

/// What is remembered of a stream. Who appends to it holds this locked, so that appends of one process do not fence each other.
#[derive(Debug, Default)]
pub(super) struct StreamTail {
    /// Its end, if it is known.
    pub(super) tail: Option<Tail>,
    /// Its newest ids, once an append without an exact expectation needed them.
    pub(super) ids: Option<Ids>,
}

/// The newest ids of a stream.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// The first revision that was not looked at yet.
    pub(super) next: Revision,
    places: AHashMap<Uuid, (Revision, Position)>,
    order: VecDeque<Uuid>,
}

impl Ids {
    /// Nothing before this revision is of interest.
    pub(super) fn from(next: Revision) -> Self {
        Self { next, ..Self::default() }
    }

    /// Remembers the stream's next event; the oldest is forgotten when there are more than [`SEARCHED_IDS_MAX`].
    pub(super) fn push(&mut self, id: Uuid, position: Position) {
        self.places.insert(id, (self.next, position));
        self.order.push_back(id);
        self.next += 1;
        if self.order.len() as u64 > SEARCHED_IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.places.remove(&oldest);
        }
    }

    /// Where an event with this id is.
    pub(super) fn place(&self, id: Uuid) -> Option<(Revision, Position)> {
        self.places.get(&id).copied()
    }
}

type Entry = Arc<tokio::sync::Mutex<StreamTail>>;

/// The streams, in two halves: what was not used while one filled is forgotten with the next.
#[derive(Default)]
pub(super) struct Tails {
    halves: Mutex<[AHashMap<Arc<str>, Entry>; 2]>,
}

impl Tails {
    /// What is remembered of a stream; nothing at first.
    pub(super) fn of(&self, stream: &Arc<str>) -> Entry {
        let mut halves = self.halves.lock();
        let [newer, older] = &mut *halves;
        if let Some(entry) = newer.get(stream) {
            return Arc::clone(entry);
        }
        let entry = older.remove(stream).unwrap_or_default();
        if newer.len() >= REMEMBERED_STREAMS_MAX / 2 {
            *older = std::mem::take(newer);
        }
        newer.insert(Arc::clone(stream), Arc::clone(&entry));
        entry
    }
}
