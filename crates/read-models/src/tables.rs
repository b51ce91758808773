//! The tables' port: rows and the checkpoint that says what they stand for, in one transaction.

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId, Phase, Question};

use crate::Position;
use crate::error::StoreError;
use crate::leaderboard::Board;
use crate::rows::{
    AnswerRow, AnswerVerdict, AttackRow, AttackView, BattleRow, BattleUpdate, BattleView, Discarded,
    NewParticipant, ParkedEvent, ParticipantUpdate, ParticipantView, QuestionRow,
};

/// All that a batch of events does to the tables. The lists are applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableBatch {
    /// New battles.
    pub battles: Vec<BattleRow>,
    /// Their questions.
    pub questions: Vec<QuestionRow>,
    /// Those who joined, as they were when they joined.
    pub joined: Vec<NewParticipant>,
    /// At most one for each participant.
    pub participants: Vec<ParticipantUpdate>,
    /// Answers that were submitted.
    pub answers: Vec<AnswerRow>,
    /// What the judge said.
    pub verdicts: Vec<AnswerVerdict>,
    /// Attacks that landed.
    pub attacks: Vec<AttackRow>,
    /// Events that could not be projected.
    pub parked: Vec<ParkedEvent>,
    /// One for each battle with an event in the batch.
    pub updates: Vec<BattleUpdate>,
    /// The checkpoint that the batch goes on from: the tables are there when it is applied, or it is not applied.
    pub follows: Position,
    /// The position up to which the whole log was looked at.
    pub checkpoint: Position,
    /// The position up to which changes have been published, if that moved since the last batch.
    pub changes_checkpoint: Option<Position>,
}

/// Where the projections stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// Up to here the tables hold the log.
    pub tables: Position,
    /// Up to here the changes have been published. Tables that are begun on an old log start with its end: what is in the log
    /// by then is no news to anybody.
    pub changes: Position,
    /// Whether anything was ever saved here; false for tables that are new.
    pub begun: bool,
    /// Which version of the projection makes these tables; `None` for those of a time when none was kept.
    pub version: Option<u32>,
    /// Where these tables took the place of others, until the boards are compared with them. It is written with the exchange.
    pub exchanged: Option<Position>,
}

impl Checkpoints {
    /// Whether the tables hold all that was in the log when they were begun. Only while they are built is anything published
    /// that they do not hold: a change goes out after it was written.
    pub fn are_whole(&self) -> bool {
        self.begun && self.tables >= self.changes
    }
}

/// Some battles, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BattlePage {
    /// The battles.
    pub battles: Vec<BattleView>,
    /// The `created_position` to go on below; `None` when there are no more.
    pub next: Option<Position>,
    /// Up to here the tables hold the log.
    pub as_of: Position,
}

/// The tables.
///
/// - **Atomic**: the rows of a batch, the battles' positions and the checkpoint are written in one transaction.
/// - **Fenced**: a batch that is no repeat is applied only where it goes on from, else it is [`StoreError::Overtaken`]: of two writers
///   that each take themselves for the only one, the later finds out, whatever became of commits that nobody waited for.
/// - **Repeatable**: a batch whose checkpoint is not past the stored one changes nothing. Who gives up waiting for a batch does
///   not know whether it is there; it may come again.
/// - **Constrained**: names are unique in a battle, as the reference's table says, and every row is about a battle and
///   participants that are there. A batch that breaks this is refused whole, as [`StoreError::Constraint`].
/// - Every read of a battle says `as_of`, the battle's own position; `None` stands for one that is not there.
#[async_trait]
pub trait ReadModels: Send + Sync + 'static {
    /// Where the projections stand.
    async fn checkpoints(&self) -> Result<Checkpoints, StoreError>;

    /// Applies a batch.
    async fn apply(&self, batch: &TableBatch) -> Result<(), StoreError>;

    /// Records up to where changes have been published, for the time when no batch follows.
    async fn save_changes_checkpoint(&self, position: Position) -> Result<(), StoreError>;

    /// Records which version of the projection makes these tables. It goes with them when they are exchanged.
    async fn save_version(&self, version: u32) -> Result<(), StoreError>;

    /// Records that no board is left which differs from the tables as they were exchanged at a position. After a later exchange it
    /// changes nothing.
    async fn boards_compared(&self, exchanged: Position) -> Result<(), StoreError>;

    /// Up to `limit` parked events after a position, oldest first.
    async fn parked(&self, after: Position, limit: u32) -> Result<Vec<ParkedEvent>, StoreError>;

    /// Keeps why a parked event is nobody's concern any more. Answers whether there is such an event that was not discarded before.
    async fn discard_parked(&self, position: Position, why: &Discarded) -> Result<bool, StoreError>;

    /// One battle.
    async fn battle(&self, id: BattleId) -> Result<Option<BattleView>, StoreError>;

    /// The newest battle with this join code, compared without case.
    async fn battle_by_join_code(&self, join_code: &str) -> Result<Option<BattleView>, StoreError>;

    /// Up to `limit` battles created before the position `before` (all when `None`), newest first.
    async fn battles(
        &self,
        phase: Option<Phase>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<BattlePage, StoreError>;

    /// The questions of a battle in their order, without answer hashes.
    async fn questions(&self, battle_id: BattleId) -> Result<Vec<Question>, StoreError>;

    /// One participant.
    async fn participant(
        &self,
        battle_id: BattleId,
        id: ParticipantId,
    ) -> Result<Option<ParticipantView>, StoreError>;

    /// The names of all participants of a battle.
    async fn usernames(&self, battle_id: BattleId) -> Result<Vec<(ParticipantId, String)>, StoreError>;

    /// Up to `limit` attacks on a participant after a position, oldest first.
    async fn attacks_on(
        &self,
        battle_id: BattleId,
        target_id: ParticipantId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<AttackView>, StoreError>;

    /// The last `limit` attacks on a participant after a position, newest first.
    async fn last_attacks_on(
        &self,
        battle_id: BattleId,
        target_id: ParticipantId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<AttackView>, StoreError>;

    /// The first `limit` lines of the board, for when the leaderboard cannot answer. `NotHeld` for an unknown battle.
    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError>;

    /// One participant's line of the board, with up to `range` lines before and after; no entry when it is not on it.
    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError>;
}
