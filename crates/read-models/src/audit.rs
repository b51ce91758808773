//! What an auditor reads of the tables besides what everybody does: all rows in the order of the log, so that they can be held against
//! it while both are read once.

use async_trait::async_trait;
use nimaora_domain::{BattleId, Timestamp};

use crate::Position;
use crate::error::StoreError;
use crate::rows::{AnswerRow, AttackRow};
use crate::tables::ReadModels;

/// An answer as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerView {
    /// What is stored; verdict and earnings are the judge's once it has spoken.
    pub answer: AnswerRow,
    /// When the judge spoke.
    pub judged_at: Option<Timestamp>,
}

/// Tables that can be audited.
#[async_trait]
pub trait AuditedTables: ReadModels {
    /// Up to `limit` answers after a position and up to another, of one battle or of all, in the order of the log. No
    /// index leads to those of a battle: all between both positions are looked at.
    async fn answers(
        &self,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
        limit: u32,
    ) -> Result<Vec<AnswerView>, StoreError>;

    /// Up to `limit` attacks after a position and up to another, of one battle or of all, in the order of the log. All
    /// between both positions are looked at.
    async fn attacks(
        &self,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
        limit: u32,
    ) -> Result<Vec<AttackRow>, StoreError>;
}
