//! Transactions: everything happens in one, also reading.
//!
//! PgBouncer gives a client a connection of the server for one transaction only, and does not know prepared statements. So no
//! statement outlives its transaction, and every setting is made for the transaction alone.

use std::future::Future;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};
use tokio::time::timeout;

use super::config::{IDLE_TIMEOUT, LIFETIME_MAX, PostgresConfig};
use super::copy::Copying;
use super::fault::{is_stale, store_error};
use crate::error::StoreError;

/// Some connections that are used in the same way.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    pool: PgPool,
    connections_max: u32,
    /// How long the work on one may take, from waiting for it to the end of the transaction.
    work_timeout: Duration,
    begin: String,
}

impl Connections {
    /// Connections for queries.
    pub(super) fn for_reading(config: &PostgresConfig) -> Self {
        // Several statements of one transaction see the same tables.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Self::new(config, config.readers_max, config.read_timeout, begin)
    }

    /// The connection for batches.
    pub(super) fn for_writing(config: &PostgresConfig) -> Self {
        // Whoever waited for the checkpoint must see what the one before wrote. What is acknowledged is on disk.
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = on";
        Self::new(config, 1, config.write_timeout, begin)
    }

    fn new(config: &PostgresConfig, connections_max: u32, work_timeout: Duration, begin: &str) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .min_connections(0)
            .acquire_timeout(config.acquire_timeout)
            .idle_timeout(IDLE_TIMEOUT)
            .max_lifetime(LIFETIME_MAX)
            // What broke while nobody used it is noticed when a transaction begins, and costs no question before each.
            .test_before_acquire(false)
            .connect_lazy_with(config.options.clone());
        // The server gives up too, so that nothing that nobody waits for keeps a lock.
        let ms = work_timeout.as_millis();
        let begin = format!(
            "{begin}; SET LOCAL statement_timeout = {ms}; SET LOCAL idle_in_transaction_session_timeout = {ms}"
        );
        Self { pool, connections_max, work_timeout, begin }
    }

    /// The same for tables in another schema.
    pub(super) fn in_schema(mut self, identifier: &str) -> Self {
        self.begin = format!("{}; SET LOCAL search_path TO {identifier}", self.begin);
        self
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Session, StoreError> {
        let mut stale = 0;
        loop {
            let connection = self.pool.acquire().await.map_err(store_error)?;
            let mut session = Session { connection, ended: false };
            match session.run(&self.begin).await {
                Ok(()) => return Ok(session),
                // After a restart of the server all that are in the pool are broken. Nothing was done on them yet.
                Err(error) if is_stale(&error) && stale < self.connections_max => stale += 1,
                Err(error) => return Err(store_error(error)),
            }
        }
    }

    /// Bounds the time of work on these connections. Work that is given up leaves a broken connection, which is closed.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        within(self.work_timeout, work).await
    }

    /// Waits for what is running and closes all of them.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Bounds the time of some work.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let reason = format!("the database did not answer within {} ms", limit.as_millis());
        Err(StoreError::Unavailable { reason })
    })
}

/// A transaction. When it is dropped before its end, in whatever state it is, its connection is closed and the server forgets it.
#[derive(Debug)]
pub(super) struct Session {
    connection: PoolConnection<Postgres>,
    ended: bool,
}

impl Session {
    /// Commits it.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.end("COMMIT").await
    }

    /// Takes all of it back.
    pub(super) async fn roll_back(self) -> Result<(), StoreError> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &str) -> Result<(), StoreError> {
        self.run(how).await.map_err(store_error)?;
        self.ended = true;
        Ok(())
    }

    /// All rows of a statement.
    pub(super) async fn rows(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, StoreError> {
        query.persistent(false).fetch_all(self.connection()).await.map_err(store_error)
    }

    /// The row of a statement, if there is one.
    pub(super) async fn row(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Option<PgRow>, StoreError> {
        query.persistent(false).fetch_optional(self.connection()).await.map_err(store_error)
    }

    /// Runs a statement. Answers how many rows it touched.
    pub(super) async fn execute(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<u64, StoreError> {
        let done = query.persistent(false).execute(self.connection()).await;
        Ok(done.map_err(store_error)?.rows_affected())
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.connection()).await.map(|_| ())
    }

    /// Begins to copy to where the statement says rows of so many columns.
    pub(super) async fn copy(&mut self, statement: &str, columns: i16) -> Result<Copying<'_>, StoreError> {
        Copying::begin(self.connection(), statement, columns).await
    }

    fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}
