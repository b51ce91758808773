//! A projection on a leaderboard that can lose things.

use std::sync::Arc;
use std::time::Duration;

use nimaora_event_log::EventLog;
use nimaora_projection_service::{Config, Deps, Handle, Projection};
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_read_models::{Leaderboard, ReadModels};
use nimaora_runtime::{Health, Shutdown};

use super::{Arena, RecordingBus, World, eventually, soon};

/// A projection with the leaderboard of the test.
pub struct Healed {
    pub boards: Arc<dyn Leaderboard>,
    pub tables: Arc<SqliteReadModels>,
    pub bus: Arc<RecordingBus>,
    pub handle: Handle,
    pub health: Health,
    shutdown: Shutdown,
}

impl Healed {
    /// Starts it.
    pub async fn start(world: &World, boards: Arc<dyn Leaderboard>) -> Self {
        let file = world.tables_file("read-models.db");
        let tables = Arc::new(SqliteReadModels::open(&file, SqliteConfig::default()).await.unwrap());
        let bus = Arc::new(RecordingBus::default());
        let deps = Deps {
            log: Arc::clone(&world.log) as Arc<dyn EventLog>,
            leaderboard: Arc::clone(&boards),
            read_models: Arc::clone(&tables) as Arc<dyn ReadModels>,
            bus: Arc::<RecordingBus>::clone(&bus),
        };
        let (shutdown, health) = (Shutdown::new(), Health::default());
        let config = Config {
            ended_sweep_interval: Duration::from_secs(1),
            boards_noted_patience: Duration::from_secs(1),
            ..Config::new(world.clock.clone(), 1)
        };
        let handle = Projection::start(deps, config, &shutdown, &health);
        Self { boards, tables, bus, handle, health, shutdown }
    }

    /// Waits until the board of the battle is what the tables say.
    pub async fn whole(&self, arena: &Arena) {
        soon(self.handle.applied(arena.position)).await.unwrap();
        eventually(async || {
            let (ours, theirs) =
                (self.boards.top(arena.id, 1_000).await, self.tables.top(arena.id, 1_000).await.unwrap());
            ours.is_ok_and(|ours| ours == theirs && ours.as_of == arena.position)
        })
        .await;
    }

    /// Stops it in good order.
    pub async fn stop(self) {
        assert!(self.shutdown.finish(Duration::from_secs(60)).await);
        self.tables.close().await;
    }
}
