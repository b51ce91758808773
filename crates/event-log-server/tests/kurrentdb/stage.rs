//! A server with a log of its own, and what is done with a log over and over.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::kurrentdb::{KurrentDbConfig, KurrentDbLog};
use nimaora_event_log::{Append, AppendError, Appended, Direction, EventLog, Expected, NewEvent, ReadError};
use nimaora_event_log_server::{ConnectionBounds, Deps, EventStore, NodePassword, Tls};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::{TokenSigner, TokenVerifier};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Longer than anything here takes, also on a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PASSWORD: &str = "between-nodes-only";

/// A server with a log of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<EmbeddedLog>,
    shutdown: Shutdown,
}

impl Server {
    pub(crate) async fn start(dir: &Path, address: SocketAddr) -> Self {
        Self::start_with(dir, address, None).await
    }

    pub(crate) async fn start_with(dir: &Path, address: SocketAddr, tls: Option<Tls>) -> Self {
        let clock = Clock::system();
        let log = EmbeddedLog::open(dir, EmbeddedConfig::new(clock.clone())).unwrap();
        let deps = Deps {
            log: log.clone(),
            verifier: TokenVerifier::new([TokenSigner::from_seed([7; 32]).verifier_key()]),
            node_password: NodePassword::new(PASSWORD),
            clock,
            advertised_host: None,
            tls,
            bounds: ConnectionBounds::default(),
        };
        let listener = TcpListener::bind(address).await.unwrap();
        let shutdown = Shutdown::new();
        let address = EventStore::start(deps, listener, &shutdown).unwrap();
        Self { address, log, shutdown }
    }

    /// Stops it. Another one may take its place.
    pub(crate) async fn stop(self) {
        assert!(self.shutdown.finish(PATIENCE).await);
        self.log.close().await;
    }

    pub(crate) fn config(&self) -> KurrentDbConfig {
        config(&format!("kurrentdb://node:{PASSWORD}@{}?tls=false", self.address))
    }

    /// The ids of a stream, past the protocol.
    pub(crate) async fn ids(&self, stream: &str) -> Vec<Uuid> {
        let events = self.log.read_stream(stream, 0, Direction::Forwards, usize::MAX).await.unwrap();
        events.iter().map(|event| event.id).collect()
    }
}

/// Answers soon, so that a test of an outage is short.
pub(crate) fn config(url: &str) -> KurrentDbConfig {
    KurrentDbConfig { append_timeout_ms: 3_000, read_timeout_ms: 5_000, ..KurrentDbConfig::new(url) }
}

pub(crate) fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) fn append(stream: &str, expected: Expected, count: usize) -> Append {
    let event = || NewEvent {
        id: Uuid::new_v4(),
        event_type: "Happened".into(),
        data: Bytes::from_static(b"{}"),
        metadata: Bytes::new(),
    };
    Append { stream: stream.into(), expected, events: (0..count).map(|_| event()).collect() }
}

/// Repeats an append unchanged for as long as the log says that this may help.
pub(crate) async fn persist(log: &KurrentDbLog, append: &Append) -> Appended {
    let persisting = async {
        loop {
            match log.append(append.clone()).await {
                Ok(appended) => return appended,
                Err(AppendError::Unavailable { .. } | AppendError::UnknownOutcome { .. }) => {}
                Err(refused) => panic!("{refused}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, persisting).await.unwrap()
}

/// The ids of a stream, asked for until the log can be read.
pub(crate) async fn ids_of(log: &KurrentDbLog, stream: &str) -> Vec<Uuid> {
    let reading = async {
        loop {
            match log.read_stream(stream, 0, Direction::Forwards, usize::MAX).await {
                Ok(events) => return events.iter().map(|event| event.id).collect(),
                Err(ReadError::Unavailable { .. }) => {}
                Err(refused) => panic!("{refused}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap()
}
