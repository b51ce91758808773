//! The board of one battle.

use std::cmp::Reverse;
use std::sync::Arc;

use ahash::AHashMap;
use nimaora_domain::ParticipantId;

use super::ranking::Ranking;
use crate::Position;
use crate::leaderboard::{Board, BoardBatch, BoardChange, BoardEntry, WholeBoard};

/// The lines of a battle, in order, and the position they stand for.
#[derive(Debug, Default)]
pub(super) struct BattleBoard {
    lines: AHashMap<ParticipantId, Line>,
    ranking: Ranking<Key>,
    /// The revision of the event that comes next.
    next_revision: u64,
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
    /// A whole board.
    pub(super) fn restored(whole: &WholeBoard) -> Self {
        let mut board = Self {
            next_revision: whole.revision + 1,
            position: whole.position,
            ended: whole.ended,
            ..Self::default()
        };
        for line in &whole.lines {
            let key = key(line.participant_id, line.points, line.reached_revision);
            board.ranking.insert(key);
            board.lines.insert(line.participant_id, Line { username: Arc::clone(&line.username), key });
        }
        board
    }

    /// Applies a batch, unless it was applied before. False when what was before it is missing.
    pub(super) fn apply(&mut self, batch: &BoardBatch) -> bool {
        if batch.last_revision < self.next_revision {
            return true;
        }
        if batch.first_revision > self.next_revision {
            return false;
        }
        for change in &batch.changes {
            self.change(change);
        }
        self.next_revision = batch.last_revision + 1;
        self.position = batch.position;
        self.ended |= batch.ended;
        true
    }

    /// Puts a whole board in the place of this one, unless this one is as new.
    pub(super) fn restore(&mut self, whole: &WholeBoard) {
        if whole.revision >= self.next_revision {
            *self = Self::restored(whole);
        }
    }

    /// The position of the last event that was applied.
    pub(super) fn position(&self) -> Position {
        self.position
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
            BoardChange::Renamed { participant_id, username } => {
                if let Some(line) = self.lines.get_mut(participant_id) {
                    line.username = Arc::clone(username);
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
