//! What auditors read.

use async_trait::async_trait;
use nimaora_domain::BattleId;
use sqlx::query;

use super::read::all;
use super::{PostgresConfig, PostgresReadModels};
use crate::Position;
use crate::audit::{AnswerView, AuditedTables};
use crate::error::StoreError;
use crate::relational::{as_i64, decode};
use crate::rows::AttackRow;

impl PostgresReadModels {
    /// Connects to tables that are there, and changes nothing: they stay at the version that they are of.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the server cannot be used now.
    pub async fn connect_read_only(config: &PostgresConfig) -> Result<Self, StoreError> {
        let tables = Self::of_standby(config);
        tables.readers.in_time(super::read::checkpoints(&tables.readers)).await?;
        Ok(tables)
    }
}

#[async_trait]
impl AuditedTables for PostgresReadModels {
    async fn answers(
        &self,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
        limit: u32,
    ) -> Result<Vec<AnswerView>, StoreError> {
        let query = query(include_str!("sql/answers.sql")).bind(as_i64(after)).bind(i64::from(limit));
        let query = query.bind(of.map(|battle_id| battle_id.0)).bind(as_i64(upto));
        let rows = self.readers.in_time(all(&self.readers, query)).await?;
        rows.iter().map(decode::answer).collect()
    }

    async fn attacks(
        &self,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
        limit: u32,
    ) -> Result<Vec<AttackRow>, StoreError> {
        let query = query(include_str!("sql/attacks.sql")).bind(as_i64(after)).bind(i64::from(limit));
        let query = query.bind(of.map(|battle_id| battle_id.0)).bind(as_i64(upto));
        let rows = self.readers.in_time(all(&self.readers, query)).await?;
        rows.iter().map(decode::attack_row).collect()
    }
}
