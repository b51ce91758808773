//! Tables that are built in a schema beside the one in use, and moved into it in one transaction.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::Mutex;

use super::config::PostgresConfig;
use super::fault::store_error;
use super::indexes::LeftOut;
use super::session::{Connections, Session, within};
use super::{Locked, PostgresReadModels, lock_tables, migrations};
use crate::Position;
use crate::error::StoreError;
use crate::rebuild::{Comparison, HeldTables, NextTables, Rebuildable};
use crate::relational::comparing::{self, Sets, Snapshot, Texts};
use crate::relational::decode::StoredRow;
use crate::relational::{BOARDS, CHANGES, TABLES, misfit};
use crate::tables::ReadModels;

/// All that moves, in an order in which it can be dropped.
const MOVED: [&str; 8] = [
    "attacks",
    "answers",
    "battle_participants",
    "questions",
    "battles",
    "parked_events",
    "projection_checkpoints",
    "schema_migrations",
];
/// PostgreSQL cuts names off after 63 bytes, and what is derived from the schema's must be another one.
const SCHEMA_BYTES_MAX: usize = 30;
/// How long comparing a table, or making its indexes, may take. Nobody waits for it.
pub(super) const BESIDE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How long the move waits for queries that are under way. New ones wait meanwhile, so it is not long.
const MOVE_LOCK_TIMEOUT_MS: u64 = 2_000;

/// Tables that are built in a schema of their own.
struct Next {
    sets: Arc<Sets>,
    config: PostgresConfig,
    /// Of the tables in use.
    writer: Connections,
    readers: Connections,
    tables: Arc<PostgresReadModels>,
    /// What the tables lack while most of their rows are written.
    left_out: Mutex<LeftOut>,
}

/// A transaction that holds the row which every writer has to lock.
struct Held {
    sets: Arc<Sets>,
    writer: Connections,
    readers: Connections,
    session: Session,
    locked: Locked,
}

#[async_trait]
impl Rebuildable for PostgresReadModels {
    async fn begin_next(&self) -> Result<Arc<dyn NextTables>, StoreError> {
        let mut session = self.writer.begin().await?;
        let row = session.row(sqlx::query("SELECT current_schema()::text AS name")).await?;
        let schema = row.as_ref().map(|row| row.text("name")).transpose()?.unwrap_or("public").to_owned();
        if schema.len() > SCHEMA_BYTES_MAX {
            let reason = format!("the schema's name '{schema}' is longer than {SCHEMA_BYTES_MAX} bytes");
            return Err(StoreError::Constraint { reason });
        }
        let sets = Sets { in_use: identifier(&schema), next: identifier(&format!("{schema}_next")) };
        let next = &sets.next;
        run(&mut session, &format!("DROP SCHEMA IF EXISTS {next} CASCADE; CREATE SCHEMA {next}")).await?;
        session.commit().await?;
        let tables = PostgresReadModels::in_schema(&self.config, &sets.next).await?;
        let left_out = LeftOut::take_out(&tables.writer).await?;
        Ok(Arc::new(Next {
            sets: Arc::new(sets),
            config: self.config.clone(),
            writer: self.writer.clone(),
            readers: self.readers.clone(),
            tables: Arc::new(tables),
            left_out: Mutex::new(left_out),
        }))
    }
}

impl PostgresReadModels {
    async fn in_schema(config: &PostgresConfig, schema: &str) -> Result<Self, StoreError> {
        let (writer, readers) = (Connections::for_writing(config), Connections::for_reading(config));
        let (writer, readers) = (writer.in_schema(schema), readers.in_schema(schema));
        let limit = config.migrate_timeout;
        within(limit, migrations::run(&readers, &writer, limit)).await?;
        Ok(Self::new(config.clone(), writer, readers))
    }
}

#[async_trait]
impl NextTables for Next {
    fn tables(&self) -> Arc<dyn ReadModels> {
        Arc::clone(&self.tables) as Arc<dyn ReadModels>
    }

    async fn hold(&self) -> Result<Box<dyn HeldTables>, StoreError> {
        self.left_out.lock().await.put_in(&self.tables.writer).await?;
        let held = async {
            let mut session = self.writer.begin().await?;
            // Other processes wait for the table then, and not for its row with a lock on the table that the exchange needs.
            run(&mut session, "LOCK TABLE projection_checkpoints IN EXCLUSIVE MODE").await?;
            let locked = lock_tables(&mut session).await?;
            Ok::<_, StoreError>((session, locked))
        };
        let (session, locked) = within(self.config.write_timeout, held).await?;
        let (writer, readers) = (self.writer.clone(), self.readers.clone());
        Ok(Box::new(Held { sets: Arc::clone(&self.sets), writer, readers, session, locked }))
    }

    async fn discard(&self) -> Result<(), StoreError> {
        self.tables.close().await;
        let mut session = self.writer.begin().await?;
        run(&mut session, &format!("DROP SCHEMA IF EXISTS {} CASCADE", self.sets.next)).await?;
        session.commit().await
    }
}

#[async_trait]
impl HeldTables for Held {
    fn position(&self) -> Position {
        self.locked.position
    }

    async fn compare(self: Box<Self>) -> Result<Comparison, StoreError> {
        let mut snapshot = self.readers.begin().await?;
        run(&mut snapshot, &format!("SET LOCAL statement_timeout = {}", BESIDE_TIMEOUT.as_millis())).await?;
        run(&mut snapshot, "SET LOCAL idle_in_transaction_session_timeout = 0").await?;
        // From the first question on, the transaction sees everything as it is at this moment.
        snapshot.row(sqlx::query("SELECT count(*) AS n FROM projection_checkpoints")).await?;
        self.session.roll_back().await?;
        let comparison = comparing::compare(&mut snapshot, &self.sets).await?;
        snapshot.commit().await?;
        Ok(comparison)
    }

    async fn replace(mut self: Box<Self>) -> Result<(), StoreError> {
        let Sets { in_use, next } = &*self.sets;
        let built = checkpoint(&mut self.session, next).await?;
        if built != self.locked.position {
            return Err(StoreError::Overtaken { expected: self.locked.position, stored: built });
        }
        let before = identifier(&format!("{}_before_{}", unquoted(in_use), self.locked.tables_id));
        let session = &mut self.session;
        run(session, &format!("SET LOCAL lock_timeout = {MOVE_LOCK_TIMEOUT_MS}")).await?;
        run(session, &keep(in_use, next, built)).await?;
        run(session, &grants(in_use, next)).await?;
        run(session, &format!("CREATE SCHEMA {before}")).await?;
        for table in MOVED {
            run(session, &format!("ALTER TABLE {in_use}.{table} SET SCHEMA {before}")).await?;
            run(session, &format!("ALTER TABLE {next}.{table} SET SCHEMA {in_use}")).await?;
        }
        run(session, &format!("DROP SCHEMA {next}")).await?;
        self.session.commit().await?;
        drop_replaced(&self.writer, &before).await;
        Ok(())
    }
}

/// What is not in the log: what operators have discarded, what was published, and that the boards are to be compared with these tables.
fn keep(in_use: &str, next: &str, at: Position) -> String {
    format!(
        "UPDATE {next}.parked_events n SET discarded_at = u.discarded_at, discard_reason = u.discard_reason \
         FROM {in_use}.parked_events u WHERE u.position = n.position AND u.discarded_at IS NOT NULL; \
         UPDATE {next}.projection_checkpoints n SET position = u.position \
         FROM {in_use}.projection_checkpoints u WHERE u.name = n.name AND n.name = '{CHANGES}'; \
         INSERT INTO {next}.projection_checkpoints (name, position) VALUES ('{BOARDS}', {at}) \
         ON CONFLICT (name) DO UPDATE SET position = excluded.position"
    )
}

fn grants(in_use: &str, next: &str) -> String {
    let literal = |name: &str| format!("'{}'", name.replace('\'', "''"));
    include_str!("sql/keep_grants.sql")
        .replace("{in_use}", &literal(in_use))
        .replace("{next}", &literal(next))
}

/// Views that somebody made on the tables that were replaced keep them there; all else is gone with them.
async fn drop_replaced(writer: &Connections, schema: &str) {
    let dropped = async {
        let mut session = writer.begin().await?;
        let tables = MOVED.map(|table| format!("{schema}.{table}")).join(", ");
        run(&mut session, &format!("DROP TABLE {tables}; DROP SCHEMA {schema}")).await?;
        session.commit().await
    };
    if let Err(error) = dropped.await {
        tracing::warn!(%error, schema, "the replaced tables are still there; drop the schema when nobody uses it");
    }
}

async fn checkpoint(session: &mut Session, schema: &str) -> Result<Position, StoreError> {
    let sql = format!("SELECT position FROM {schema}.projection_checkpoints WHERE name = '{TABLES}'");
    let row =
        session.row(sqlx::query(AssertSqlSafe(sql))).await?.ok_or_else(|| misfit("checkpoint", TABLES))?;
    let position = row.integer("position")?.unwrap_or(0);
    Position::try_from(position).map_err(|_| misfit("position", position))
}

#[async_trait]
impl Snapshot for Session {
    type Row = PgRow;

    async fn row(&mut self, sql: String) -> Result<PgRow, StoreError> {
        let row = Session::row(self, sqlx::query(AssertSqlSafe(sql))).await?;
        row.ok_or_else(|| misfit("count", "nothing"))
    }

    async fn texts(&mut self, sql: String, width: usize) -> Result<Vec<Texts>, StoreError> {
        let rows = self.rows(sqlx::query(AssertSqlSafe(sql))).await?;
        let row = |row: &PgRow| (0..width).map(|at| row.try_get(at)).collect::<Result<Texts, _>>();
        rows.iter().map(row).collect::<Result<_, _>>().map_err(store_error)
    }
}

pub(super) async fn run(session: &mut Session, sql: &str) -> Result<(), StoreError> {
    session.run(sql).await.map_err(store_error)
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn unquoted(identifier: &str) -> String {
    identifier.trim_matches('"').replace("\"\"", "\"")
}
