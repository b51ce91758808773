//! The board of one battle.

use std::cmp::Reverse;
use std::sync::Arc;

use ahash::AHashMap;
use nimaora_domain::ParticipantId;

use super::ranking::Ranking;
use crate::Position;
use crate::leaderboard::{Board, BoardBatch, BoardChange, BoardEntry};

/// The lines of a battle, in order, and the position they stand for.
#[derive(Debug, Default)]
pub(super) struct BattleBoard {
    lines: AHashMap<ParticipantId, Line>,
    ranking: Ranking<Key>,
    position: Position,
    ended: bool,
}

#[derive(Debug)]
struct Line {
    username: Arc<str>,
    key: Key,
}

/// Sorts as the board does: more points first, then who reached them first. The id makes the order total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    points: Reverse<u32>,
    reached_revision: u64,
    participant_id: ParticipantId,
}

impl BattleBoard {
    /// Applies a batch, unless it was applied before.
    pub(super) fn apply(&mut self, batch: &BoardBatch) {
        if batch.position <= self.position {
            return;
        }
        for change in &batch.changes {
            self.change(change);
        }
        self.position = batch.position;
        self.ended |= batch.ended;
    }

    /// Whether the battle is over.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The first `limit` lines.
    pub(super) fn top(&self, limit: usize) -> Board {
        self.lines_between(0, limit)
    }

    /// A participant's line with up to `range` lines on each side.
    pub(super) fn around(&self, participant_id: ParticipantId, range: usize) -> Board {
        let line = self.lines.get(&participant_id);
        match line.and_then(|line| self.ranking.rank(&line.key)) {
            Some(rank) => self.lines_between(rank.saturating_sub(range), rank.saturating_add(range) + 1),
            None => self.lines_between(0, 0),
        }
    }

    fn change(&mut self, change: &BoardChange) {
        match change {
            BoardChange::Joined { participant_id, username, points, reached_revision } => {
                self.remove(*participant_id);
                let key = key(*participant_id, *points, *reached_revision);
                self.ranking.insert(key);
                self.lines.insert(*participant_id, Line { username: Arc::clone(username), key });
            }
            BoardChange::Scored { participant_id, points, reached_revision } => {
                if let Some(line) = self.lines.get_mut(participant_id) {
                    self.ranking.remove(&line.key);
                    line.key = key(*participant_id, *points, *reached_revision);
                    self.ranking.insert(line.key);
                }
            }
            BoardChange::Removed { participant_id } => self.remove(*participant_id),
        }
    }

    fn remove(&mut self, participant_id: ParticipantId) {
        if let Some(line) = self.lines.remove(&participant_id) {
            self.ranking.remove(&line.key);
        }
    }

    /// The lines from place `from` (from 0) up to, not including, `to`.
    fn lines_between(&self, from: usize, to: usize) -> Board {
        let keys = self.ranking.iter_from(from).take(to.saturating_sub(from));
        let entries = keys.zip(from..).filter_map(|(key, place)| self.entry(key, place)).collect();
        Board { entries, total: count(self.ranking.len()), as_of: self.position }
    }

    fn entry(&self, key: &Key, place: usize) -> Option<BoardEntry> {
        let line = self.lines.get(&key.participant_id)?;
        Some(BoardEntry {
            rank: count(place + 1),
            participant_id: key.participant_id,
            username: Arc::clone(&line.username),
            points: key.points.0,
            reached_revision: key.reached_revision,
        })
    }
}

fn key(participant_id: ParticipantId, points: u32, reached_revision: u64) -> Key {
    Key { points: Reverse(points), reached_revision, participant_id }
}

/// No battle admits more participants than a `u32` holds.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
