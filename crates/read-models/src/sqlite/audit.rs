//! What auditors read, and tables that are opened for nothing but reading.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::fault::store_error;
use super::look::{exists, write_ahead_log};
use super::{SqliteConfig, SqliteReadModels, config, options, pool};
use crate::Position;
use crate::audit::{AnswerView, AuditedTables};
use crate::error::StoreError;
use crate::relational::{as_i64, decode, misfit};
use crate::rows::AttackRow;

impl SqliteReadModels {
    /// Opens tables that are there, and changes nothing: they stay at the version that they are of. What would be written is refused.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file is not there or cannot be used now.
    pub async fn open_read_only(path: &Path, config: SqliteConfig) -> Result<Self, StoreError> {
        // Without a write-ahead log the file is all there is, and SQLite need not make one to read it.
        let alone = !exists(&write_ahead_log(path))?;
        let options = options(path, &config).read_only(true).immutable(alone);
        let reading = options.pragma("cache_size", format!("-{}", config::AUDITOR_CACHE_KIB));
        let readers = pool(config.readers_max, config.acquire_timeout);
        let readers = readers.connect_with(reading).await.map_err(store_error)?;
        Ok(Self {
            path: path.to_owned(),
            config,
            writer: readers.clone(),
            readers,
            keys: Arc::default(),
            next: Mutex::default(),
        })
    }
}

#[async_trait]
impl AuditedTables for SqliteReadModels {
    async fn answers(
        &self,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
        limit: u32,
    ) -> Result<Vec<AnswerView>, StoreError> {
        let query = sqlx::query(include_str!("sql/answers.sql")).bind(as_i64(after)).bind(limit);
        let query = query.bind(of.map(|battle_id| battle_id.to_string())).bind(as_i64(upto));
        let rows = query.fetch_all(&self.readers).await.map_err(store_error)?;
        rows.iter().map(decode::answer).collect()
    }

    async fn attacks(
        &self,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
        limit: u32,
    ) -> Result<Vec<AttackRow>, StoreError> {
        let query = sqlx::query_scalar(include_str!("sql/attacks.sql")).bind(as_i64(after)).bind(limit);
        let query = query.bind(of.map(|battle_id| battle_id.to_string())).bind(as_i64(upto));
        let page: String = query.fetch_one(&self.readers).await.map_err(store_error)?;
        let rows: Vec<StoredAttack> = serde_json::from_str(&page)
            .map_err(|error| misfit(&format!("page of attacks after {after}"), error))?;
        rows.into_iter().map(AttackRow::try_from).collect()
    }
}

/// A row of a page of attacks, written as an array in the order of the fields. There are as many as events, and a page that comes as one
/// text costs half of one that comes row by row.
#[derive(Deserialize)]
struct StoredAttack {
    position: Position,
    event_id: Uuid,
    battle_id: BattleId,
    attacker_id: ParticipantId,
    target_id: ParticipantId,
    blocked: u8,
    points_deducted: u32,
    attacked_at: Timestamp,
}

impl TryFrom<StoredAttack> for AttackRow {
    type Error = StoreError;

    fn try_from(stored: StoredAttack) -> Result<Self, StoreError> {
        Ok(Self {
            position: stored.position,
            event_id: stored.event_id,
            battle_id: stored.battle_id,
            attacker_id: stored.attacker_id,
            target_id: stored.target_id,
            blocked: match stored.blocked {
                0 => false,
                1 => true,
                other => return Err(misfit("flag", other)),
            },
            points_deducted: stored.points_deducted,
            attacked_at: stored.attacked_at,
        })
    }
}
