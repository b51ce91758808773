//! Making the tables, and bringing them to this version.
//!
//! Everything happens in one transaction under a lock that ends with it, so that it works through PgBouncer and when many nodes
//! start at once. Tables that are as they should be are only looked at, which works with few rights and on a server that only reads.

use std::time::Duration;

use sqlx::migrate::{Migration, Migrator};

use super::config::MIGRATIONS_LOCK;
use super::decode::column;
use super::fault::store_error;
use super::session::{Connections, Session};
use crate::error::StoreError;
use crate::relational::decode::StoredRow;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Runs those migrations that have not been run yet.
pub(super) async fn run(
    readers: &Connections,
    writer: &Connections,
    limit: Duration,
) -> Result<(), StoreError> {
    let mut session = readers.begin().await?;
    let missing = missing(&mut session).await?;
    session.commit().await?;
    if missing.is_empty() {
        return Ok(());
    }
    let mut session = writer.begin().await?;
    // More than a batch is given: tables may be long, and other nodes may be at it.
    let longer = format!("SET LOCAL statement_timeout = {}", limit.as_millis());
    session.run(&longer).await.map_err(store_error)?;
    session.execute(sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATIONS_LOCK)).await?;
    session.run(include_str!("sql/make_migrations.sql")).await.map_err(store_error)?;
    // Another node may have done it meanwhile.
    for migration in self::missing(&mut session).await? {
        session.run(migration.sql.as_str()).await.map_err(store_error)?;
        let query = sqlx::query(include_str!("sql/insert_migration.sql"))
            .bind(migration.version)
            .bind(&*migration.description)
            .bind(&*migration.checksum);
        session.execute(query).await?;
    }
    session.commit().await
}

/// The migrations that have not been run, after a check that those that have are ours.
async fn missing(session: &mut Session) -> Result<Vec<&'static Migration>, StoreError> {
    let query = sqlx::query("SELECT to_regclass('schema_migrations') IS NOT NULL AS made");
    let made = session.row(query).await?;
    let is_made: bool = made.map_or(Ok(false), |row| column(&row, "made"))?;
    let mut missing: Vec<&Migration> = MIGRATIONS.iter().collect();
    if !is_made {
        return Ok(missing);
    }
    let query = sqlx::query("SELECT version, checksum FROM schema_migrations ORDER BY version");
    for row in session.rows(query).await? {
        let (version, checksum): (i64, &[u8]) = (row.number("version")?, column(&row, "checksum")?);
        let known = missing.iter().position(|ours| ours.version == version);
        let Some(known) = known.filter(|&known| *missing[known].checksum == *checksum) else {
            let reason = format!("the tables are of another version: migration {version} is not known here");
            return Err(StoreError::Damaged { reason });
        };
        missing.remove(known);
    }
    Ok(missing)
}
