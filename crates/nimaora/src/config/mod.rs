//! Settings of every role in one place: what can be set, and its defaults. [`sources`] says where values come from.

mod problems;
pub mod sources;
pub mod stores;
#[cfg(test)]
mod tests;
mod url;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use nimaora_event_log::embedded::EmbeddedConfig;
use nimaora_event_log::embedded::config::{SEGMENT_BYTES, TAIL_BYTES_MAX};
use nimaora_read_models::memory::BOARDS_MAX;
use nimaora_read_models::sqlite::SqliteConfig;
use nimaora_runtime::Clock;
use nimaora_runtime::telemetry::LogFormat;
use serde::{Deserialize, Serialize};

pub use problems::{ConfigError, Problem};
pub use sources::Sources;
pub use stores::{EventStoreConfig, NodeConfig, Role, StoresConfig};
pub use url::StoreUrl;

/// The settings that hold a secret. They are never printed.
pub const SECRETS: &[&str] = &["realtime.app_secret", "event_store.node_password"];

/// The folder with snapshots of battles in the data folder, unless `command.snapshot_dir` names another one.
pub(crate) const SNAPSHOT_DIR: &str = "snapshots";

/// All settings of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address of the one port. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder with everything that is kept: the log, the tables, snapshots, secrets.
    pub data_dir: PathBuf,
    /// The folder with the keys, which all processes of a cluster have the same of; `secrets` in the data folder when absent.
    pub secrets_dir: Option<PathBuf>,
    /// What this process does: `command`, `projection`, `query`, `realtime`, `event-store`.
    pub roles: Vec<Role>,
    /// How this process is known to the others of its cluster.
    pub node: NodeConfig,
    /// The stores that the roles stand on.
    pub stores: StoresConfig,
    /// The log, served over the EventStoreDB protocol.
    pub event_store: EventStoreConfig,
    /// The embedded event log.
    pub log: LogConfig,
    /// The stores that queries are answered from.
    pub read_models: ReadModelsConfig,
    /// Taking commands.
    pub command: nimaora_command_service::Config,
    /// From the log to the read models.
    pub projection: ProjectionConfig,
    /// Answering queries.
    pub query: nimaora_query_gateway::Config,
    /// Sockets.
    pub realtime: nimaora_realtime::Config,
    /// What one port bears.
    pub limits: Limits,
    /// Logs.
    pub telemetry: Telemetry,
}

/// Settings of the embedded event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Where a file of the log ends and the next one begins, in bytes.
    pub segment_bytes: u32,
    /// How many bytes of the newest events stay in memory for those who read at the head; older ones are read from disk.
    pub tail_bytes_max: usize,
}

/// Settings of the stores that queries are answered from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadModelsConfig {
    /// Boards that are held in memory. When it is reached, ended battles are let go and answered from the tables.
    pub boards_max: usize,
    /// Queries of the tables at a time. The next one waits for `acquire_timeout_ms`.
    pub readers_max: u32,
    /// How long a query waits for its turn, in milliseconds. Then it is answered `UNAVAILABLE`.
    pub acquire_timeout_ms: u64,
}

/// Settings of the projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectionConfig {
    /// The most events in one transaction. What is more waits for the next one.
    pub batch_events_max: usize,
    /// How long one write or read of a store may take, in milliseconds. Then it is tried again.
    pub store_timeout_ms: u64,
    /// How long publishing a batch may take, in milliseconds. Then it is tried again.
    pub publish_timeout_ms: u64,
    /// The longest wait before a retry, in milliseconds.
    pub retry_max_ms: u64,
}

/// What one port bears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at a time, sockets included; fewer where the process may not open as many files. When it is reached, a new
    /// connection is closed at once.
    pub connections_max: usize,
    /// How long a client may take to send the head of a request, in milliseconds. Then its connection is closed.
    pub header_read_timeout_ms: u64,
    /// How long a client may take to send the body of a request, in milliseconds. Then it is answered with status 408 over HTTP and
    /// gRPC-web, and an HTTP/1.1 connection is closed; over gRPC, with `DEADLINE_EXCEEDED`.
    pub body_read_timeout_ms: u64,
    /// What may have arrived, in bytes, of all bodies whose rest is waited for; bodies of up to 4 KiB may take as much again. When it is
    /// reached, a body that is not there as a whole is refused: with `RESOURCE_EXHAUSTED` over gRPC and gRPC-web, else with status 503.
    pub unfinished_body_bytes_max: usize,
    /// How long a client may take to read an answer, or a piece of a stream, in milliseconds. Then its connection is closed, at the latest
    /// after half as long again. It does not concern streams on which nothing happens, nor sockets.
    pub answer_write_timeout_ms: u64,
    /// Bytes of answers to all clients that may be unsent, those of up to 4 KiB apart. When it is reached, a larger answer is replaced:
    /// with `RESOURCE_EXHAUSTED` over gRPC and gRPC-web, else with status 503; a stream ends.
    pub unsent_answer_bytes_max: usize,
    /// The same for each connection.
    pub unsent_answer_bytes_per_connection_max: usize,
    /// The largest head of a request, in bytes. A larger one is refused.
    pub header_bytes_max: u32,
    /// Requests at a time on one HTTP/2 connection. When it is reached, the client keeps further ones back.
    pub requests_per_connection_max: u32,
    /// Bytes of one request that may be on their way unread.
    pub stream_window_bytes: u32,
    /// Bytes of all requests of one HTTP/2 connection that may be on their way unread.
    pub connection_window_bytes: u32,
    /// After how much silence a HTTP/2 client is pinged, in milliseconds.
    pub keep_alive_interval_ms: u64,
    /// How long a pinged client may take to answer, in milliseconds. Then its connection is closed.
    pub keep_alive_timeout_ms: u64,
    /// How long a stopping server waits for requests and sockets to end, in milliseconds. Then they are cut off.
    pub drain_timeout_ms: u64,
}

/// Settings of logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// What is logged, as `info` or `info,nimaora_event_log=debug`.
    pub log_filter: String,
    /// How lines look: `text` or `json`.
    pub log_format: LogFormat,
}

/// The protocol's own port.
const EVENT_STORE_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2113);
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: LISTEN,
            data_dir: PathBuf::from("./data"),
            secrets_dir: None,
            roles: Role::ALL.to_vec(),
            node: NodeConfig::default(),
            stores: StoresConfig::default(),
            event_store: EventStoreConfig::default(),
            log: LogConfig::default(),
            read_models: ReadModelsConfig::default(),
            command: nimaora_command_service::Config::default(),
            projection: ProjectionConfig::default(),
            query: nimaora_query_gateway::Config::default(),
            realtime: nimaora_realtime::Config::default(),
            limits: Limits::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, tail_bytes_max: TAIL_BYTES_MAX }
    }
}

impl Default for ReadModelsConfig {
    fn default() -> Self {
        Self { boards_max: BOARDS_MAX, readers_max: 4, acquire_timeout_ms: 2_000 }
    }
}

impl Default for ProjectionConfig {
    fn default() -> Self {
        Self {
            batch_events_max: 16_384,
            store_timeout_ms: 30_000,
            publish_timeout_ms: 10_000,
            retry_max_ms: 5_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 25_000,
            header_read_timeout_ms: 10_000,
            body_read_timeout_ms: 10_000,
            unfinished_body_bytes_max: 64 * 1024 * 1024,
            answer_write_timeout_ms: 20_000,
            unsent_answer_bytes_max: 128 * 1024 * 1024,
            unsent_answer_bytes_per_connection_max: 16 * 1024 * 1024,
            header_bytes_max: 16 * 1024,
            requests_per_connection_max: 2_048,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 4 * 1024 * 1024,
            keep_alive_interval_ms: 30_000,
            keep_alive_timeout_ms: 20_000,
            drain_timeout_ms: 15_000,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log_filter: "info".to_owned(), log_format: LogFormat::Text }
    }
}

impl LogConfig {
    pub(crate) fn embedded(&self, clock: Clock) -> EmbeddedConfig {
        let mut config = EmbeddedConfig::new(clock);
        config.segment_bytes = self.segment_bytes;
        config.tail_bytes_max = self.tail_bytes_max;
        config
    }
}

impl ReadModelsConfig {
    pub(crate) fn sqlite(&self) -> SqliteConfig {
        SqliteConfig {
            readers_max: self.readers_max,
            acquire_timeout: Duration::from_millis(self.acquire_timeout_ms),
            ..SqliteConfig::default()
        }
    }
}

impl ProjectionConfig {
    pub(crate) fn projection(&self, clock: Clock) -> nimaora_projection_service::Config {
        nimaora_projection_service::Config {
            batch_events_max: self.batch_events_max,
            store_timeout: Duration::from_millis(self.store_timeout_ms),
            publish_timeout: Duration::from_millis(self.publish_timeout_ms),
            retry_max: Duration::from_millis(self.retry_max_ms),
            ..nimaora_projection_service::Config::new(clock, fastrand::u64(..))
        }
    }
}

impl Config {
    /// Whether this process has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Where the log is served over the EventStoreDB protocol, if this process does that.
    pub fn event_store_listen(&self) -> Option<SocketAddr> {
        let by_role = self.has(Role::EventStore).then_some(EVENT_STORE_LISTEN);
        self.event_store.listen.or(by_role)
    }

    /// The settings as TOML, with `<hidden>` for each secret.
    ///
    /// # Errors
    /// A number is larger than TOML can say.
    pub fn to_toml_without_secrets(&self) -> Result<String, toml::ser::Error> {
        let mut table = toml::Table::try_from(self)?;
        for secret in SECRETS {
            sources::set(&mut table, secret, toml::Value::String(problems::HIDDEN.to_owned()));
        }
        toml::to_string(&table)
    }
}
