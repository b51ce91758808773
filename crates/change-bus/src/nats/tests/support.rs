//! A bus with the server it needs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nimaora_domain::BattleId;
use nimaora_local_servers::{Nats, NatsOptions, Program, scratch};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::bus::{BusError, BusMessage, ChangeBus, Changes};
use crate::change::{Change, ChangeBatch};
use crate::lane::Lane;
use crate::nats::{NatsBus, NatsBusConfig};
use crate::relay::{Relay, Relayed};

/// A bus and its server.
pub(super) struct Served {
    pub(super) bus: NatsBus,
    pub(super) server: Nats,
    _dir: tempfile::TempDir,
}

pub(super) fn options(program: Program) -> NatsOptions {
    NatsOptions { program, sync_always: program == Program::Nats }
}

pub(super) async fn served(program: Program) -> Served {
    let dir = scratch().unwrap();
    let server = Nats::start(dir.path(), options(program)).await.unwrap();
    let bus = connect(&server.url()).await;
    Served { bus, server, _dir: dir }
}

pub(super) async fn connect(url: &str) -> NatsBus {
    NatsBus::connect(&NatsBusConfig::new(url)).await.unwrap()
}

#[async_trait]
impl ChangeBus for Served {
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        self.bus.publish(batches).await
    }

    async fn follow(&self, battle_id: BattleId, lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        self.bus.follow(battle_id, lanes).await
    }
}

#[async_trait]
impl Relay for Served {
    async fn send(&self, message: Bytes) -> Result<(), BusError> {
        self.bus.send(message).await
    }

    fn connection(&self) -> u64 {
        self.bus.connection()
    }

    async fn confirm(&self, connection: u64) -> Result<(), BusError> {
        self.bus.confirm(connection).await
    }

    async fn flush(&self) -> Result<(), BusError> {
        self.bus.flush().await
    }

    async fn listen(&self) -> Result<Box<dyn Relayed>, BusError> {
        self.bus.listen().await
    }
}

/// Long enough for any healthy bus; a test that waits this long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// A publisher's pause before it tries again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("nothing happened for too long")
}

pub(super) fn batch(battle_id: BattleId, position: u64) -> ChangeBatch {
    ChangeBatch { battle_id, lane: Lane::Attacks, position, changes: vec![Change::Applied { board: true }] }
}

/// What the read models hold: all up to this position was written before it was published.
#[derive(Clone)]
pub(super) struct Tables(Arc<watch::Sender<u64>>);

impl Tables {
    pub(super) fn position(&self) -> u64 {
        *self.0.borrow()
    }

    /// Waits until so many more positions were published.
    pub(super) async fn grow_by(&self, more: u64) {
        let until = self.position() + more;
        soon(self.0.subscribe().wait_for(|position| *position >= until)).await.unwrap();
    }
}

/// Publishes one position after another as the projection does, until it is stopped.
pub(super) struct Projection {
    pub(super) tables: Tables,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Projection {
    pub(super) fn start(bus: NatsBus, battle_id: BattleId) -> Self {
        Self::start_large(bus, battle_id, 0)
    }

    /// The same with so many bytes in each batch.
    pub(super) fn start_large(bus: NatsBus, battle_id: BattleId, bytes: usize) -> Self {
        let tables = Tables(Arc::new(watch::Sender::new(0)));
        let (stop, stopped) = watch::channel(false);
        let written = tables.clone();
        let running = tokio::spawn(async move {
            while !*stopped.borrow() {
                let position = written.position() + 1;
                written.0.send_replace(position);
                let cancelled = Change::BattleCancelled { position, reason: "x".repeat(bytes) };
                let batch = ChangeBatch { changes: vec![cancelled], ..batch(battle_id, position) };
                while bus.publish(vec![batch.clone()]).await.is_err() {
                    sleep(RETRY_PAUSE).await;
                }
            }
        });
        Self { tables, stop, running }
    }

    /// Stops it; answers with the last position, which the bus has taken. The bus lives on.
    pub(super) async fn stop(self) -> u64 {
        self.stop.send_replace(true);
        soon(self.running).await.unwrap();
        self.tables.position()
    }
}

/// A follower that reads the tables when it is told that it lagged, and that fails when a loss is not told.
pub(super) struct Reader {
    changes: Box<dyn Changes>,
    tables: Tables,
    pub(super) known: u64,
}

impl Reader {
    pub(super) async fn follow(bus: &NatsBus, battle_id: BattleId, tables: &Tables) -> Self {
        let changes = bus.follow(battle_id, &[Lane::Attacks]).await.unwrap();
        // Read after it follows, so that nothing can come between.
        Self { changes, tables: tables.clone(), known: tables.position() }
    }

    /// Whether the message said that something was lost.
    pub(super) async fn next(&mut self) -> bool {
        match soon(self.changes.next()).await.unwrap() {
            BusMessage::Changes(batch) => {
                assert!(batch.position <= self.known + 1, "{} came after {}", batch.position, self.known);
                self.known = self.known.max(batch.position);
                false
            }
            BusMessage::Lagged { .. } => {
                self.known = self.known.max(self.tables.position());
                true
            }
        }
    }

    pub(super) async fn until_told_of_a_loss(&mut self) {
        while !self.next().await {}
    }

    pub(super) async fn until_known(&mut self, position: u64) {
        while self.known < position {
            self.next().await;
        }
    }
}
