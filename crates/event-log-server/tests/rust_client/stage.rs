//! A server on a free port over a log of its own, and its clients.

use std::any::Any;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kurrentdb::{Client, EventData};
use nimaora_domain::Timestamp;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::jetstream::{JetStreamConfig, JetStreamLog};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Append, Expected, NewEvent};
use nimaora_event_log_server::{ConnectionBounds, Deps, EventStore};
use nimaora_local_servers::{Nats, NatsOptions, scratch};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::{Claims, Role, TokenSigner, TokenVerifier};
use tokio::net::TcpListener;
use tokio::time::timeout;
use uuid::Uuid;

/// Longer than anything here takes, also on a machine under load.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A server on a free port.
pub struct Stage {
    pub address: SocketAddr,
    pub log: SharedLog,
    pub token: String,
    pub clock: Clock,
    pub shutdown: Shutdown,
    /// What the log stands on; ends with the stage.
    _ground: Ground,
}

/// What a log stands on.
type Ground = Box<dyn Any + Send + Sync>;

impl Stage {
    pub async fn new() -> Self {
        Self::with_bounds(ConnectionBounds::default()).await
    }

    pub async fn with_bounds(bounds: ConnectionBounds) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let log = Self::embedded(dir.path(), &clock);
        Self::over(log, clock, Box::new(dir), bounds).await
    }

    /// With a clock that stands still.
    pub async fn with_manual_clock() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(1_700_000_000_000);
        let log = Self::embedded(dir.path(), &clock);
        Self::over(log, clock, Box::new(dir), ConnectionBounds::default()).await
    }

    /// Over a log in JetStream, of a server of its own.
    pub async fn on_jetstream() -> Self {
        let dir = scratch().unwrap();
        let nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
        let clock = Clock::system();
        let log = JetStreamLog::connect(JetStreamConfig::new(&nats.url(), clock.clone())).await.unwrap();
        Self::over(log, clock, Box::new((nats, dir)), ConnectionBounds::default()).await
    }

    /// Another server of the same log.
    pub async fn another(&self) -> Self {
        Self::over(Arc::clone(&self.log), self.clock.clone(), Box::new(()), ConnectionBounds::default()).await
    }

    fn embedded(dir: &Path, clock: &Clock) -> SharedLog {
        EmbeddedLog::open(dir, EmbeddedConfig::new(clock.clone())).unwrap()
    }

    async fn over(log: SharedLog, clock: Clock, ground: Ground, bounds: ConnectionBounds) -> Self {
        let signer = TokenSigner::from_seed([7; 32]);
        let expires_at = Timestamp::from_millis(clock.now_ms() + 3_600_000);
        let token = signer.issue(&Claims { role: Role::Admin, expires_at });
        let verifier = TokenVerifier::new([signer.verifier_key()]);
        let deps = Deps {
            log: Arc::clone(&log),
            verifier,
            node_password: None,
            clock: clock.clone(),
            advertised_host: None,
            tls: None,
            bounds,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = Shutdown::new();
        let address = EventStore::start(deps, listener, &shutdown).unwrap();
        Self { address, log, token, clock, shutdown, _ground: ground }
    }

    pub fn client(&self) -> Client {
        self.client_of(&format!("admin:{}@", self.token))
    }

    pub fn client_of(&self, who: &str) -> Client {
        let url = format!("kurrentdb://{who}{}?tls=false", self.address);
        Client::new(url.parse().unwrap()).unwrap()
    }

    /// Appends as the game does: past this server.
    pub async fn play(&self, stream: &str, event_type: &str, count: usize) {
        let event = |n| NewEvent {
            id: Uuid::new_v4(),
            event_type: event_type.into(),
            data: Bytes::from(format!(r#"{{"n":{n}}}"#)),
            metadata: Bytes::from_static(br#"{"hash":"00"}"#),
        };
        let events = (0..count).map(event).collect();
        self.log.append(Append { stream: stream.into(), expected: Expected::Any, events }).await.unwrap();
    }
}

/// Waits for what must come.
pub async fn soon<T>(awaited: impl Future<Output = T>) -> T {
    timeout(PATIENCE, awaited).await.unwrap()
}

/// An event like any other.
pub fn note(n: u32) -> EventData {
    EventData::json("Noted", &serde_json::json!({ "n": n })).unwrap()
}
