//! Boards that the leaderboard lost are made anew from the log.

use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::Command;
use nimaora_event_log::EventLog;
use nimaora_local_servers::{Redis, scratch};
use nimaora_projection_service::{Config, Deps, Handle, Projection};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_read_models::{Leaderboard, ReadModels};
use nimaora_runtime::{Health, Shutdown};

use crate::support::{Arena, Forgetful, RecordingBus, World, eventually, soon};

struct Healed {
    boards: Arc<dyn Leaderboard>,
    forgetful: Arc<Forgetful>,
    tables: Arc<SqliteReadModels>,
    bus: Arc<RecordingBus>,
    handle: Handle,
    shutdown: Shutdown,
}

/// A projection whose leaderboard outlives the process and loses things.
async fn start(world: &World) -> Healed {
    let forgetful = Arc::new(Forgetful::default());
    start_on(world, Arc::clone(&forgetful) as Arc<dyn Leaderboard>, forgetful).await
}

async fn start_on(world: &World, boards: Arc<dyn Leaderboard>, forgetful: Arc<Forgetful>) -> Healed {
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
    let handle = Projection::start(deps, Config::new(world.clock.clone(), 1), &shutdown, &health);
    Healed { boards, forgetful, tables, bus, handle, shutdown }
}

impl Healed {
    /// Waits until the board of the battle is what the tables say.
    async fn whole(&self, arena: &Arena) {
        soon(self.handle.applied(arena.position)).await.unwrap();
        eventually(async || {
            let (ours, theirs) =
                (self.boards.top(arena.id, 1_000).await, self.tables.top(arena.id, 1_000).await.unwrap());
            ours.is_ok_and(|ours| ours == theirs && ours.as_of == arena.position)
        })
        .await;
    }

    async fn stop(self) {
        assert!(self.shutdown.finish(Duration::from_secs(60)).await);
        self.tables.close().await;
    }
}

#[tokio::test]
async fn a_battle_that_goes_on_gets_its_board_back() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, 3_000).await;
    let mut other = Arena::running(&world.log, 2, 3).await;
    let server = start(&world).await;
    server.whole(&arena).await;
    server.whole(&other).await;
    server.forgetful.forget(&[arena.id]);
    for player in 1..=20 {
        arena.attack(player, player + 1).await;
    }
    arena.admin(Command::RemoveParticipant { participant_id: arena.who(7), reason: String::new() }).await;
    other.attack(1, 2).await;
    server.whole(&other).await;
    server.whole(&arena).await;
    server.stop().await;
}

#[tokio::test]
async fn a_battle_that_rests_gets_its_board_back_and_nobody_is_told() {
    let world = World::new();
    let arenas = [Arena::create(&world.log, 1).await, Arena::running(&world.log, 2, 30).await];
    let server = start(&world).await;
    for arena in &arenas {
        server.whole(arena).await;
    }
    soon(server.handle.published(world.head().await)).await.unwrap();
    let told = server.bus.batches().len();
    server.forgetful.forget(&[arenas[0].id, arenas[1].id]);
    for arena in &arenas {
        server.whole(arena).await;
    }
    assert_eq!(server.bus.batches().len(), told);
    server.stop().await;
}

#[tokio::test]
async fn a_leaderboard_that_was_lost_with_the_process_gets_the_open_battles_back_without_a_replay() {
    let world = World::new();
    let mut over = Arena::running(&world.log, 1, 3).await;
    over.admin(Command::FinishBattle).await;
    let arena = Arena::running(&world.log, 2, 30).await;
    let server = start(&world).await;
    server.whole(&arena).await;
    server.whole(&over).await;
    server.stop().await;
    let server = start(&world).await;
    server.whole(&arena).await;
    assert!(server.boards.top(over.id, 1).await.is_err());
    server.stop().await;
}

#[tokio::test]
async fn a_parked_event_is_not_on_a_board_that_was_made_anew() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, 3).await;
    let twice = nimaora_domain::event::ParticipantJoined {
        participant_id: arena.who(9),
        username: nimaora_domain::Username::new("player 1").unwrap(),
        session_id: arena.session(),
        balance: nimaora_domain::Balance { points: 99, shields: 0, arrows: 0 },
    };
    arena.append_unruly(nimaora_domain::Event::ParticipantJoined(twice)).await;
    let server = start(&world).await;
    server.whole(&arena).await;
    assert_eq!(server.handle.status().parked, 1);
    server.forgetful.forget(&[arena.id]);
    server.whole(&arena).await;
    assert_eq!(server.boards.top(arena.id, 10).await.unwrap().total, 3);
    server.stop().await;
}

#[tokio::test]
async fn boards_in_redis_come_back_after_it_was_killed_and_restarted_empty() {
    let world = World::new();
    let dir = scratch().unwrap();
    let mut redis = Redis::start(dir.path(), &[]).await.unwrap();
    let boards = RedisLeaderboard::connect(RedisConfig::new(redis.url())).unwrap();
    let mut busy = Arena::running(&world.log, 1, 300).await;
    let resting = Arena::running(&world.log, 2, 30).await;
    let server = start_on(&world, Arc::new(boards), Arc::default()).await;
    server.whole(&busy).await;
    server.whole(&resting).await;
    for round in 1..4 {
        redis.process.kill().await;
        busy.attack(round, round + 1).await;
        redis.start_again().await.unwrap();
        busy.attack(round + 1, round).await;
        server.whole(&busy).await;
        server.whole(&resting).await;
    }
    server.stop().await;
}
