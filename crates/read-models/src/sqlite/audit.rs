//! What auditors read, and tables that are opened for nothing but reading.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::fault::store_error;
use super::look::{exists, write_ahead_log};
use super::{SqliteConfig, SqliteReadModels, config, options, pool};
use crate::Position;
use crate::audit::{AnswerView, AuditedTables};
use crate::error::StoreError;
use crate::relational::{as_i64, decode};
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
        let reading = options.pragma("cache_size", format!("-{}", config::READER_CACHE_KIB));
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
    async fn answers(&self, after: Position, limit: u32) -> Result<Vec<AnswerView>, StoreError> {
        let query = sqlx::query(include_str!("sql/answers.sql")).bind(as_i64(after)).bind(limit);
        let rows = query.fetch_all(&self.readers).await.map_err(store_error)?;
        rows.iter().map(decode::answer).collect()
    }

    async fn attacks(&self, after: Position, limit: u32) -> Result<Vec<AttackRow>, StoreError> {
        let query = sqlx::query(include_str!("sql/attacks.sql")).bind(as_i64(after)).bind(limit);
        let rows = query.fetch_all(&self.readers).await.map_err(store_error)?;
        rows.iter().map(decode::attack_row).collect()
    }
}
