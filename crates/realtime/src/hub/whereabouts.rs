//! What is on which nodes: channels that have sockets, or users that have signed in. Pure: it is told the time.
//!
//! Each node numbers what it says of itself, and says its last number now and then; another that has missed one asks for the whole.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use parking_lot::Mutex;

use crate::cluster::{NodeId, Whole, Word, cut, text_bytes};

/// A channel's name or a user's id.
pub(crate) type Key = Arc<str>;

/// How long something may be nowhere before it is told, in milliseconds: a page that is loaded anew goes unnoticed.
const GRACE_MS: u64 = 3_000;

/// Things of one kind, and where they are.
#[derive(Default)]
pub(crate) struct Whereabouts {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    places: AHashMap<Key, Place>,
    /// Things that are nowhere, and when that is told. Some may be back.
    leaving: VecDeque<(u64, Key)>,
    /// The number of what this node said last.
    number: u64,
    peers: AHashMap<NodeId, Peer>,
}

#[derive(Default)]
struct Place {
    is_here: bool,
    elsewhere: AHashSet<NodeId>,
    /// When it was last nowhere.
    left_ms: Option<u64>,
}

#[derive(Default)]
struct Peer {
    /// The number of what it said last, as far as it was heard in a row.
    number: u64,
    /// Whether it was asked for the whole and has not answered.
    is_asked: bool,
    /// The parts of the whole that have come.
    parts: Option<Whole>,
}

/// What another node's word has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// What was nowhere before.
    pub(crate) appeared: Vec<Key>,
    /// Whether the other node thinks that it was somewhere. Then that node tells nobody that it has come, although this one may have told
    /// that it is gone: their looks at what is gone come at different times.
    pub(crate) is_untold: bool,
    /// That node is to be asked for the whole.
    pub(crate) ask: bool,
}

impl Whereabouts {
    /// It is on this node; answers whether it was nowhere. `say` tells the others, in the order of the numbers.
    pub(crate) fn opened(&self, key: &Key, say: impl FnOnce(Word)) -> bool {
        let mut inner = self.inner.lock();
        let place = inner.places.entry(Arc::clone(key)).or_default();
        let is_new = place.appears();
        place.is_here = true;
        inner.number += 1;
        say(Word::There { number: inner.number, key: Arc::clone(key), is_new });
        is_new
    }

    /// It is on this node no more.
    pub(crate) fn closed(&self, key: &Key, now_ms: u64, say: impl FnOnce(Word)) {
        let mut inner = self.inner.lock();
        inner.change(key, now_ms, |place| place.is_here = false);
        inner.number += 1;
        say(Word::Gone { number: inner.number, key: Arc::clone(key) });
    }

    /// What this node said last.
    pub(crate) fn still(&self) -> Word {
        Word::Still { number: self.inner.lock().number }
    }

    /// Says all that is on this node.
    pub(crate) fn tell_whole(&self, mut say: impl FnMut(Word)) {
        let inner = self.inner.lock();
        let here = inner.places.iter().filter(|(_, place)| place.is_here).map(|(key, _)| Arc::clone(key));
        let parts = cut(here.collect(), |key: &Key| text_bytes(key));
        let count = parts.len() as u32;
        for (part, keys) in (0..).zip(parts) {
            say(Word::Whole(Whole { number: inner.number, part, parts: count, keys }));
        }
    }

    /// Another node says something of itself.
    pub(crate) fn heard(&self, node: NodeId, word: Word, now_ms: u64) -> Heard {
        let mut inner = self.inner.lock();
        let known = inner.peers.entry(node).or_default().number;
        match word {
            Word::There { number, key, is_new } if number == known + 1 => {
                inner.peers.entry(node).or_default().number = number;
                let appears = inner.put(node, &key);
                let appeared = appears.then_some(key).into_iter().collect();
                Heard { appeared, is_untold: appears && !is_new, ask: false }
            }
            Word::Gone { number, key } if number == known + 1 => {
                inner.peers.entry(node).or_default().number = number;
                inner.remove(node, &key, now_ms);
                Heard::default()
            }
            Word::There { number, .. } | Word::Gone { number, .. } => {
                let peer = inner.peers.entry(node).or_default();
                let ask = number > known && !std::mem::replace(&mut peer.is_asked, true);
                Heard { ask, ..Heard::default() }
            }
            Word::Still { number } => {
                let peer = inner.peers.entry(node).or_default();
                peer.is_asked = number > known;
                Heard { ask: peer.is_asked, ..Heard::default() }
            }
            Word::Whole(whole) => {
                Heard { appeared: inner.take_whole(node, whole, now_ms), ..Heard::default() }
            }
            // It is answered by whoever is asked.
            Word::Ask { .. } => Heard::default(),
        }
    }

    /// Another node is gone.
    pub(crate) fn forget(&self, node: NodeId, now_ms: u64) {
        let mut inner = self.inner.lock();
        inner.peers.remove(&node);
        inner.keep_on(node, &AHashSet::new(), now_ms);
    }

    /// Whether it is anywhere, or was a moment ago.
    pub(crate) fn is_there(&self, key: &str) -> bool {
        self.inner.lock().places.contains_key(key)
    }

    /// What has been nowhere for a while.
    pub(crate) fn take_gone(&self, now_ms: u64) -> Vec<Key> {
        let mut inner = self.inner.lock();
        let mut gone = Vec::new();
        while inner.leaving.front().is_some_and(|(due_ms, _)| *due_ms <= now_ms) {
            let Some((_, key)) = inner.leaving.pop_front() else { break };
            let left_ms = inner.places.get(&key).and_then(|place| place.left_ms);
            if left_ms.is_some_and(|left_ms| left_ms + GRACE_MS <= now_ms) {
                inner.places.remove(&key);
                gone.push(key);
            }
        }
        gone
    }
}

impl Inner {
    /// Answers whether it was nowhere.
    fn put(&mut self, node: NodeId, key: &Key) -> bool {
        let place = self.places.entry(Arc::clone(key)).or_default();
        let is_new = place.appears();
        place.elsewhere.insert(node);
        is_new
    }

    fn remove(&mut self, node: NodeId, key: &Key, now_ms: u64) {
        self.change(key, now_ms, |place| {
            place.elsewhere.remove(&node);
        });
    }

    fn change(&mut self, key: &Key, now_ms: u64, how: impl FnOnce(&mut Place)) {
        let Some(place) = self.places.get_mut(key) else { return };
        how(place);
        if !place.is_anywhere() && place.left_ms.is_none() {
            place.left_ms = Some(now_ms);
            self.leaving.push_back((now_ms + GRACE_MS, Arc::clone(key)));
        }
    }

    /// The node has these at most.
    fn keep_on(&mut self, node: NodeId, keys: &AHashSet<Key>, now_ms: u64) {
        let lost =
            self.places.iter().filter(|(key, at)| at.elsewhere.contains(&node) && !keys.contains(*key));
        let lost: Vec<_> = lost.map(|(key, _)| Arc::clone(key)).collect();
        for key in lost {
            self.remove(node, &key, now_ms);
        }
    }

    /// Answers with what was nowhere.
    fn take_whole(&mut self, node: NodeId, whole: Whole, now_ms: u64) -> Vec<Key> {
        let peer = self.peers.entry(node).or_default();
        let collected = match peer.parts.take() {
            Some(mut parts)
                if whole.part > 0 && parts.number == whole.number && parts.part + 1 == whole.part =>
            {
                parts.keys.extend(whole.keys);
                Whole { part: whole.part, ..parts }
            }
            _ if whole.part == 0 => whole,
            // A part before it was lost; it is asked for again.
            _ => return Vec::new(),
        };
        if collected.part + 1 < collected.parts {
            peer.parts = Some(collected);
            return Vec::new();
        }
        peer.number = collected.number;
        peer.is_asked = false;
        let keys: AHashSet<Key> = collected.keys.into_iter().collect();
        self.keep_on(node, &keys, now_ms);
        keys.into_iter().filter(|key| self.put(node, key)).collect()
    }
}

impl Place {
    fn is_anywhere(&self) -> bool {
        self.is_here || !self.elsewhere.is_empty()
    }

    /// It is about to be somewhere; answers whether it was nowhere for longer than a moment.
    fn appears(&mut self) -> bool {
        self.left_ms.take().is_none() && !self.is_anywhere()
    }
}

#[cfg(test)]
mod tests;
