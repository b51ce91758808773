//! Looking at a file of tables before it is opened: it may turn out not to belong to the log, and then all is to stay as it is.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::config::SqliteConfig;
use super::fault::store_error;
use super::read;
use crate::error::StoreError;
use crate::tables::Checkpoints;

/// How far the tables in the file at `path` have come; nowhere when it is not there, or no tables in it yet. The file and its
/// write-ahead log stay as they are; what SQLite keeps in memory that processes share (`-shm`) may be made and changed.
///
/// # Errors
/// [`StoreError::Unavailable`] when the file cannot be used now; [`StoreError::Damaged`] when it is no such file.
pub async fn checkpoints_in(path: &Path, config: &SqliteConfig) -> Result<Checkpoints, StoreError> {
    if !exists(path)? {
        return Ok(Checkpoints::default());
    }
    // Without a write-ahead log the file is all there is, and SQLite need not make one to read it.
    let alone = !exists(&write_ahead_log(path))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(alone)
        .busy_timeout(config.busy_timeout);
    let mut connection = options.connect().await.map_err(store_error)?;
    let found = checkpoints(&mut connection).await;
    connection.close().await.map_err(store_error)?;
    found
}

async fn checkpoints(connection: &mut SqliteConnection) -> Result<Checkpoints, StoreError> {
    let begun = sqlx::query_scalar(include_str!("sql/has_checkpoints.sql")).fetch_one(&mut *connection).await;
    match begun.map_err(store_error)? {
        true => read::checkpoints(connection).await,
        false => Ok(Checkpoints::default()),
    }
}

pub(super) fn write_ahead_log(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

pub(super) fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|error| StoreError::Unavailable { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::contract::story::opening;
    use crate::sqlite::SqliteReadModels;
    use crate::tables::ReadModels;

    const FILE: &str = "read-models.db";

    /// The file names in a folder with what the files hold; of what processes share in memory, only that it is there.
    fn contents(home: &TempDir) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(home.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
            .map(|(name, path)| {
                let bytes = if name.ends_with("-shm") { Vec::new() } else { fs::read(path).unwrap() };
                (name, bytes)
            })
            .collect();
        files.sort();
        files
    }

    /// How far the tables have come. Nothing may change by looking.
    async fn look(home: &TempDir) -> Result<Checkpoints, StoreError> {
        let before = contents(home);
        let found = checkpoints_in(&home.path().join(FILE), &SqliteConfig::default()).await;
        assert!(contents(home) == before, "looking changed something");
        found
    }

    #[tokio::test]
    async fn tables_that_are_not_there_have_come_nowhere() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(look(&home).await.unwrap(), Checkpoints::default());
        fs::write(home.path().join(FILE), b"").unwrap();
        assert_eq!(look(&home).await.unwrap(), Checkpoints::default());
    }

    #[tokio::test]
    async fn tables_are_as_far_as_their_file_and_its_write_ahead_log_say() {
        let home = tempfile::tempdir().unwrap();
        let tables = SqliteReadModels::open(&home.path().join(FILE), SqliteConfig::default()).await.unwrap();
        tables.apply(&opening(2)).await.unwrap();
        let there = tables.checkpoints().await.unwrap();
        assert_eq!(there.tables, 10);
        // As a kill leaves them.
        let killed = tempfile::tempdir().unwrap();
        for (name, _) in contents(&home) {
            fs::copy(home.path().join(&name), killed.path().join(&name)).unwrap();
        }
        assert!(contents(&killed).iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()));
        assert_eq!(look(&killed).await.unwrap(), there);
        tables.close().await;
        assert_eq!(contents(&home).len(), 1);
        assert_eq!(look(&home).await.unwrap(), there);
    }

    #[tokio::test]
    async fn what_is_no_file_of_tables_is_said_to_be_damaged() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(FILE), "no tables, ".repeat(1_000)).unwrap();
        let answer = look(&home).await;
        assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{answer:?}");
    }
}
