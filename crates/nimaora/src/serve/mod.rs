//! A server: every role in one process, behind one port.
//!
//! | module | what it holds |
//! |---|---|
//! | [`start`] | a [`Server`] on a bound listener, for the command line, the demo and tests |
//! | [`run`] | `nimaora serve`: signals, and what is printed |
//! | `roles` | the services of this process, put together |
//! | `stores` | the stores that they stand on, as the settings name them |
//! | `shared_log` | a log that other processes use too, for servers and audits |
//! | `admin` | who may ask what only admins may |
//! | `projections` | what operators ask about the projections |
//! | `sent_boards` | what this process last told its sockets |
//! | `keys` | secrets, and the admin token |
//! | `front` | which service gets a request |
//! | `body` | a request's body that has to arrive in time, and of which only so much is held |
//! | `answer` | answers that have to be taken in time, and of which only so much is held |
//! | `outbox` | what a connection has not been sent yet |
//! | `budget` | how many bytes may be held |
//! | `refusal` | an answer that says to try again later |
//! | `arena` | the page to play and to watch in a browser |
//! | `probes` | health, readiness, metrics; gRPC health and reflection |
//! | `accept` | the loop that takes connections |
//! | `files` | how many files the process may open |
//!
//! This and the audit's `stores` are the only places that name an adapter of a port.

mod accept;
mod admin;
mod answer;
mod arena;
mod body;
mod budget;
mod error;
mod files;
mod front;
mod keys;
mod metrics;
mod outbox;
mod probes;
mod projections;
mod rebuilds;
mod refusal;
mod roles;
pub mod run;
mod sent_boards;
pub(crate) mod shared_log;
mod stores;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nimaora_command_service::CommandService;
use nimaora_query_gateway::QueryGateway;
use nimaora_runtime::{Clock, Health, Shutdown};
use tokio::net::{TcpListener, TcpSocket};

pub(crate) use admin::require_admin;
pub use error::ServeError;
pub(crate) use keys::{admin_token_file, private_dir};
pub(crate) use projections::{of_log, of_tables};
pub(crate) use stores::TABLES_FILE;

use crate::audit::AuditAdmin;
use crate::config::Config;
use accept::Door;
use projections::ProjectionAdmin;
use roles::Roles;
use sent_boards::SentBoards;

/// The folder of the keys that the settings name.
pub(crate) fn secrets_dir(config: &Config) -> PathBuf {
    config.secrets_dir.clone().unwrap_or_else(|| config.data_dir.join(keys::SECRETS_DIR))
}

/// The file in the data folder that says where its server is, for tools on the same machine.
pub(crate) const ADDRESS_FILE: &str = "address";

/// Connections that wait to be accepted, kernel permitting. A crowd that comes back at once is let in from here.
const BACKLOG: u32 = 4_096;
/// The part of the server's health that stands for the port.
const HEALTH_PART: &str = "port";
/// How often the metrics' buffers are emptied.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A running server. It runs until [`Server::stop`].
pub struct Server {
    address: SocketAddr,
    event_store: Option<SocketAddr>,
    event_store_tls: bool,
    data_dir: PathBuf,
    health: Health,
    /// Connections and sockets: they end first, while the roles behind them still answer.
    front: Shutdown,
    roles: Roles,
    drain_timeout: Duration,
}

/// Makes the keys in `secrets` and an admin token in `data_dir`, where they are not there yet, for processes that share them.
///
/// # Errors
/// [`ServeError`]: a secret cannot be made.
pub fn make_keys(data_dir: &Path, secrets: &Path) -> Result<(), ServeError> {
    keys::Keys::load_or_create(data_dir, Some(secrets), 0, &Clock::system()).map(drop)
}

/// Takes the address. Port 0 takes a free one.
///
/// # Errors
/// [`ServeError::Bind`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    bind_for("--listen", address)
}

fn bind_for(flag: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restarted server takes its port back at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| ServeError::Bind { address, flag, source })
}

/// Opens the stores, starts every role and serves on `listener`. It returns before the read models have caught up with the
/// log; [`Server::ready`] waits for that.
///
/// # Errors
/// [`ServeError`]: a store or a secret cannot be opened. Nothing runs then.
pub async fn start(mut config: Config, listener: TcpListener) -> Result<Server, ServeError> {
    let address = listener.local_addr()?;
    // Process ids are no names: in containers they are all the same.
    config.node.name.get_or_insert_with(|| format!("node-{}", uuid::Uuid::new_v4().simple()));
    let metrics = probes::metrics()?;
    let files_max = files::raise_limit();
    config.limits.connections_max = config.limits.connections_max.min(files_max);
    let (front, health) = (Shutdown::new(), Health::default());
    health.register(HEALTH_PART);

    let event_store = config.event_store_listen();
    let event_store = event_store.map(|address| bind_for("--event-store-listen", address)).transpose()?;
    let roles = Roles::start(&config, address, Clock::system(), &front, &health).await;
    let mut roles = roles.map_err(|error| error.on_full_disk(&config.data_dir))?;
    let reporter = probes::Reporter::new();
    let mut pages = probes::routes(health.clone(), metrics.clone());
    if roles.queries.is_some() {
        pages = pages.merge(arena::routes());
    }
    if let Some(realtime) = &roles.realtime {
        pages = pages.merge(realtime.routes());
    }
    let admins = front::ForAdmins {
        projections: roles.projections.take().map(ProjectionAdmin::grpc),
        audits: roles.audits.take().map(AuditAdmin::grpc),
        realtime: roles.sent_boards().map(SentBoards::grpc),
    };
    let services = front::Front::new(
        roles.commands.as_ref().map(CommandService::grpc),
        roles.queries.as_ref().map(QueryGateway::grpc),
        admins,
        pages,
        reporter.grpc()?,
        body::Intake::new(&config.limits),
    );
    let door = Arc::new(Door::new(config.limits.clone(), roles.realtime.clone(), front.clone()));
    front.spawn(reporter.run(health.clone(), front.clone()));
    front.spawn(upkeep(metrics, front.clone()));
    front.spawn(accept::run(listener, door, services));
    let event_store = match event_store {
        Some(listener) => roles.event_store(&config, listener, &front)?,
        None => None,
    };
    if let Err(error) = std::fs::write(config.data_dir.join(ADDRESS_FILE), format!("http://{address}\n")) {
        tracing::warn!(%error, "tools on this machine are not told where this server is");
    }
    health.ready(HEALTH_PART);

    let drain_timeout = Duration::from_millis(config.limits.drain_timeout_ms);
    let event_store_tls = config.event_store.tls_key.is_some();
    let data_dir = config.data_dir;
    Ok(Server { address, event_store, event_store_tls, data_dir, health, front, roles, drain_timeout })
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the page to play and to watch is served there.
    pub fn has_arena(&self) -> bool {
        self.roles.queries.is_some()
    }

    /// Where the log is served over the EventStoreDB protocol, if it is.
    pub fn event_store_address(&self) -> Option<SocketAddr> {
        self.event_store
    }

    /// Whether that port speaks TLS.
    pub fn event_store_tls(&self) -> bool {
        self.event_store_tls
    }

    /// The folder with everything that is kept.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The file with the admin token, mode 0600.
    pub fn admin_token_file(&self) -> PathBuf {
        keys::admin_token_file(&self.data_dir)
    }

    /// The admin token, for whoever runs in this process.
    pub fn admin_token(&self) -> &str {
        &self.roles.admin_token
    }

    /// Waits until every part serves and the read models have caught up with the log.
    pub async fn ready(&self) {
        // The sender lives as long as this server.
        let _ = self.health.watch().wait_for(|ready| *ready).await;
    }

    /// Stops: takes no new connections, finishes requests, tells sockets to connect elsewhere, then ends the roles and closes
    /// the stores. Answers whether everything ended in time.
    pub async fn stop(self) -> bool {
        self.health.not_ready(HEALTH_PART, "the server is stopping");
        self.roles.drain(self.drain_timeout).await;
        let connections = self.front.finish(self.drain_timeout).await;
        forget_address(&self.data_dir);
        let roles = self.roles.stop(self.drain_timeout).await;
        connections && roles
    }
}

/// Tools are not sent to where a server was.
fn forget_address(data_dir: &Path) {
    // It is rarely there. And it may be that of another process that shares the folder; that one is found in other ways.
    let _ = std::fs::remove_file(data_dir.join(ADDRESS_FILE));
}

async fn upkeep(metrics: nimaora_runtime::telemetry::Metrics, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => metrics.upkeep(),
        }
    }
}
