//! A leaderboard that outlives the process, as far as the projection knows, and loses what the test says.

use std::sync::Arc;

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::{Applied, Board, BoardBatch, Leaderboard, Position, StoreError, WholeBoard};
use parking_lot::Mutex;

/// One leaderboard for each battle, so that one of them can be lost.
#[derive(Default)]
pub struct Forgetful(Mutex<Vec<(BattleId, Arc<MemoryLeaderboard>)>>);

impl Forgetful {
    /// These battles are lost.
    pub fn forget(&self, battles: &[BattleId]) {
        self.0.lock().retain(|(id, _)| !battles.contains(id));
    }

    fn of(&self, battle_id: BattleId) -> Arc<MemoryLeaderboard> {
        let mut all = self.0.lock();
        if let Some((_, held)) = all.iter().find(|(id, _)| *id == battle_id) {
            return Arc::clone(held);
        }
        let held = Arc::new(MemoryLeaderboard::default());
        all.push((battle_id, Arc::clone(&held)));
        held
    }
}

#[async_trait]
impl Leaderboard for Forgetful {
    async fn apply(&self, batches: &[BoardBatch], checkpoint: Position) -> Result<Applied, StoreError> {
        let mut applied = Applied::default();
        for batch in batches {
            let of_one = self.of(batch.battle_id).apply(std::slice::from_ref(batch), checkpoint).await?;
            applied.missing.extend(of_one.missing);
        }
        Ok(applied)
    }

    async fn restore(&self, board: &WholeBoard) -> Result<(), StoreError> {
        self.of(board.battle_id).restore(board).await
    }

    async fn forget(&self, battles: &[BattleId]) -> Result<(), StoreError> {
        Self::forget(self, battles);
        Ok(())
    }

    async fn held(&self, battles: &[BattleId]) -> Result<Vec<Option<Position>>, StoreError> {
        let mut held = Vec::new();
        for &battle_id in battles {
            held.extend(self.of(battle_id).held(&[battle_id]).await?);
        }
        Ok(held)
    }

    async fn checkpoint(&self) -> Result<Position, StoreError> {
        Ok(Position::MAX)
    }

    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
        self.of(battle_id).top(battle_id, limit).await
    }

    async fn rank(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<Board, StoreError> {
        self.of(battle_id).rank(battle_id, participant_id).await
    }

    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError> {
        self.of(battle_id).around(battle_id, participant_id, range).await
    }
}
