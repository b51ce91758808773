//! Tables that are built in a file beside the one in use, and copied into it in one transaction.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, Sqlite, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::fault::store_error;
use super::{SqliteReadModels, options, read};
use crate::Position;
use crate::error::StoreError;
use crate::rebuild::{Comparison, HeldTables, NextTables, Rebuildable};
use crate::relational::comparing::{self, Sets, Snapshot, Texts};
use crate::relational::keys::Keys;
use crate::relational::{BOARDS, as_i64};
use crate::tables::ReadModels;

/// All that is copied, in an order in which rows can be deleted; the other way round they are copied.
const COPIED: [&str; 6] =
    ["attacks", "answers", "battle_participants", "questions", "battles", "parked_events"];

/// Tables that are built in a file of their own.
struct Next {
    path: PathBuf,
    in_use: SqliteConnectOptions,
    writer: sqlx::SqlitePool,
    keys: Arc<Mutex<Keys>>,
    tables: Arc<SqliteReadModels>,
}

/// A transaction on the file in use, to which nobody else can write meanwhile.
struct Held {
    path: PathBuf,
    in_use: SqliteConnectOptions,
    /// Closed whatever happens: it knows both files.
    connection: PoolConnection<Sqlite>,
    keys: OwnedMutexGuard<Keys>,
    position: Position,
}

#[async_trait]
impl Rebuildable for SqliteReadModels {
    async fn begin_next(&self) -> Result<Arc<dyn NextTables>, StoreError> {
        let path = beside(&self.path);
        let mut next = self.next.lock().await;
        if let Some(earlier) = next.take() {
            earlier.close().await;
        }
        remove(&path)?;
        let tables = Arc::new(SqliteReadModels::open(&path, self.config.clone()).await?);
        *next = Some(Arc::clone(&tables));
        Ok(Arc::new(Next {
            path,
            in_use: options(&self.path, &self.config),
            writer: self.writer.clone(),
            keys: Arc::clone(&self.keys),
            tables,
        }))
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

/// Removes the file and what belongs to it, if they are there.
fn remove(path: &Path) -> Result<(), StoreError> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Unavailable {
                    reason: format!("{}: {error}", Path::new(&name).display()),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

#[async_trait]
impl NextTables for Next {
    fn tables(&self) -> Arc<dyn ReadModels> {
        Arc::clone(&self.tables) as Arc<dyn ReadModels>
    }

    async fn hold(&self) -> Result<Box<dyn HeldTables>, StoreError> {
        let keys = Arc::clone(&self.keys).lock_owned().await;
        let mut connection = self.writer.acquire().await.map_err(store_error)?;
        connection.close_on_drop();
        attach(&mut connection, &self.path).await?;
        // An immediate transaction would lock both files, and the next tables are still written to.
        run(&mut connection, "BEGIN; UPDATE main.projection_checkpoints SET position = position WHERE FALSE")
            .await?;
        let position = read::checkpoints(&mut *connection).await?.tables;
        let (path, in_use) = (self.path.clone(), self.in_use.clone());
        Ok(Box::new(Held { path, in_use, connection, keys, position }))
    }

    async fn discard(&self) -> Result<(), StoreError> {
        self.tables.close().await;
        remove(&self.path)
    }
}

#[async_trait]
impl HeldTables for Held {
    fn position(&self) -> Position {
        self.position
    }

    async fn compare(self: Box<Self>) -> Result<Comparison, StoreError> {
        let Self { path, in_use, connection, keys, .. } = *self;
        let mut snapshot = in_use.connect().await.map_err(store_error)?;
        attach(&mut snapshot, &path).await?;
        run(&mut snapshot, "BEGIN").await?;
        // From the first question to each file on, the transaction sees it as it is at this moment.
        for set in ["main", "next"] {
            let sql = format!("SELECT count(*) FROM {set}.projection_checkpoints");
            sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut snapshot).await.map_err(store_error)?;
        }
        connection.close().await.map_err(store_error)?;
        drop(keys);
        let sets = Sets { in_use: "main".to_owned(), next: "next".to_owned() };
        let comparison = comparing::compare(&mut snapshot, &sets).await?;
        snapshot.close().await.map_err(store_error)?;
        Ok(comparison)
    }

    async fn replace(mut self: Box<Self>) -> Result<(), StoreError> {
        let connection = &mut *self.connection;
        let sql = "SELECT name, position FROM next.projection_checkpoints";
        let rows = sqlx::query(sql).fetch_all(&mut *connection).await.map_err(store_error)?;
        let built = crate::relational::decode::checkpoints(&rows)?.tables;
        if built != self.position {
            return Err(StoreError::Overtaken { expected: self.position, stored: built });
        }
        run(connection, KEEP).await?;
        for table in COPIED {
            run(connection, &format!("DELETE FROM main.{table}")).await?;
        }
        for table in COPIED.iter().rev() {
            run(connection, &format!("INSERT INTO main.{table} SELECT * FROM next.{table}")).await?;
        }
        run(connection, TAKE_VERSION).await?;
        let noted = sqlx::query(include_str!("sql/save_version.sql")).bind(BOARDS).bind(as_i64(built));
        noted.execute(&mut *connection).await.map_err(store_error)?;
        run(connection, "COMMIT").await?;
        *self.keys = Keys::default();
        // They are exchanged whatever becomes of the connection.
        let _ = self.connection.close().await;
        Ok(())
    }
}

/// What is not in the log: what operators have discarded. What was published stays where it is, with the checkpoints.
const KEEP: &str = "UPDATE next.parked_events SET (discarded_at, discard_reason) = \
     (SELECT u.discarded_at, u.discard_reason FROM main.parked_events u WHERE u.position = next.parked_events.position)";

/// The version goes with the tables.
const TAKE_VERSION: &str = "DELETE FROM main.projection_checkpoints WHERE name = 'version'; \
     INSERT INTO main.projection_checkpoints SELECT * FROM next.projection_checkpoints WHERE name = 'version'";

async fn attach(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let path = path.to_string_lossy().into_owned();
    let attached = sqlx::query("ATTACH DATABASE ?1 AS next").bind(path).execute(connection).await;
    attached.map(|_| ()).map_err(store_error)
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ()).map_err(store_error)
}

#[async_trait]
impl Snapshot for SqliteConnection {
    type Row = SqliteRow;

    async fn row(&mut self, sql: String) -> Result<SqliteRow, StoreError> {
        sqlx::query(AssertSqlSafe(sql)).fetch_one(self).await.map_err(store_error)
    }

    async fn texts(&mut self, sql: String, width: usize) -> Result<Vec<Texts>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(self).await.map_err(store_error)?;
        let row = |row: &SqliteRow| (0..width).map(|at| row.try_get(at)).collect::<Result<Texts, _>>();
        rows.iter().map(row).collect::<Result<_, _>>().map_err(store_error)
    }
}
