//! What is audited, opened as the settings name it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nimaora_event_log::embedded::{EmbeddedLog, FoundEnd, LOG_DIR};
use nimaora_event_log::log::SharedLog;
use nimaora_read_models::postgres::{PostgresConfig, PostgresReadModels};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};
use nimaora_read_models::sqlite::SqliteReadModels;
use nimaora_read_models::{AuditedTables, Leaderboard};
use nimaora_runtime::Clock;
use tempfile::TempDir;

use super::error::AuditError;
use super::{file_error, files};
use crate::config::{Config, StoreUrl};
use crate::serve::{TABLES_FILE, shared_log};

/// The log alone, for nothing but reading, and what an audit has to say of its end. A local one is locked until the program ends, so that
/// nobody writes meanwhile; others may read.
pub(super) async fn log(config: &Config) -> Result<(SharedLog, Vec<String>), AuditError> {
    let clock = Clock::system();
    let url = &config.stores.log;
    if url.is_embedded() {
        let dir = config.data_dir.join(LOG_DIR);
        if !dir.is_dir() {
            return Err(AuditError::NoLog(dir));
        }
        let (data_dir, settings) = (config.data_dir.clone(), config.log.embedded(clock));
        // That reads the whole log, each frame against its checksum.
        let log =
            tokio::task::spawn_blocking(move || EmbeddedLog::open_read_only(&data_dir, settings)).await??;
        let notes = log.found_end().map(notes_of).unwrap_or_default();
        return Ok((log, notes));
    }
    let log = shared_log::connect(&config.stores, &clock).await;
    log.map(|log| (log, Vec::new())).map_err(|error| unusable("log", url, &error))
}

fn notes_of(end: &FoundEnd) -> Vec<String> {
    let torn = end.torn.as_ref().map(|(bytes, reason)| {
        format!(
            "the log ends with {bytes} bytes of an append that a crash cut short ({reason}); nobody was told that it was written"
        )
    });
    let lost = end.acknowledgements_lost.then(|| {
        "the log's file 'acknowledged' is missing or unreadable: that events were cut off at the end cannot be excluded"
            .to_owned()
    });
    torn.into_iter().chain(lost).collect()
}

/// The tables, for nothing but reading, and a copy of them where they cannot be read in their place; `None` where there are none yet.
pub(super) async fn tables(
    config: &Config,
) -> Result<Option<(Arc<dyn AuditedTables>, Option<TempDir>)>, AuditError> {
    let url = &config.stores.tables;
    if url.is_embedded() {
        let file = config.data_dir.join(TABLES_FILE);
        if !file.try_exists().map_err(file_error("look for", &file))? {
            return Ok(None);
        }
        files::regular(&file)?;
        return sqlite(&file, config).await.map(Some);
    }
    let mut settings = PostgresConfig::new(url.expose()).map_err(|error| unusable("tables", url, &error))?;
    settings.readers_max = config.read_models.readers_max;
    settings.acquire_timeout = Duration::from_millis(config.read_models.acquire_timeout_ms);
    match PostgresReadModels::connect_read_only(&settings).await {
        Ok(tables) => Ok(Some((Arc::new(tables), None))),
        Err(error) => Err(unusable("tables", url, &error)),
    }
}

/// The file with its write-ahead log is read where it lies. That takes SQLite a file beside them, which a copy may lack and a disk that takes no
/// writes does not let it make; then a copy is read.
async fn sqlite(
    file: &Path,
    config: &Config,
) -> Result<(Arc<dyn AuditedTables>, Option<TempDir>), AuditError> {
    let open = async |file: &Path| SqliteReadModels::open_read_only(file, config.read_models.sqlite()).await;
    let failed = |source| AuditError::Store { what: "the tables", source };
    let source = match open(file).await {
        Ok(tables) => return Ok((Arc::new(tables), None)),
        Err(source) => source,
    };
    let (ahead, shared) = (beside(file, "-wal"), beside(file, "-shm"));
    if !ahead.exists() || shared.exists() {
        return Err(failed(source));
    }
    let folder = tempfile::tempdir().map_err(file_error("make a temporary folder for", file))?;
    let copy = folder.path().join(TABLES_FILE);
    for (from, to) in [(file, copy.clone()), (&*ahead, beside(&copy, "-wal"))] {
        let copied = std::fs::File::open(from).and_then(|mut source| {
            std::fs::File::create(to).and_then(|mut target| std::io::copy(&mut source, &mut target))
        });
        copied.map_err(file_error("copy", from))?;
    }
    Ok((Arc::new(open(&copy).await.map_err(failed)?), Some(folder)))
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The leaderboard; `None` where it is in the memory of a server.
pub(super) fn leaderboard(config: &Config) -> Result<Option<Arc<dyn Leaderboard>>, AuditError> {
    let url = &config.stores.leaderboard;
    if url.is_embedded() {
        return Ok(None);
    }
    match RedisLeaderboard::connect(RedisConfig::new(url.expose())) {
        Ok(leaderboard) => Ok(Some(Arc::new(leaderboard))),
        Err(error) => Err(unusable("leaderboard", url, &error)),
    }
}

fn unusable(what: &'static str, url: &StoreUrl, error: &dyn std::error::Error) -> AuditError {
    AuditError::Connect { what, url: url.to_string(), reason: error.to_string() }
}
