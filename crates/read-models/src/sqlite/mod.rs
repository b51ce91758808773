//! The tables in a SQLite file.
//!
//! One connection writes and a few read; with a write-ahead log neither waits for the other. The file is synced when the
//! write-ahead log is copied into it, and not at each commit: what a power cut takes away is read from the log again,
//! because the rows and their checkpoint go together.

mod audit;
mod config;
mod decode;
mod fault;
mod keys;
mod look;
mod priority;
mod read;
mod rebuild;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId, Phase, Question};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use tokio::sync::Mutex;

pub use config::SqliteConfig;
pub use look::checkpoints_in;

use self::fault::{migrate_error, store_error};
use self::keys::KeyRows;
use crate::error::StoreError;
use crate::leaderboard::Board;
use crate::relational::keys::Keys;
use crate::relational::{BOARDS, CHANGES, TABLES, VERSION, as_i64};
use crate::rows::{AttackView, BattleView, Discarded, ParkedEvent, ParticipantView};
use crate::tables::{BattlePage, Checkpoints, ReadModels, TableBatch};
use crate::{Position, metrics};

/// The tables in a SQLite file.
#[derive(Debug)]
pub struct SqliteReadModels {
    path: PathBuf,
    config: SqliteConfig,
    /// One connection; whoever writes holds `keys` too.
    writer: SqlitePool,
    readers: SqlitePool,
    keys: Arc<Mutex<Keys>>,
    /// What was last begun beside these.
    next: Mutex<Option<Arc<SqliteReadModels>>>,
}

impl SqliteReadModels {
    /// Opens the file, or makes it, and brings its tables to this version.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be used now; [`StoreError::Damaged`] when it is no such file or its
    /// tables were made by a newer version.
    pub async fn open(path: &Path, config: SqliteConfig) -> Result<Self, StoreError> {
        let options = options(path, &config);
        let writing = options
            .clone()
            .create_if_missing(true)
            .thread_name(|_| priority::WRITER_THREAD.to_owned())
            // A name that was erased is overwritten, and not only left behind.
            .pragma("secure_delete", "ON")
            .pragma("cache_size", format!("-{}", config::WRITER_CACHE_KIB))
            .pragma("wal_autocheckpoint", config::CHECKPOINT_PAGES.to_string())
            .pragma("journal_size_limit", config::JOURNAL_BYTES_MAX.to_string());
        let writer = pool(1, config::WRITER_TIMEOUT)
            .after_connect(|_, _| {
                priority::give_way();
                Box::pin(async { Ok(()) })
            })
            .connect_with(writing)
            .await
            .map_err(store_error)?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await.map_err(migrate_error)?;
        let reading = options.read_only(true).pragma("cache_size", format!("-{}", config::READER_CACHE_KIB));
        let readers = pool(config.readers_max, config.acquire_timeout)
            .connect_with(reading)
            .await
            .map_err(store_error)?;
        Ok(Self {
            path: path.to_owned(),
            config,
            writer,
            readers,
            keys: Arc::default(),
            next: Mutex::default(),
        })
    }

    /// Waits for what is running and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// The connection that writes.
    async fn writing(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.writer.acquire().await.map_err(store_error)
    }

    /// Writes the batch in one transaction. Answers how many rows were written; `None` for a repeat.
    async fn write(&self, batch: &TableBatch) -> Result<Option<usize>, StoreError> {
        let mut keys = self.keys.lock().await;
        let mut connection = self.writing().await?;
        let written = write_batch(&mut connection, batch, &mut keys).await;
        trusted(connection, written)
    }
}

/// Lets the connection go on only if all went well. A full disk ends a transaction inside SQLite without telling the
/// library, which would take every later transaction of the same connection for a nested one.
fn trusted<T>(
    mut connection: PoolConnection<Sqlite>,
    result: Result<T, StoreError>,
) -> Result<T, StoreError> {
    if result.is_err() {
        connection.close_on_drop();
    }
    result
}

async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StoreError> {
    connection.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)
}

async fn write_batch(
    connection: &mut SqliteConnection,
    batch: &TableBatch,
    keys: &mut Keys,
) -> Result<Option<usize>, StoreError> {
    let mut transaction = begin(connection).await?;
    let stored = read::checkpoints(&mut *transaction).await?.tables;
    if batch.checkpoint <= stored || batch.follows != stored {
        transaction.rollback().await.map_err(store_error)?;
        return match batch.checkpoint <= stored {
            true => Ok(None),
            false => Err(StoreError::Overtaken { expected: batch.follows, stored }),
        };
    }
    move_checkpoint(&mut transaction, TABLES, batch.checkpoint).await?;
    if let Some(position) = batch.changes_checkpoint {
        move_checkpoint(&mut transaction, CHANGES, position).await?;
    }
    let batch_keys = keys.for_batch(&mut KeyRows(&mut transaction), batch).await?;
    let rows = write::rows(&mut transaction, batch, &batch_keys).await?;
    let new_keys = batch_keys.into_new();
    transaction.commit().await.map_err(store_error)?;
    keys.committed(new_keys);
    Ok(Some(rows))
}

async fn write_changes_checkpoint(
    connection: &mut SqliteConnection,
    position: Position,
) -> Result<(), StoreError> {
    let mut transaction = begin(connection).await?;
    move_checkpoint(&mut transaction, CHANGES, position).await?;
    transaction.commit().await.map_err(store_error)
}

fn options(path: &Path, config: &SqliteConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        // The writer looks up every key that it writes, so SQLite need not look it up a second time.
        .foreign_keys(false)
        .busy_timeout(config.busy_timeout)
        .statement_cache_capacity(config::STATEMENTS_MAX)
}

fn pool(connections: u32, acquire_timeout: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        // A connection to a file does not break while nobody uses it.
        .test_before_acquire(false)
}

/// Moves a checkpoint, unless the position is not past it.
async fn move_checkpoint(
    connection: &mut SqliteConnection,
    name: &'static str,
    position: Position,
) -> Result<(), StoreError> {
    let query = sqlx::query(include_str!("sql/move_checkpoint.sql")).bind(name).bind(as_i64(position));
    query.execute(connection).await.map_err(store_error)?;
    Ok(())
}

#[async_trait]
impl ReadModels for SqliteReadModels {
    async fn checkpoints(&self) -> Result<Checkpoints, StoreError> {
        read::checkpoints(&self.readers).await
    }

    async fn apply(&self, batch: &TableBatch) -> Result<(), StoreError> {
        // Nothing is before the first event, so such a batch is a repeat.
        if batch.checkpoint == 0 {
            return Ok(());
        }
        let began = Instant::now();
        if let Some(rows) = self.write(batch).await? {
            metrics::tables_written(rows, began.elapsed());
        }
        Ok(())
    }

    async fn save_changes_checkpoint(&self, position: Position) -> Result<(), StoreError> {
        let _writing = self.keys.lock().await;
        let mut connection = self.writing().await?;
        let written = write_changes_checkpoint(&mut connection, position).await;
        trusted(connection, written)
    }

    async fn save_version(&self, version: u32) -> Result<(), StoreError> {
        let _writing = self.keys.lock().await;
        let mut connection = self.writing().await?;
        let written = sqlx::query(include_str!("sql/save_version.sql"))
            .bind(VERSION)
            .bind(version)
            .execute(&mut *connection)
            .await;
        trusted(connection, written.map(|_| ()).map_err(store_error))
    }

    async fn boards_compared(&self, exchanged: Position) -> Result<(), StoreError> {
        let _writing = self.keys.lock().await;
        let mut connection = self.writing().await?;
        let written = sqlx::query(include_str!("sql/boards_compared.sql"))
            .bind(BOARDS)
            .bind(as_i64(exchanged))
            .execute(&mut *connection)
            .await;
        trusted(connection, written.map(|_| ()).map_err(store_error))
    }

    async fn parked(&self, after: Position, limit: u32) -> Result<Vec<ParkedEvent>, StoreError> {
        read::parked(&self.readers, after, limit).await
    }

    async fn discard_parked(&self, position: Position, why: &Discarded) -> Result<bool, StoreError> {
        let _writing = self.keys.lock().await;
        let mut connection = self.writing().await?;
        let query = sqlx::query(include_str!("sql/discard_parked.sql"))
            .bind(as_i64(position))
            .bind(why.at.to_string())
            .bind(&why.reason);
        let done = query.execute(&mut *connection).await.map_err(store_error);
        trusted(connection, done).map(|done| done.rows_affected() > 0)
    }

    async fn battle(&self, id: BattleId) -> Result<Option<BattleView>, StoreError> {
        read::battle(&self.readers, id).await
    }

    async fn battle_by_join_code(&self, join_code: &str) -> Result<Option<BattleView>, StoreError> {
        read::battle_by_join_code(&self.readers, join_code).await
    }

    async fn battles(
        &self,
        phase: Option<Phase>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<BattlePage, StoreError> {
        read::battles(&self.readers, phase, before, limit).await
    }

    async fn questions(&self, battle_id: BattleId) -> Result<Vec<Question>, StoreError> {
        read::questions(&self.readers, battle_id).await
    }

    async fn participant(
        &self,
        battle_id: BattleId,
        id: ParticipantId,
    ) -> Result<Option<ParticipantView>, StoreError> {
        read::participant(&self.readers, battle_id, id).await
    }

    async fn usernames(&self, battle_id: BattleId) -> Result<Vec<(ParticipantId, String)>, StoreError> {
        read::usernames(&self.readers, battle_id).await
    }

    async fn attacks_on(
        &self,
        battle_id: BattleId,
        target_id: ParticipantId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<AttackView>, StoreError> {
        read::attacks_on(&self.readers, battle_id, target_id, after, limit).await
    }

    async fn last_attacks_on(
        &self,
        battle_id: BattleId,
        target_id: ParticipantId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<AttackView>, StoreError> {
        read::last_attacks_on(&self.readers, battle_id, target_id, after, limit).await
    }

    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
        read::top(&self.readers, battle_id, limit).await
    }

    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError> {
        read::around(&self.readers, battle_id, participant_id, range).await
    }
}

#[cfg(test)]
mod tests;
