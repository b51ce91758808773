//! A leaderboard that is down, and a bus that is counted on.

use std::sync::Arc;

use async_trait::async_trait;
use nimaora_change_bus::{BusError, BusMessage, ChangeBatch, ChangeBus, Changes, Lane, MemoryBus};
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::{Applied, Board, BoardBatch, Leaderboard, Position, StoreError, WholeBoard};
use tokio::sync::watch;

/// A leaderboard that cannot be reached.
pub(crate) struct Down;

fn down<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable { reason: "connection refused".to_owned() })
}

#[async_trait]
impl Leaderboard for Down {
    async fn apply(&self, _batches: &[BoardBatch], _checkpoint: Position) -> Result<Applied, StoreError> {
        down()
    }

    async fn restore(&self, _board: &WholeBoard) -> Result<(), StoreError> {
        down()
    }

    async fn forget(&self, _battles: &[BattleId]) -> Result<(), StoreError> {
        down()
    }

    async fn held(&self, _battles: &[BattleId]) -> Result<Vec<Option<Position>>, StoreError> {
        down()
    }

    async fn checkpoint(&self) -> Result<Position, StoreError> {
        down()
    }

    async fn top(&self, _battle_id: BattleId, _limit: u32) -> Result<Board, StoreError> {
        down()
    }

    async fn rank(&self, _battle_id: BattleId, _participant_id: ParticipantId) -> Result<Board, StoreError> {
        down()
    }

    async fn around(
        &self,
        _battle_id: BattleId,
        _participant_id: ParticipantId,
        _range: u32,
    ) -> Result<Board, StoreError> {
        down()
    }
}

/// A leaderboard that never answers.
pub(crate) struct Silent;

#[async_trait]
impl Leaderboard for Silent {
    async fn apply(&self, _batches: &[BoardBatch], _checkpoint: Position) -> Result<Applied, StoreError> {
        std::future::pending().await
    }

    async fn restore(&self, _board: &WholeBoard) -> Result<(), StoreError> {
        std::future::pending().await
    }

    async fn forget(&self, _battles: &[BattleId]) -> Result<(), StoreError> {
        std::future::pending().await
    }

    async fn held(&self, _battles: &[BattleId]) -> Result<Vec<Option<Position>>, StoreError> {
        std::future::pending().await
    }

    async fn checkpoint(&self) -> Result<Position, StoreError> {
        std::future::pending().await
    }

    async fn top(&self, _battle_id: BattleId, _limit: u32) -> Result<Board, StoreError> {
        std::future::pending().await
    }

    async fn rank(&self, _battle_id: BattleId, _participant_id: ParticipantId) -> Result<Board, StoreError> {
        std::future::pending().await
    }

    async fn around(
        &self,
        _battle_id: BattleId,
        _participant_id: ParticipantId,
        _range: u32,
    ) -> Result<Board, StoreError> {
        std::future::pending().await
    }
}

/// The leaderboard in memory, and how often a board was read from it.
pub(crate) struct CountedBoard {
    board: Arc<MemoryLeaderboard>,
    reads: watch::Sender<usize>,
}

impl CountedBoard {
    pub(crate) fn new(board: Arc<MemoryLeaderboard>) -> Self {
        Self { board, reads: watch::Sender::new(0) }
    }

    pub(crate) fn reads(&self) -> watch::Receiver<usize> {
        self.reads.subscribe()
    }

    fn counted(&self, answer: Result<Board, StoreError>) -> Result<Board, StoreError> {
        self.reads.send_modify(|reads| *reads += 1);
        answer
    }
}

#[async_trait]
impl Leaderboard for CountedBoard {
    async fn apply(&self, batches: &[BoardBatch], checkpoint: Position) -> Result<Applied, StoreError> {
        self.board.apply(batches, checkpoint).await
    }

    async fn restore(&self, board: &WholeBoard) -> Result<(), StoreError> {
        self.board.restore(board).await
    }

    async fn forget(&self, battles: &[BattleId]) -> Result<(), StoreError> {
        self.board.forget(battles).await
    }

    async fn held(&self, battles: &[BattleId]) -> Result<Vec<Option<Position>>, StoreError> {
        self.board.held(battles).await
    }

    async fn checkpoint(&self) -> Result<Position, StoreError> {
        self.board.checkpoint().await
    }

    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
        self.counted(self.board.top(battle_id, limit).await)
    }

    async fn rank(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<Board, StoreError> {
        self.counted(self.board.rank(battle_id, participant_id).await)
    }

    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError> {
        self.counted(self.board.around(battle_id, participant_id, range).await)
    }
}

/// The bus in memory, and how many follow it at this moment.
pub(crate) struct CountedBus {
    bus: MemoryBus,
    followers: Arc<watch::Sender<usize>>,
}

impl Default for CountedBus {
    fn default() -> Self {
        Self { bus: MemoryBus::default(), followers: Arc::new(watch::Sender::new(0)) }
    }
}

impl CountedBus {
    pub(crate) fn followers(&self) -> watch::Receiver<usize> {
        self.followers.subscribe()
    }
}

#[async_trait]
impl ChangeBus for CountedBus {
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        self.bus.publish(batches).await
    }

    async fn follow(&self, battle_id: BattleId, lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        let changes = self.bus.follow(battle_id, lanes).await?;
        self.followers.send_modify(|count| *count += 1);
        Ok(Box::new(Counted { changes, followers: Arc::clone(&self.followers) }))
    }
}

struct Counted {
    changes: Box<dyn Changes>,
    followers: Arc<watch::Sender<usize>>,
}

#[async_trait]
impl Changes for Counted {
    async fn next(&mut self) -> Result<BusMessage, BusError> {
        self.changes.next().await
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.followers.send_modify(|count| *count -= 1);
    }
}

/// A bus that is down.
pub(crate) struct DeadBus;

#[async_trait]
impl ChangeBus for DeadBus {
    async fn publish(&self, _batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        Err(BusError::Unavailable { reason: "connection refused".to_owned() })
    }

    async fn follow(&self, _battle_id: BattleId, _lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        Err(BusError::Unavailable { reason: "connection refused".to_owned() })
    }
}
