//! A projection that can be stopped, killed and started again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nimaora_event_log::EventLog;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_projection_service::{Config, Deps, Handle, Projection};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_runtime::{Clock, Health, Shutdown};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{RecordingBus, soon};

/// A folder with a log in it.
pub struct World {
    home: TempDir,
    pub log: Arc<EmbeddedLog>,
    pub clock: Clock,
}

/// A running projection, on a runtime of its own so that it can be killed.
pub struct Server {
    runtime: Option<Runtime>,
    pub shutdown: Shutdown,
    pub health: Health,
    pub handle: Handle,
    pub tables: Arc<SqliteReadModels>,
    pub leaderboard: Arc<MemoryLeaderboard>,
    pub bus: Arc<RecordingBus>,
}

impl World {
    /// A new folder.
    pub fn new() -> Self {
        let (home, clock) = (tempfile::tempdir().unwrap(), Clock::manual(1_795_484_900_000));
        let log = EmbeddedLog::open(home.path(), EmbeddedConfig::new(clock.clone())).unwrap();
        Self { home, log, clock }
    }

    /// The file of the tables with this name.
    pub fn tables_file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The end of the log.
    pub async fn head(&self) -> u64 {
        self.log.status().await.unwrap().head
    }

    /// A projection on the usual tables, with a bus that takes everything.
    pub async fn start(&self) -> Server {
        let server = self.start_with("read-models.db", RecordingBus::default(), |_| {}).await;
        server.begin().await
    }

    /// A projection that does not wait for tables which somebody else has locked.
    pub async fn start_impatient(&self) -> Server {
        let stores = SqliteConfig { busy_timeout: Duration::from_millis(1), ..SqliteConfig::default() };
        self.start_on("read-models.db", RecordingBus::default(), |_| {}, stores).await.begin().await
    }

    /// A projection on tables of this name.
    pub async fn start_with(
        &self,
        tables: &str,
        bus: RecordingBus,
        configure: impl FnOnce(&mut Config),
    ) -> Server {
        self.start_on(tables, bus, configure, SqliteConfig::default()).await
    }

    async fn start_on(
        &self,
        tables: &str,
        bus: RecordingBus,
        configure: impl FnOnce(&mut Config),
        stores: SqliteConfig,
    ) -> Server {
        let mut config = Config::new(self.clock.clone(), 1);
        config.retry_first = Duration::from_millis(1);
        config.retry_max = Duration::from_millis(5);
        configure(&mut config);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (file, log, bus) = (self.tables_file(tables), Arc::clone(&self.log), Arc::new(bus));
        let started = runtime.spawn(async move {
            let tables = Arc::new(SqliteReadModels::open(&file, stores).await.unwrap());
            let leaderboard = Arc::new(MemoryLeaderboard::default());
            let deps = Deps {
                log,
                leaderboard: Arc::<MemoryLeaderboard>::clone(&leaderboard),
                read_models: Arc::<SqliteReadModels>::clone(&tables),
                bus: Arc::<RecordingBus>::clone(&bus),
            };
            let (shutdown, health) = (Shutdown::new(), Health::default());
            let handle = Projection::start(deps, config, &shutdown, &health);
            (shutdown, health, handle, tables, leaderboard, bus)
        });
        let (shutdown, health, handle, tables, leaderboard, bus) = started.await.unwrap();
        Server { runtime: Some(runtime), shutdown, health, handle, tables, leaderboard, bus }
    }
}

impl Server {
    /// Waits until it has caught up or stopped: on new tables, only what comes after that is told.
    async fn begin(self) -> Self {
        let _ = soon(self.handle.caught_up()).await;
        self
    }

    /// Waits until all of the log is applied and published.
    pub async fn done(&self, world: &World) {
        let head = world.head().await;
        soon(self.handle.applied(head)).await.unwrap();
        soon(self.handle.published(head)).await.unwrap();
        soon(self.handle.caught_up()).await.unwrap();
    }

    /// Stops it in good order.
    pub async fn stop(&self) {
        assert!(self.shutdown.finish(Duration::from_secs(60)).await);
        self.tables.close().await;
    }

    /// Kills it where it stands.
    pub fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
