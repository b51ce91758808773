//! What is audited, opened as the settings name it.

use std::sync::Arc;
use std::time::Duration;

use nimaora_event_log::embedded::{EmbeddedLog, LOG_DIR};
use nimaora_event_log::log::SharedLog;
use nimaora_read_models::postgres::{PostgresConfig, PostgresReadModels};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};
use nimaora_read_models::sqlite::SqliteReadModels;
use nimaora_read_models::{AuditedTables, Leaderboard};
use nimaora_runtime::Clock;

use super::error::AuditError;
use crate::config::{Config, StoreUrl};
use crate::serve::{TABLES_FILE, shared_log};

/// The log alone. A local one is locked until the program ends, so that nothing changes meanwhile.
pub(super) async fn log(config: &Config) -> Result<SharedLog, AuditError> {
    let clock = Clock::system();
    let url = &config.stores.log;
    if url.is_embedded() {
        let dir = config.data_dir.join(LOG_DIR);
        if !dir.is_dir() {
            return Err(AuditError::NoLog(dir));
        }
        let (data_dir, settings) = (config.data_dir.clone(), config.log.embedded(clock));
        // That reads the whole log, each frame against its checksum.
        let log = tokio::task::spawn_blocking(move || EmbeddedLog::open(&data_dir, settings)).await??;
        return Ok(log);
    }
    shared_log::connect(&config.stores, &clock).await.map_err(|error| unusable("log", url, &error))
}

/// The tables, for nothing but reading; `None` where there are none yet.
pub(super) async fn tables(config: &Config) -> Result<Option<Arc<dyn AuditedTables>>, AuditError> {
    let url = &config.stores.tables;
    if url.is_embedded() {
        let file = config.data_dir.join(TABLES_FILE);
        if !file.is_file() {
            return Ok(None);
        }
        let opened = SqliteReadModels::open_read_only(&file, config.read_models.sqlite()).await;
        let tables = opened.map_err(|source| AuditError::Store { what: "the tables", source })?;
        return Ok(Some(Arc::new(tables)));
    }
    let mut settings = PostgresConfig::new(url.expose()).map_err(|error| unusable("tables", url, &error))?;
    settings.readers_max = config.read_models.readers_max;
    settings.acquire_timeout = Duration::from_millis(config.read_models.acquire_timeout_ms);
    match PostgresReadModels::connect_read_only(&settings).await {
        Ok(tables) => Ok(Some(Arc::new(tables))),
        Err(error) => Err(unusable("tables", url, &error)),
    }
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
