//! The stores that the roles of this process stand on, opened as the settings name them. This file, `shared_log`, `roles` and the audit's stores name the
//! adapters.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use nimaora_change_bus::{ChangeBus, MemoryBus, NatsBus, NatsBusConfig, Relay};
use nimaora_command_service::{NatsOwnership, NatsOwnershipConfig, Ownership, SoleOwner};
use nimaora_event_log::embedded::{EmbeddedLog, FoundLog, LOG_DIR};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{OpenError, Position, ReadError};
use nimaora_projection_service::leadership::Leadership;
use nimaora_projection_service::leadership::nats::NatsLeadership;
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::postgres::{PostgresConfig, PostgresReadModels};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};
use nimaora_read_models::sqlite::{self, SqliteReadModels};
use nimaora_read_models::{AuditedTables, Leaderboard, ReadModels, Rebuildable, ReplicaFirst};
use nimaora_runtime::Clock;
use nimaora_sessions::redis::{RedisPresence, RedisPresenceConfig};
use nimaora_sessions::{MemoryPresence, Presence};

use super::{ServeError, shared_log};
use crate::config::{Config, Role, SNAPSHOT_DIR, StoreUrl};

/// The tables' file in the data folder.
pub(crate) const TABLES_FILE: &str = "read-models.sqlite";
/// The bucket in which nodes agree who writes which battle.
const OWNERSHIP_BUCKET: &str = "nimaora-owners";

/// Ends a store. Whatever was under way is finished first.
type Closing = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send + Sync>;

/// The tables, for those who read and write them and for those who build them anew.
type Tables = (Arc<dyn AuditedTables>, Arc<dyn Rebuildable>);

/// What queries and sockets are answered from, and the projection writes.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) leaderboard: Arc<dyn Leaderboard>,
    pub(super) tables: Arc<dyn AuditedTables>,
    /// The same, to be built anew.
    pub(super) rebuildable: Arc<dyn Rebuildable>,
    /// The same with a replica before it, for queries, where the settings name one.
    pub(super) replica: Option<Arc<dyn ReadModels>>,
    pub(super) bus: Arc<dyn ChangeBus>,
    /// What the realtime nodes tell each other; it goes the same way.
    pub(super) relay: Arc<dyn Relay>,
}

/// The open stores.
pub(super) struct Stores {
    /// Absent where no role appends, projects or serves the log.
    pub(super) log: Option<SharedLog>,
    /// Absent where no role reads or projects.
    pub(super) read: Option<Read>,
    /// Absent where no role takes commands, or has sockets whose participants others wait for.
    pub(super) presence: Option<Arc<dyn Presence>>,
    closing: Vec<Closing>,
}

/// The log as it was found. Nothing was changed yet.
pub(super) struct Found {
    log: Option<Log>,
    /// Its last position; 0 where this process does not use it.
    head: Position,
}

enum Log {
    Embedded(Box<FoundLog>),
    /// One that other processes use too.
    Shared(SharedLog),
}

impl Found {
    /// Looks at the log and the tables, where a role of this process needs them. Refuses tables that have seen more than the log.
    pub(super) async fn look(config: &Config, clock: &Clock) -> Result<Self, ServeError> {
        let served = config.event_store_listen().is_some();
        if !config.has(Role::Command) && !config.has(Role::Projection) && !served {
            return Ok(Self { log: None, head: 0 });
        }
        if !config.stores.log.is_embedded() {
            let log = connect_log(config, clock).await?;
            let unusable = |error: ReadError| refused("log", &config.stores.log, &error);
            let head = log.status().await.map_err(unusable)?.head;
            return Ok(Self { log: Some(Log::Shared(log)), head });
        }
        let (dir, embedded) = (config.data_dir.clone(), config.log.embedded(clock.clone()));
        // That reads the whole log.
        let log = blocking(move || EmbeddedLog::look(&dir, embedded)).await?;
        let head = log.head();
        if config.stores.tables.is_embedded() {
            refuse_tables_ahead(config, head).await?;
        }
        Ok(Self { log: Some(Log::Embedded(Box::new(log))), head })
    }

    /// The log's last position; 0 where this process does not use it.
    pub(super) fn head(&self) -> Position {
        self.head
    }

    /// Opens the stores that the roles of this process need.
    pub(super) async fn open(self, config: &Config) -> Result<Stores, ServeError> {
        let mut closing = Vec::new();
        let head = self.head();
        let log = match self.log {
            Some(Log::Embedded(found)) => {
                tell_of_new_log(config, &found);
                Some(open_embedded_log(*found, &mut closing).await?)
            }
            Some(Log::Shared(log)) => Some(log),
            None => None,
        };
        let reads = [Role::Projection, Role::Query, Role::Realtime].into_iter().any(|role| config.has(role));
        let read = match reads {
            true => Some(open_read(config, head, &mut closing).await?),
            false => None,
        };
        // Presence within another process cannot be told of sockets here.
        let is_shared = config.has(Role::Realtime) && !config.stores.presence.is_embedded();
        let presence = match config.has(Role::Command) || is_shared {
            true => Some(presence(config)?),
            false => None,
        };
        Ok(Stores { log, read, presence, closing })
    }
}

impl Stores {
    /// Closes the stores, those that were opened first at first.
    pub(super) async fn close(self) {
        for closing in self.closing {
            closing().await;
        }
    }
}

/// Who serves a log alone mostly means one that is there, and may have named the wrong folder.
fn tell_of_new_log(config: &Config, found: &FoundLog) {
    if found.is_new() && !config.has(Role::Command) {
        let dir = config.data_dir.join(LOG_DIR);
        tracing::warn!(
            "there is no log in {}: a new and empty one is made and served; if another one is meant, stop and name its folder with \
             --data-dir",
            dir.display()
        );
    }
}

async fn open_embedded_log(found: FoundLog, closing: &mut Vec<Closing>) -> Result<SharedLog, ServeError> {
    let log = blocking(move || found.open()).await?;
    let closed = Arc::clone(&log);
    closing.push(Box::new(move || async move { closed.close().await }.boxed()));
    Ok(log)
}

async fn blocking<T: Send + 'static>(
    open: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, ServeError> {
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => Ok(opened?),
        Err(error) => Err(ServeError::System(std::io::Error::other(error))),
    }
}

async fn open_read(config: &Config, head: Position, closing: &mut Vec<Closing>) -> Result<Read, ServeError> {
    let (tables, rebuildable) = match config.stores.tables.is_embedded() {
        true => open_sqlite(config, closing).await?,
        false => connect_postgres(config, closing).await?,
    };
    let (leaderboard, (bus, relay)) = (leaderboard(config, head)?, change_bus(config).await?);
    let replica = match &config.stores.tables_replica {
        Some(url) if config.has(Role::Query) => Some(replica(config, url, tables.clone(), closing)?),
        _ => None,
    };
    Ok(Read { leaderboard, tables, rebuildable, replica, bus, relay })
}

async fn connect_log(config: &Config, clock: &Clock) -> Result<SharedLog, ServeError> {
    let connected = shared_log::connect(&config.stores, clock).await;
    connected.map_err(|error| refused("log", &config.stores.log, &error))
}

/// A standby may be down or far behind when the server starts; the tables themselves answer then.
fn replica(
    config: &Config,
    url: &StoreUrl,
    tables: Arc<dyn ReadModels>,
    closing: &mut Vec<Closing>,
) -> Result<Arc<dyn ReadModels>, ServeError> {
    let standby = PostgresReadModels::of_standby(&postgres(config, "tables_replica", url)?);
    let standby = Arc::new(standby);
    let closed = Arc::clone(&standby);
    closing.push(Box::new(move || async move { closed.close().await }.boxed()));
    Ok(Arc::new(ReplicaFirst::new(standby, tables)))
}

fn postgres(config: &Config, setting: &'static str, url: &StoreUrl) -> Result<PostgresConfig, ServeError> {
    let mut settings = PostgresConfig::new(url.expose()).map_err(|error| refused(setting, url, &error))?;
    settings.readers_max = config.read_models.readers_max;
    settings.acquire_timeout = Duration::from_millis(config.read_models.acquire_timeout_ms);
    Ok(settings)
}

async fn connect_postgres(config: &Config, closing: &mut Vec<Closing>) -> Result<Tables, ServeError> {
    let url = &config.stores.tables;
    let settings = postgres(config, "tables", url)?;
    let tables =
        PostgresReadModels::connect(settings).await.map_err(|error| refused("tables", url, &error))?;
    let tables = Arc::new(tables);
    let closed = Arc::clone(&tables);
    closing.push(Box::new(move || async move { closed.close().await }.boxed()));
    Ok((Arc::clone(&tables) as Arc<dyn AuditedTables>, tables))
}

fn leaderboard(config: &Config, head: Position) -> Result<Arc<dyn Leaderboard>, ServeError> {
    let url = &config.stores.leaderboard;
    if url.is_embedded() {
        // What was in the log before is in the tables, or on its way there: they answer until the boards are made anew.
        return Ok(Arc::new(MemoryLeaderboard::new(config.read_models.boards_max, head)));
    }
    match RedisLeaderboard::connect(RedisConfig::new(url.expose())) {
        Ok(leaderboard) => Ok(Arc::new(leaderboard)),
        Err(error) => Err(refused("leaderboard", url, &error)),
    }
}

fn presence(config: &Config) -> Result<Arc<dyn Presence>, ServeError> {
    let url = &config.stores.presence;
    if url.is_embedded() {
        return Ok(Arc::new(MemoryPresence::new()));
    }
    match RedisPresence::connect(RedisPresenceConfig::new(url.expose())) {
        Ok(presence) => Ok(Arc::new(presence)),
        Err(error) => Err(refused("presence", url, &error)),
    }
}

async fn change_bus(config: &Config) -> Result<(Arc<dyn ChangeBus>, Arc<dyn Relay>), ServeError> {
    let url = &config.stores.change_bus;
    if url.is_embedded() {
        let bus = Arc::new(MemoryBus::default());
        return Ok((Arc::clone(&bus) as Arc<dyn ChangeBus>, bus));
    }
    match NatsBus::connect(&NatsBusConfig::new(url.expose())).await {
        Ok(bus) => Ok((Arc::new(bus.clone()), Arc::new(bus))),
        Err(error) => Err(refused("change_bus", url, &error)),
    }
}

/// How it is agreed which of several nodes writes a battle. The others reach this one at `address`, unless the settings say where.
pub(super) async fn ownership(
    config: &Config,
    address: SocketAddr,
) -> Result<Arc<dyn Ownership>, ServeError> {
    let url = &config.stores.ownership;
    if url.is_embedded() {
        return Ok(Arc::new(SoleOwner::default()));
    }
    let settings = NatsOwnershipConfig {
        url: url.expose().to_owned(),
        bucket: OWNERSHIP_BUCKET.to_owned(),
        replicas: config.stores.nats_replicas,
        node: config.node.name.clone().unwrap_or_default(),
        advertised_url: config.node.url.clone().unwrap_or_else(|| format!("http://{address}")),
    };
    match NatsOwnership::connect(settings).await {
        Ok(ownership) => Ok(Arc::new(ownership)),
        Err(error) => Err(refused("ownership", url, &error)),
    }
}

/// How it is agreed which of several projections is at work; `None` where there is only one.
pub(super) async fn leadership(config: &Config) -> Result<Option<Arc<dyn Leadership>>, ServeError> {
    let url = &config.stores.ownership;
    if url.is_embedded() {
        return Ok(None);
    }
    match NatsLeadership::connect(
        url.expose(),
        config.stores.nats_replicas,
        config.node.name.as_deref().unwrap_or_default(),
    )
    .await
    {
        Ok(leadership) => Ok(Some(Arc::new(leadership))),
        Err(error) => Err(refused("ownership", url, &error)),
    }
}

fn refused(setting: &'static str, url: &StoreUrl, error: &dyn std::error::Error) -> ServeError {
    ServeError::Store { setting, url: url.to_string(), reason: error.to_string() }
}

async fn open_sqlite(config: &Config, closing: &mut Vec<Closing>) -> Result<Tables, ServeError> {
    let file = config.data_dir.join(TABLES_FILE);
    let opened = SqliteReadModels::open(&file, config.read_models.sqlite()).await;
    let tables = Arc::new(opened.map_err(|source| ServeError::Tables { path: file, source })?);
    let closed = Arc::clone(&tables);
    closing.push(Box::new(move || async move { closed.close().await }.boxed()));
    Ok((Arc::clone(&tables) as Arc<dyn AuditedTables>, tables))
}

/// Refuses tables that have seen more than the log, which ends at `head`: what is acknowledged then would never be seen in them.
async fn refuse_tables_ahead(config: &Config, head: Position) -> Result<(), ServeError> {
    let file = config.data_dir.join(TABLES_FILE);
    let seen = sqlite::checkpoints_in(&file, &config.read_models.sqlite()).await;
    let seen = seen.map_err(|source| ServeError::Tables { path: file.clone(), source })?;
    let seen = seen.tables.max(seen.changes);
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
