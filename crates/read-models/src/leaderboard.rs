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
    /// Whoever is on the board is called otherwise now.
    Renamed {
        /// Who.
        participant_id: ParticipantId,
        /// The name.
        username: Arc<str>,
    },
    /// Somebody is off the board.
    Removed {
        /// Who.
        participant_id: ParticipantId,
    },
}

/// The most changes in one batch. Whoever folds splits what is more into several batches of consecutive revisions; each is whole in
/// itself. A store may block others while it applies one batch, so this bounds for how long.
pub const BATCH_CHANGES_MAX: usize = 2_000;

/// What happened to one battle's board, in order. Even a batch without changes moves the battle's position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardBatch {
    /// The battle.
    pub battle_id: BattleId,
    /// In the order in which they happened, at most [`BATCH_CHANGES_MAX`].
    pub changes: Vec<BoardChange>,
    /// The revision of the battle's first event in this batch; 0 when the batch begins the battle.
    pub first_revision: u64,
    /// The revision of the battle's last event in this batch.
    pub last_revision: u64,
    /// The position of that event.
    pub position: Position,
    /// Whether the battle ended in this batch; a bounded store may let its board go later.
    pub ended: bool,
}

/// What became of the batches that were handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a battle that is missing must be restored"]
pub struct Applied {
    /// The battles of which a batch was not applied, because the store lacks what was before it: it lost the battle, or went
    /// back to an older state of it, or what it has is no board.
    pub missing: Vec<BattleId>,
    /// The battles of which it is not known whether all batches were applied, because the store cannot be used for them now. The
    /// batches may come again.
    pub failed: Vec<BattleId>,
}

/// A battle's whole board, as it is made from its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeBoard {
    /// The battle.
    pub battle_id: BattleId,
    /// In any order.
    pub lines: Vec<BoardLine>,
    /// The revision of the last event that it holds.
    pub revision: u64,
    /// The position of that event.
    pub position: Position,
    /// Whether the battle is over.
    pub ended: bool,
}

/// Somebody's line of a whole board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardLine {
    /// Who.
    pub participant_id: ParticipantId,
    /// The name.
    pub username: Arc<str>,
    /// The score.
    pub points: u32,
    /// The revision at which it was reached.
    pub reached_revision: u64,
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
/// - **Repeatable**: a batch whose last revision is not past the battle's own changes nothing. One that repeats a part and goes
///   on is applied: its changes are what holds after it.
/// - **Exact**: scores are integers; of equal scores the one with the smaller `reached_revision` ranks first.
/// - **Whole**: a battle is held from its first event or not at all. Revisions have no gaps, so a batch that does not go on from
///   what is held shows that something was lost: it is not applied, and the answer says so.
/// - Every read says `as_of`: the battle's own position. A battle that is not held is [`StoreError::NotHeld`].
#[async_trait]
pub trait Leaderboard: Send + Sync + 'static {
    /// Applies batches of several battles; `checkpoint` is the position up to which the whole log was looked at.
    async fn apply(&self, batches: &[BoardBatch], checkpoint: Position) -> Result<Applied, StoreError>;

    /// Puts a battle's whole board in the place of an older one, or of none. A newer one stays.
    async fn restore(&self, board: &WholeBoard) -> Result<(), StoreError>;

    /// Lets these boards go, whatever they say. The projection makes those of battles that are not over anew from the log; until then, and
    /// for the others, the tables answer.
    async fn forget(&self, battles: &[BattleId]) -> Result<(), StoreError>;

    /// The positions of these battles, in their order; `None` for one that is not held.
    async fn held(&self, battles: &[BattleId]) -> Result<Vec<Option<Position>>, StoreError>;

    /// The position after which the projection must go on for this store; 0 for one that starts empty and replays the log. A
    /// store that outlives the process answers [`Position::MAX`]: the projection goes on where the tables are, and restores
    /// the battles that this store lacks.
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
