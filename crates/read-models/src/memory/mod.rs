//! The leaderboard in memory. It starts empty and is rebuilt from the log.

mod board;
mod ranking;

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::AHashMap;
use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};
use parking_lot::RwLock;

use self::board::BattleBoard;
use crate::error::StoreError;
use crate::leaderboard::{Board, BoardBatch, Leaderboard};
use crate::{Position, metrics};

/// How many boards are held unless configured. A board of 20,000 participants takes about 4 MB.
pub const BOARDS_MAX: usize = 1_000;

/// The boards of battles, in memory.
///
/// Each battle has its own lock, which is held for one batch or one read; a read of a hundred lines takes some
/// microseconds. More boards than `boards_max` are held only while the battles are not over: then the ended ones are let go,
/// the longest untouched first, and asking for them answers [`StoreError::NotHeld`].
///
/// It starts behind the tables, which outlive the process. Until it has caught up, its boards are of the past, so it answers
/// [`StoreError::NotHeld`] for all of them and its callers ask the tables.
#[derive(Debug)]
pub struct MemoryLeaderboard {
    boards: RwLock<AHashMap<BattleId, Arc<Held>>>,
    boards_max: usize,
    /// Before the checkpoint is here, nothing is answered.
    answers_from: Position,
    /// Counts touches; a larger one is later.
    touches: AtomicU64,
    checkpoint: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    board: RwLock<BattleBoard>,
    touched: AtomicU64,
}

impl Default for MemoryLeaderboard {
    fn default() -> Self {
        Self::new(BOARDS_MAX, 0)
    }
}

impl MemoryLeaderboard {
    /// No boards. At most `boards_max` are held, and those of battles that are not over. Nothing is answered before the log
    /// was applied up to `answers_from`: at least as far as the tables hold it.
    pub fn new(boards_max: usize, answers_from: Position) -> Self {
        Self {
            boards: RwLock::default(),
            boards_max,
            answers_from,
            touches: AtomicU64::new(0),
            checkpoint: AtomicU64::new(0),
        }
    }

    fn apply_one(&self, batch: &BoardBatch) {
        if let Some(held) = self.held_or_begun(batch) {
            held.board.write().apply(batch);
            self.touch(&held);
        }
    }

    /// The battle's board; a new one when the batch begins the battle.
    fn held_or_begun(&self, batch: &BoardBatch) -> Option<Arc<Held>> {
        if let Some(held) = self.boards.read().get(&batch.battle_id) {
            return Some(Arc::clone(held));
        }
        // Nothing is begun again: a repeat of the first batch of a board that was let go must not bring half of it back.
        if !batch.begins || batch.position <= self.checkpoint.load(Ordering::Acquire) {
            return None;
        }
        let mut boards = self.boards.write();
        let held = match boards.entry(batch.battle_id) {
            Entry::Occupied(held) => Arc::clone(held.get()),
            Entry::Vacant(free) => Arc::clone(free.insert(Arc::default())),
        };
        Some(held)
    }

    fn touch(&self, held: &Held) {
        held.touched.store(self.touches.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Lets boards of ended battles go, the longest untouched first, until no more than `boards_max` are held.
    fn let_go(&self) {
        let surplus = self.boards.read().len().saturating_sub(self.boards_max);
        if surplus > 0 {
            let mut boards = self.boards.write();
            let mut ended: Vec<_> = boards
                .iter()
                .filter(|(_, held)| held.board.read().ended())
                .map(|(id, held)| (held.touched.load(Ordering::Relaxed), *id))
                .collect();
            ended.sort_unstable();
            for (_, id) in ended.iter().take(surplus) {
                boards.remove(id);
            }
            metrics::boards_let_go(ended.len().min(surplus));
        }
    }

    fn read(
        &self,
        battle_id: BattleId,
        read: impl FnOnce(&BattleBoard) -> Board,
    ) -> Result<Board, StoreError> {
        if self.checkpoint.load(Ordering::Acquire) < self.answers_from {
            return Err(StoreError::NotHeld(battle_id));
        }
        let held = self.boards.read().get(&battle_id).cloned();
        let held = held.ok_or(StoreError::NotHeld(battle_id))?;
        self.touch(&held);
        Ok(read(&held.board.read()))
    }
}

#[async_trait]
impl Leaderboard for MemoryLeaderboard {
    async fn apply(&self, batches: &[BoardBatch], checkpoint: Position) -> Result<(), StoreError> {
        for batch in batches {
            self.apply_one(batch);
        }
        self.let_go();
        self.checkpoint.fetch_max(checkpoint, Ordering::AcqRel);
        metrics::boards_held(self.boards.read().len());
        Ok(())
    }

    async fn checkpoint(&self) -> Result<Position, StoreError> {
        Ok(self.checkpoint.load(Ordering::Acquire))
    }

    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
        self.read(battle_id, |board| board.top(limit as usize))
    }

    async fn rank(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<Board, StoreError> {
        self.read(battle_id, |board| board.around(participant_id, 0))
    }

    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError> {
        self.read(battle_id, |board| board.around(participant_id, range as usize))
    }
}

#[cfg(test)]
mod tests;
