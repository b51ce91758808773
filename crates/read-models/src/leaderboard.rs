//! The leaderboard port: the board of every battle, ranked by points descending, then by who reached them first.

use std::sync::Arc;

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};

use crate::Position;
use crate::error::StoreError;

/// Something that moves a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoardChange {
    /// Somebody is on the board from now on.
    Joined {
        /// Who.
        participant_id: ParticipantId,
        /// The name.
        username: Arc<str>,
        /// The score.
        points: u32,
        /// The revision at which it was reached.
        reached_revision: u64,
    },
    /// Somebody's score is now this one.
    Scored {
        /// Who.
        participant_id: ParticipantId,
        /// The score.
        points: u32,
        /// The revision at which it was reached.
        reached_revision: u64,
    },
    /// Somebody is off the board.
    Removed {
        /// Who.
        participant_id: ParticipantId,
    },
}

/// What happened to one battle's board, in order. Even a batch without changes moves the battle's position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardBatch {
    /// The battle.
    pub battle_id: BattleId,
    /// In the order in which they happened.
    pub changes: Vec<BoardChange>,
    /// The position of the battle's last event in this batch.
    pub position: Position,
    /// Whether the batch begins with the battle's first event. A store that does not hold the battle takes the batch only
    /// then, because half a board would be a wrong one.
    pub begins: bool,
    /// Whether the battle ended in this batch; a bounded store may let its board go later.
    pub ended: bool,
}

/// A line of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardEntry {
    /// From 1.
    pub rank: u32,
    /// Who.
    pub participant_id: ParticipantId,
    /// The name.
    pub username: Arc<str>,
    /// The score.
    pub points: u32,
    /// The revision at which it was reached.
    pub reached_revision: u64,
}

/// A part of a board, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Best first.
    pub entries: Vec<BoardEntry>,
    /// How many are on the board.
    pub total: u32,
    /// The position of the last event of the battle that was applied.
    pub as_of: Position,
}

/// The boards of all battles.
///
/// - **Atomic**: a batch and its position are applied in one step; a reader sees all of it or none.
/// - **Repeatable**: a batch whose position is not past the battle's own changes nothing.
/// - **Exact**: scores are integers; of equal scores the one with the smaller `reached_revision` ranks first.
/// - **Whole**: a battle is held from its first event or not at all; see [`BoardBatch::begins`].
/// - Every read says `as_of`: the battle's own position. A battle that was never seen is [`StoreError::NotHeld`].
#[async_trait]
pub trait Leaderboard: Send + Sync + 'static {
    /// Applies batches of several battles; `checkpoint` is the position up to which the whole log was looked at.
    async fn apply(&self, batches: &[BoardBatch], checkpoint: Position) -> Result<(), StoreError>;

    /// The position after which the projection must go on for this store; 0 for one that starts empty.
    async fn checkpoint(&self) -> Result<Position, StoreError>;

    /// The first `limit` lines.
    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError>;

    /// One participant's line, alone in `entries`; no entry when it is not on the board.
    async fn rank(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<Board, StoreError>;

    /// A participant's line with up to `range` lines before and after; no entry when it is not on the board.
    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError>;
}
