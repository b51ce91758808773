//! The stores that the roles of this process stand on, opened as the settings name them. This file and `roles` name the adapters.

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use nimaora_change_bus::{ChangeBus, MemoryBus};
use nimaora_event_log::embedded::{EmbeddedLog, LOG_DIR};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{EventLog, Position};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::sqlite::SqliteReadModels;
use nimaora_read_models::{Leaderboard, ReadModels};
use nimaora_runtime::Clock;
use nimaora_sessions::{MemoryPresence, Presence};

use super::ServeError;
use crate::config::{Config, Role, SNAPSHOT_DIR};

/// The tables' file in the data folder.
const TABLES_FILE: &str = "read-models.sqlite";

/// Ends a store. Whatever was under way is finished first.
type Closing = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send + Sync>;

/// What commands stand on.
pub(super) struct Written {
    pub(super) log: SharedLog,
    /// The log's last position at the start.
    pub(super) head: Position,
}

/// What queries and sockets are answered from, and the projection writes.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) leaderboard: Arc<dyn Leaderboard>,
    pub(super) tables: Arc<dyn ReadModels>,
    pub(super) bus: Arc<dyn ChangeBus>,
}

/// The open stores.
pub(super) struct Stores {
    /// Absent where no role appends or projects.
    pub(super) written: Option<Written>,
    /// Absent where no role reads or projects.
    pub(super) read: Option<Read>,
    /// Absent where no role takes commands.
    pub(super) presence: Option<Arc<dyn Presence>>,
    closing: Vec<Closing>,
}

impl Stores {
    /// Opens the stores that the roles of this process need.
    pub(super) async fn open(config: &Config, clock: &Clock) -> Result<Self, ServeError> {
        let mut closing = Vec::new();
        let written = match config.has(Role::Command) || config.has(Role::Projection) {
            true => Some(open_log(config, clock, &mut closing).await?),
            false => None,
        };
        let reads = [Role::Projection, Role::Query, Role::Realtime].into_iter().any(|role| config.has(role));
        let read = match reads {
            true => Some(open_read(config, written.as_ref(), &mut closing).await?),
            false => None,
        };
        let presence =
            config.has(Role::Command).then(|| Arc::new(MemoryPresence::new()) as Arc<dyn Presence>);
        Ok(Self { written, read, presence, closing })
    }

    /// The log's last position at the start; 0 where this process does not open it.
    pub(super) fn head(&self) -> Position {
        self.written.as_ref().map_or(0, |written| written.head)
    }

    /// Closes the stores, those that were opened first at first.
    pub(super) async fn close(self) {
        for closing in self.closing {
            closing().await;
        }
    }
}

async fn open_log(config: &Config, clock: &Clock, closing: &mut Vec<Closing>) -> Result<Written, ServeError> {
    let log = open_embedded_log(config, clock).await?;
    let head = log.status().await?.head;
    let closed = Arc::clone(&log);
    closing.push(Box::new(move || async move { closed.close().await }.boxed()));
    Ok(Written { log, head })
}

async fn open_embedded_log(config: &Config, clock: &Clock) -> Result<Arc<EmbeddedLog>, ServeError> {
    let (dir, embedded) = (config.data_dir.clone(), config.log.embedded(clock.clone()));
    // Opening reads the whole log.
    let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(&dir, embedded)).await;
    match opened {
        Ok(log) => Ok(log?),
        Err(error) => Err(ServeError::System(std::io::Error::other(error))),
    }
}

async fn open_read(
    config: &Config,
    written: Option<&Written>,
    closing: &mut Vec<Closing>,
) -> Result<Read, ServeError> {
    let tables = open_tables(config, closing).await?;
    if let Some(written) = written {
        refuse_tables_ahead(config, &*tables, written.head).await?;
    }
    // What was in the log before is in the tables, or on its way there: they answer until the boards are made anew.
    let head = written.map_or(0, |written| written.head);
    let leaderboard = Arc::new(MemoryLeaderboard::new(config.read_models.boards_max, head));
    Ok(Read { leaderboard, tables, bus: Arc::new(MemoryBus::default()) })
}

async fn open_tables(config: &Config, closing: &mut Vec<Closing>) -> Result<Arc<dyn ReadModels>, ServeError> {
    let file = config.data_dir.join(TABLES_FILE);
    let opened = SqliteReadModels::open(&file, config.read_models.sqlite()).await;
    let tables = Arc::new(opened.map_err(|source| ServeError::Tables { path: file, source })?);
    let closed = Arc::clone(&tables);
    closing.push(Box::new(move || async move { closed.close().await }.boxed()));
    Ok(tables)
}

/// Refuses tables that have seen more than the log, which ends at `head`: what is acknowledged then would never be seen in them.
async fn refuse_tables_ahead(
    config: &Config,
    tables: &dyn ReadModels,
    head: Position,
) -> Result<(), ServeError> {
    let file = match config.stores.tables.is_embedded() {
        true => config.data_dir.join(TABLES_FILE),
        false => PathBuf::from(config.stores.tables.to_string()),
    };
    let seen = match tables.checkpoints().await {
        Ok(seen) => seen.tables.max(seen.changes),
        Err(source) => return Err(ServeError::Tables { path: file, source }),
    };
    if seen <= head {
        return Ok(());
    }
    let snapshots = config.command.snapshot_dir.clone();
    Err(ServeError::TablesAhead {
        log: config.data_dir.join(LOG_DIR),
        head,
        file,
        tables: seen,
        snapshots: snapshots.unwrap_or_else(|| config.data_dir.join(SNAPSHOT_DIR)),
    })
}
