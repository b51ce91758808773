//! The roles of this process, started in the order in which they need each other, stopped in reverse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nimaora_command_service::CommandService;
use nimaora_event_log::log::SharedLog;
use nimaora_event_log_server::{EventStore, NodePassword, Tls};
use nimaora_projection_service::parity::BoardsBeside;
use nimaora_projection_service::{Projection, leadership};
use nimaora_query_gateway::QueryGateway;
use nimaora_realtime::{AppSecret, Realtime};
use nimaora_runtime::{Clock, Health, Shutdown};
use nimaora_sessions::{TokenVerifier, VerifyingKey};
use tokio::net::TcpListener;

use super::ServeError;
use super::keys::{self, Keys};
use super::projections::ProjectionAdmin;
use super::rebuilds::Rebuilds;
use super::sent_boards::SentBoards;
use super::stores::{self, Found, Read, Stores};
use crate::audit::AuditAdmin;
use crate::config::{Config, Role};

/// The roles of this process, and the stores they stand on.
pub(super) struct Roles {
    pub(super) commands: Option<CommandService>,
    pub(super) queries: Option<QueryGateway>,
    pub(super) realtime: Option<Realtime>,
    /// Taken by the port.
    pub(super) projections: Option<ProjectionAdmin>,
    /// Taken by the port, too.
    pub(super) audits: Option<AuditAdmin>,
    pub(super) admin_token: String,
    /// Whose tokens are trusted.
    key: VerifyingKey,
    clock: Clock,
    stores: Stores,
    /// The tasks of commands and projection. They outlive the connections, so that whatever came in is finished.
    tasks: Shutdown,
}

/// What is being put together.
struct Builder<'a> {
    config: &'a Config,
    stores: &'a Stores,
    key: VerifyingKey,
    clock: Clock,
    /// Ends whatever serves clients.
    front: &'a Shutdown,
    tasks: Shutdown,
    health: &'a Health,
}

impl Roles {
    /// Opens the stores and starts the roles. Whatever serves clients ends with `front`.
    pub(super) async fn start(
        config: &Config,
        address: SocketAddr,
        clock: Clock,
        front: &Shutdown,
        health: &Health,
    ) -> Result<Self, ServeError> {
        let dir = &config.data_dir;
        keys::private_dir(dir).map_err(|source| ServeError::DataDir { path: dir.clone(), source })?;
        // Whether something was lost is known before anything is changed.
        let found = Found::look(config, &clock).await?;
        // One that was killed leaves where it was, and somebody else may listen there by now.
        super::forget_address(dir);
        let keys = Keys::load_or_create(dir, config.secrets_dir.as_deref(), found.head(), &clock)?;
        let stores = found.open(config).await?;
        let tasks = Shutdown::new();
        let key = keys.signer.verifier_key();
        let builder = Builder {
            config,
            stores: &stores,
            key,
            clock: clock.clone(),
            front,
            tasks: tasks.clone(),
            health,
        };
        let realtime = builder.realtime(&keys.app_secret)?;
        let queries = builder.queries();
        let audits = builder.audits();
        let projections = builder.projection().await?;
        let admin_token = keys.admin_token.clone();
        let commands = builder.commands(keys, address).await?;
        Ok(Self { commands, queries, realtime, projections, audits, admin_token, key, clock, stores, tasks })
    }

    /// Serves the log over the EventStoreDB protocol, and answers where.
    pub(super) fn event_store(
        &self,
        config: &Config,
        listener: TcpListener,
        front: &Shutdown,
    ) -> Result<Option<SocketAddr>, ServeError> {
        let Some(log) = self.stores.log.clone() else { return Ok(None) };
        let settings = &config.event_store;
        let files = settings.tls_certificate.as_ref().zip(settings.tls_key.as_ref());
        let deps = nimaora_event_log_server::Deps {
            tls: files.map(|(certificates, key)| Tls::load(certificates, key)).transpose()?,
            bounds: nimaora_event_log_server::ConnectionBounds::default(),
            log,
            verifier: TokenVerifier::new([self.key]),
            clock: self.clock.clone(),
            node_password: NodePassword::new(settings.node_password.expose()),
            advertised_host: settings.advertised_host.clone(),
        };
        Ok(Some(EventStore::start(deps, listener, front)?))
    }

    /// What was last sent to the sockets of this process, if it has any.
    pub(super) fn sent_boards(&self) -> Option<SentBoards> {
        let (realtime, verifier) = (self.realtime.clone()?, TokenVerifier::new([self.key]));
        Some(SentBoards { realtime, verifier, clock: self.clock.clone() })
    }

    /// Hands over what other processes can go on with, while requests still come in.
    pub(super) async fn drain(&self, patience: Duration) {
        if let Some(commands) = &self.commands
            && tokio::time::timeout(patience, commands.drain()).await.is_err()
        {
            tracing::warn!("some battles were not handed over in time");
        }
    }

    /// Ends the roles and closes the stores. Answers whether the roles ended within `patience`.
    pub(super) async fn stop(self, patience: Duration) -> bool {
        let ended = self.tasks.finish(patience).await;
        self.stores.close().await;
        ended
    }
}

impl Builder<'_> {
    fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new([self.key])
    }

    /// What a role that reads stands on, if this process has it.
    fn read(&self, role: Role) -> Option<Read> {
        self.stores.read.clone().filter(|_| self.config.has(role))
    }

    /// The log, if this process has the role.
    fn log(&self, role: Role) -> Option<SharedLog> {
        self.stores.log.clone().filter(|_| self.config.has(role))
    }

    async fn commands(&self, keys: Keys, address: SocketAddr) -> Result<Option<CommandService>, ServeError> {
        let (Some(log), Some(presence)) = (self.log(Role::Command), self.stores.presence.clone()) else {
            return Ok(None);
        };
        let deps = nimaora_command_service::Deps {
            log,
            presence,
            ownership: stores::ownership(self.config, address).await?,
            signer: keys.signer,
            verifier: Arc::new(self.verifier()),
            answer_key: keys.answer_key,
            clock: self.clock.clone(),
        };
        Ok(Some(CommandService::start(deps, self.config.command.clone(), &self.tasks, self.health)))
    }

    async fn projection(&self) -> Result<Option<ProjectionAdmin>, ServeError> {
        let (Some(log), Some(read)) = (self.log(Role::Projection), self.read(Role::Projection)) else {
            return Ok(None);
        };
        let config = self.config.projection.projection(self.clock.clone());
        let (leaderboard, tables) = (Arc::clone(&read.leaderboard), Arc::clone(&read.tables));
        let boards = BoardsBeside { leaderboard, tables };
        let (config_of_rebuilds, tasks) = (config.clone(), self.tasks.clone());
        let rebuilds = Rebuilds::new(Arc::clone(&log), read.rebuildable, boards, config_of_rebuilds, tasks);
        let admin = ProjectionAdmin {
            log: Arc::clone(&log),
            tables: read.tables.clone(),
            verifier: self.verifier(),
            clock: self.clock.clone(),
            rebuilds,
        };
        let deps = nimaora_projection_service::Deps {
            log,
            leaderboard: read.leaderboard,
            read_models: read.tables,
            bus: read.bus,
        };
        match stores::leadership(self.config).await? {
            Some(leadership) => leadership::start(deps, config, leadership, &self.tasks, self.health),
            None => drop(Projection::start(deps, config, &self.tasks, self.health)),
        }
        Ok(Some(admin))
    }

    fn audits(&self) -> Option<AuditAdmin> {
        let (log, read) = (self.log(Role::Projection)?, self.read(Role::Projection)?);
        Some(AuditAdmin::new(
            log,
            read.tables,
            read.leaderboard,
            self.config.clone(),
            self.verifier(),
            self.clock.clone(),
            self.front.clone(),
        ))
    }

    fn queries(&self) -> Option<QueryGateway> {
        let read = self.read(Role::Query)?;
        let deps = nimaora_query_gateway::Deps {
            leaderboard: read.leaderboard,
            read_models: read.tables,
            replica: read.replica,
            bus: read.bus,
            verifier: Arc::new(self.verifier()),
            clock: self.clock.clone(),
        };
        Some(QueryGateway::new(deps, self.config.query.clone(), self.front))
    }

    fn realtime(&self, app_secret: &str) -> Result<Option<Realtime>, ServeError> {
        let Some(read) = self.read(Role::Realtime) else { return Ok(None) };
        let deps = nimaora_realtime::Deps {
            leaderboard: read.leaderboard,
            read_models: read.tables,
            bus: read.bus,
            relay: read.relay,
            presence: self.stores.presence.clone(),
            verifier: self.verifier(),
            clock: self.clock.clone(),
        };
        let mut config = self.config.realtime.clone();
        if config.app_secret == AppSecret::default() {
            config.app_secret = app_secret.to_owned().into();
        }
        Ok(Some(Realtime::new(deps, config, self.front)?))
    }
}
