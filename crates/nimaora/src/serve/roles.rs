//! Every role on the embedded stores, started in the order in which they need each other, stopped in reverse.

use std::sync::Arc;
use std::time::Duration;

use nimaora_change_bus::{ChangeBus, MemoryBus};
use nimaora_command_service::{CommandService, SoleOwner};
use nimaora_event_log::embedded::{EmbeddedLog, LOG_DIR};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{EventLog, Position};
use nimaora_projection_service::Projection;
use nimaora_query_gateway::QueryGateway;
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::sqlite::SqliteReadModels;
use nimaora_read_models::{Leaderboard, ReadModels};
use nimaora_realtime::{AppSecret, Realtime};
use nimaora_runtime::{Clock, Health, Shutdown};
use nimaora_sessions::{MemoryPresence, TokenVerifier, VerifyingKey};

use super::ServeError;
use super::keys::{self, Keys};
use crate::config::{Config, SNAPSHOT_DIR};

/// The tables' file in the data folder.
const TABLES_FILE: &str = "read-models.sqlite";

/// The roles of this process, and the stores they stand on.
pub(super) struct Roles {
    pub(super) commands: CommandService,
    pub(super) queries: QueryGateway,
    pub(super) realtime: Realtime,
    pub(super) admin_token: String,
    log: Arc<EmbeddedLog>,
    tables: Arc<SqliteReadModels>,
    /// The tasks of commands and projection. They outlive the connections, so that whatever came in is finished.
    tasks: Shutdown,
}

/// What several roles stand on.
struct Shared {
    leaderboard: Arc<dyn Leaderboard>,
    tables: Arc<SqliteReadModels>,
    bus: Arc<dyn ChangeBus>,
    key: VerifyingKey,
    clock: Clock,
}

impl Shared {
    fn read_models(&self) -> Arc<dyn ReadModels> {
        Arc::clone(&self.tables) as Arc<dyn ReadModels>
    }

    fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new([self.key])
    }
}

impl Roles {
    /// Opens the stores and starts the roles. Whatever serves clients ends with `front`.
    pub(super) async fn start(
        config: &Config,
        clock: Clock,
        front: &Shutdown,
        health: &Health,
    ) -> Result<Self, ServeError> {
        let dir = &config.data_dir;
        keys::private_dir(dir).map_err(|source| ServeError::DataDir { path: dir.clone(), source })?;
        let log = open_log(config, &clock).await?;
        let head = log.status().await?.head;
        let tables = open_tables(config, head).await?;
        let keys = Keys::load_or_create(dir, head, &clock)?;
        let shared = Shared {
            // What was in the log before is in the tables, or on its way there: they answer until the boards are made anew.
            leaderboard: Arc::new(MemoryLeaderboard::new(config.read_models.boards_max, head)),
            tables,
            bus: Arc::new(MemoryBus::default()),
            key: keys.signer.verifier_key(),
            clock,
        };
        let app_secret = keys.app_secret.clone();
        let realtime = start_realtime(&shared, config, app_secret, front)?;
        let queries = start_queries(&shared, config, front);
        let tasks = Shutdown::new();
        let shared_log: SharedLog = Arc::clone(&log) as SharedLog;
        start_projection(&shared, Arc::clone(&shared_log), config, &tasks, health);
        let admin_token = keys.admin_token.clone();
        let commands = start_commands(&shared, shared_log, keys, config, &tasks, health);
        Ok(Self { commands, queries, realtime, admin_token, log, tables: shared.tables, tasks })
    }

    /// Ends the roles and closes the stores. Answers whether the roles ended within `patience`.
    pub(super) async fn stop(self, patience: Duration) -> bool {
        let ended = self.tasks.finish(patience).await;
        self.log.close().await;
        self.tables.close().await;
        ended
    }
}

async fn open_log(config: &Config, clock: &Clock) -> Result<Arc<EmbeddedLog>, ServeError> {
    let (dir, embedded) = (config.data_dir.clone(), config.log.embedded(clock.clone()));
    // Opening reads the whole log.
    let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(&dir, embedded)).await;
    match opened {
        Ok(log) => Ok(log?),
        Err(error) => Err(ServeError::System(std::io::Error::other(error))),
    }
}

/// Opens the tables, unless they have seen more than the log, which ends at `head`: what is acknowledged then would never be
/// seen in them.
async fn open_tables(config: &Config, head: Position) -> Result<Arc<SqliteReadModels>, ServeError> {
    let file = config.data_dir.join(TABLES_FILE);
    let unusable = |source| ServeError::Tables { path: file.clone(), source };
    let opened = SqliteReadModels::open(&file, config.read_models.sqlite()).await;
    let tables = opened.map_err(unusable)?;
    let seen = tables.checkpoints().await.map_err(unusable)?;
    let seen = seen.tables.max(seen.changes);
    if seen <= head {
        return Ok(Arc::new(tables));
    }
    tables.close().await;
    let snapshots = config.command.snapshot_dir.clone();
    Err(ServeError::TablesAhead {
        log: config.data_dir.join(LOG_DIR),
        head,
        file,
        tables: seen,
        snapshots: snapshots.unwrap_or_else(|| config.data_dir.join(SNAPSHOT_DIR)),
    })
}

fn start_commands(
    shared: &Shared,
    log: SharedLog,
    keys: Keys,
    config: &Config,
    tasks: &Shutdown,
    health: &Health,
) -> CommandService {
    let deps = nimaora_command_service::Deps {
        log,
        presence: Arc::new(MemoryPresence::new()),
        ownership: Arc::new(SoleOwner::default()),
        signer: keys.signer,
        verifier: Arc::new(shared.verifier()),
        answer_key: keys.answer_key,
        clock: shared.clock.clone(),
    };
    CommandService::start(deps, config.command.clone(), tasks, health)
}

fn start_projection(shared: &Shared, log: SharedLog, config: &Config, tasks: &Shutdown, health: &Health) {
    let deps = nimaora_projection_service::Deps {
        log,
        leaderboard: Arc::clone(&shared.leaderboard),
        read_models: shared.read_models(),
        bus: Arc::clone(&shared.bus),
    };
    Projection::start(deps, config.projection.projection(shared.clock.clone()), tasks, health);
}

fn start_queries(shared: &Shared, config: &Config, front: &Shutdown) -> QueryGateway {
    let deps = nimaora_query_gateway::Deps {
        leaderboard: Arc::clone(&shared.leaderboard),
        read_models: shared.read_models(),
        bus: Arc::clone(&shared.bus),
        verifier: Arc::new(shared.verifier()),
        clock: shared.clock.clone(),
    };
    QueryGateway::new(deps, config.query.clone(), front)
}

fn start_realtime(
    shared: &Shared,
    config: &Config,
    app_secret: String,
    front: &Shutdown,
) -> Result<Realtime, ServeError> {
    let deps = nimaora_realtime::Deps {
        leaderboard: Arc::clone(&shared.leaderboard),
        read_models: shared.read_models(),
        bus: Arc::clone(&shared.bus),
        verifier: shared.verifier(),
        clock: shared.clock.clone(),
    };
    let mut config = config.realtime.clone();
    if config.app_secret == AppSecret::default() {
        config.app_secret = app_secret.into();
    }
    Ok(Realtime::new(deps, config, front)?)
}
