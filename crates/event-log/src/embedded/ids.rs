//! The ids of the newest events, by which a repeated append is known.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use ahash::AHashMap;
use uuid::Uuid;

use crate::types::{Position, Revision};

/// An event's id in its stream; streams are numbered by the writer.
pub(super) type IdKey = (Uuid, u32);

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) revision: Revision,
    pub(super) position: Position,
}

/// The ids of the newest events, at most so many.
#[derive(Debug)]
pub(super) struct IdWindow {
    places: AHashMap<IdKey, Place>,
    order: VecDeque<IdKey>,
    max: usize,
}

impl IdWindow {
    /// An empty window of `max` ids.
    pub(super) fn new(max: usize) -> Self {
        Self { places: AHashMap::new(), order: VecDeque::new(), max }
    }

    /// Where this event is, if it is remembered.
    pub(super) fn get(&self, key: &IdKey) -> Option<Place> {
        self.places.get(key).copied()
    }

    /// Remembers an event; false when its id is remembered already. It is not forgotten before [`trim`](Self::trim), so
    /// that it can be taken back.
    pub(super) fn push(&mut self, key: IdKey, place: Place) -> bool {
        match self.places.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(place);
                self.order.push_back(key);
                true
            }
        }
    }

    /// Takes back the newest `count` ids: their group was not committed.
    pub(super) fn take_back(&mut self, count: usize) {
        for _ in 0..count {
            let Some(key) = self.order.pop_back() else { return };
            self.places.remove(&key);
        }
    }

    /// Forgets the oldest ids past the limit.
    pub(super) fn trim(&mut self) {
        while self.order.len() > self.max {
            let Some(key) = self.order.pop_front() else { return };
            self.places.remove(&key);
        }
    }
}
