//! The leaderboard in memory. It starts empty and is rebuilt from the log.

mod board;
mod ranking;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::AHashMap;
use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};
use parking_lot::RwLock;

use self::board::BattleBoard;
use crate::error::StoreError;
use crate::leaderboard::{Applied, Board, BoardBatch, Leaderboard, WholeBoard};
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

    /// False when what was before the batch is missing.
    fn apply_one(&self, batch: &BoardBatch) -> bool {
        if let Some(held) = self.board_of(batch.battle_id) {
            self.touch(&held);
            return held.board.write().apply(batch);
        }
        if batch.first_revision > 0 {
            return false;
        }
        // Nothing is begun again: a repeat of the first batch of a board that was let go must not bring half of it back.
        if batch.position > self.checkpoint.load(Ordering::Acquire) {
            let held = self.held_or_empty(batch.battle_id);
            self.touch(&held);
            return held.board.write().apply(batch);
        }
        true
    }

    fn board_of(&self, battle_id: BattleId) -> Option<Arc<Held>> {
        self.boards.read().get(&battle_id).cloned()
    }

    fn held_or_empty(&self, battle_id: BattleId) -> Arc<Held> {
        Arc::clone(self.boards.write().entry(battle_id).or_default())
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
        let held = self.board_of(battle_id).ok_or(StoreError::NotHeld(battle_id))?;
        self.touch(&held);
        Ok(read(&held.board.read()))
    }
}

#[async_trait]
impl Leaderboard for MemoryLeaderboard {
    async fn apply(&self, batches: &[BoardBatch], checkpoint: Position) -> Result<Applied, StoreError> {
        let mut applied = Applied::default();
        for batch in batches {
            if !self.apply_one(batch) {
                applied.missing.push(batch.battle_id);
            }
        }
        self.let_go();
        self.checkpoint.fetch_max(checkpoint, Ordering::AcqRel);
        metrics::boards_held(self.boards.read().len());
        Ok(applied)
    }

    async fn restore(&self, board: &WholeBoard) -> Result<(), StoreError> {
        match self.board_of(board.battle_id) {
            Some(held) => held.board.write().restore(board),
            None => {
                let (restored, touched) = (RwLock::new(BattleBoard::restored(board)), AtomicU64::new(0));
                let held = Arc::new(Held { board: restored, touched });
                self.touch(&held);
                self.boards.write().insert(board.battle_id, held);
            }
        }
        self.let_go();
        metrics::boards_held(self.boards.read().len());
        Ok(())
    }

    async fn forget(&self, battles: &[BattleId]) -> Result<(), StoreError> {
        let mut boards = self.boards.write();
        for battle_id in battles {
            boards.remove(battle_id);
        }
        metrics::boards_held(boards.len());
        Ok(())
    }

    async fn held(&self, battles: &[BattleId]) -> Result<Vec<Option<Position>>, StoreError> {
        let position = |&id| self.board_of(id).map(|held| held.board.read().position());
        Ok(battles.iter().map(position).collect())
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
