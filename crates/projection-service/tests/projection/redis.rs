//! A real Redis that stops, hangs, is slow, forgets, goes back in time, or holds something else: alerts and tables go on, and the
//! boards come back.

use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::{BattleId, Command};
use nimaora_local_servers::{Redis, scratch};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};
use nimaora_read_models::{Leaderboard, ReadModels};
use tempfile::TempDir;

use crate::support::{Arena, Healed, World, soon};

const PLAYERS: u128 = 12;

struct OnRedis {
    server: Healed,
    redis: Redis,
    _dir: TempDir,
}

async fn start(world: &World) -> OnRedis {
    let dir = scratch().unwrap();
    let redis = Redis::start(dir.path(), &[]).await.unwrap();
    let config = RedisConfig { write_timeout: Duration::from_secs(1), ..RedisConfig::new(redis.url()) };
    let boards = Arc::new(RedisLeaderboard::connect(config).unwrap());
    let server = Healed::start(world, boards as Arc<dyn Leaderboard>).await;
    OnRedis { server, redis, _dir: dir }
}

impl OnRedis {
    /// Some attacks, all of which are told and in the tables, whatever Redis does. Everybody has arrows for three rounds.
    async fn attacks_go_on(&self, arena: &mut Arena) {
        for player in 1..PLAYERS {
            assert!(arena.attack(player, player + 1).await);
            soon(self.server.handle.published(arena.position)).await.unwrap();
            assert_eq!(self.server.bus.attacks().last(), Some(&arena.position));
        }
        assert!(self.server.health.is_ready(), "{:?}", self.server.health.missing());
        assert_eq!(self.server.tables.top(arena.id, 1).await.unwrap().as_of, arena.position);
    }

    async fn by_hand(&self, line: &str) {
        let answer = self.redis.by_hand(line).await.unwrap();
        assert!(!answer.starts_with('-'), "{line}: {answer}");
    }
}

fn keys(battle_id: BattleId) -> [String; 2] {
    ["leaderboard", "participants"].map(|key| format!("battle:{{{battle_id}}}:{key}"))
}

#[tokio::test]
async fn stopped_under_load_it_holds_up_no_alert_and_gets_all_boards_back() {
    let world = World::new();
    let mut busy = Arena::running(&world.log, 1, PLAYERS).await;
    let mut other = Arena::running(&world.log, 2, PLAYERS).await;
    let resting = Arena::running(&world.log, 3, 3).await;
    let mut on = start(&world).await;
    for arena in [&busy, &other, &resting] {
        on.server.whole(arena).await;
    }
    on.redis.process.kill().await;
    on.attacks_go_on(&mut busy).await;
    on.attacks_go_on(&mut other).await;
    let born = Arena::running(&world.log, 4, 3).await;
    on.redis.start_again().await.unwrap();
    on.attacks_go_on(&mut busy).await;
    for arena in [&busy, &other, &resting, &born] {
        on.server.whole(arena).await;
    }
    on.server.stop().await;
}

#[tokio::test]
async fn hanging_it_holds_up_no_alert_and_is_made_to_follow() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, PLAYERS).await;
    let on = start(&world).await;
    on.server.whole(&arena).await;
    on.redis.process.pause();
    on.attacks_go_on(&mut arena).await;
    on.redis.process.resume();
    on.server.whole(&arena).await;
    on.attacks_go_on(&mut arena).await;
    on.server.whole(&arena).await;
    on.server.stop().await;
}

#[tokio::test]
async fn taking_no_writes_it_holds_up_no_alert() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, PLAYERS).await;
    let on = start(&world).await;
    on.server.whole(&arena).await;
    on.by_hand("CLIENT PAUSE 600000 WRITE").await;
    on.attacks_go_on(&mut arena).await;
    on.by_hand("CLIENT UNPAUSE").await;
    on.server.whole(&arena).await;
    on.server.stop().await;
}

#[tokio::test]
async fn slow_it_holds_up_no_alert_and_is_made_to_follow() {
    let world = World::new();
    let mut busy = Arena::running(&world.log, 1, PLAYERS).await;
    let mut other = Arena::running(&world.log, 2, PLAYERS).await;
    let on = start(&world).await;
    on.server.whole(&busy).await;
    // These pauses are the slowness itself; nothing is awaited with them.
    let stutter = async {
        loop {
            on.redis.process.pause();
            tokio::time::sleep(Duration::from_millis(300)).await;
            on.redis.process.resume();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let attacks = async {
        on.attacks_go_on(&mut busy).await;
        on.attacks_go_on(&mut other).await;
        on.attacks_go_on(&mut busy).await;
    };
    tokio::select! {
        () = stutter => {}
        () = attacks => {}
    }
    on.redis.process.resume();
    on.server.whole(&busy).await;
    on.server.whole(&other).await;
    on.server.stop().await;
}

#[tokio::test]
async fn flushed_under_load_it_gets_its_boards_back() {
    let world = World::new();
    let mut busy = Arena::running(&world.log, 1, PLAYERS).await;
    let resting = Arena::running(&world.log, 2, 3).await;
    let on = start(&world).await;
    on.server.whole(&busy).await;
    on.server.whole(&resting).await;
    for _ in 0..2 {
        on.by_hand("FLUSHALL").await;
        on.attacks_go_on(&mut busy).await;
        on.server.whole(&busy).await;
        on.server.whole(&resting).await;
    }
    on.server.stop().await;
}

#[tokio::test]
async fn a_key_that_holds_something_else_is_replaced_and_no_other_is_touched() {
    let world = World::new();
    let mut busy = Arena::running(&world.log, 1, PLAYERS).await;
    let resting = Arena::running(&world.log, 2, 3).await;
    let other = Arena::running(&world.log, 3, 3).await;
    let on = start(&world).await;
    for arena in [&busy, &resting, &other] {
        on.server.whole(arena).await;
    }
    // Whoever puts a board back takes this off.
    for key in keys(other.id) {
        on.by_hand(&format!("EXPIRE {key} 600000")).await;
    }
    for place in 0..2 {
        for arena in [&busy, &resting] {
            on.by_hand(&format!("SET {} x", keys(arena.id)[place])).await;
        }
        on.attacks_go_on(&mut busy).await;
        on.server.whole(&busy).await;
        on.server.whole(&resting).await;
    }
    for key in keys(other.id) {
        assert_ne!(on.redis.by_hand(&format!("TTL {key}")).await.unwrap().trim(), ":-1", "{key}");
    }
    on.server.stop().await;
}

#[tokio::test]
async fn a_battle_that_is_over_and_whose_board_is_of_an_old_dump_gets_its_last_one() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, PLAYERS).await;
    let on = start(&world).await;
    on.server.whole(&arena).await;
    for key in keys(arena.id) {
        on.by_hand(&format!("COPY {key} old:{key}")).await;
    }
    on.attacks_go_on(&mut arena).await;
    arena.admin(Command::FinishBattle).await;
    on.server.whole(&arena).await;
    for key in keys(arena.id) {
        on.by_hand(&format!("COPY old:{key} {key} REPLACE")).await;
    }
    on.server.whole(&arena).await;
    on.server.stop().await;
}

#[tokio::test]
async fn boards_come_back_each_time_it_was_killed_and_restarted_empty() {
    let world = World::new();
    let mut busy = Arena::running(&world.log, 1, 300).await;
    let resting = Arena::running(&world.log, 2, 30).await;
    let mut on = start(&world).await;
    on.server.whole(&busy).await;
    on.server.whole(&resting).await;
    for round in 1..4 {
        on.redis.process.kill().await;
        busy.attack(round, round + 1).await;
        on.redis.start_again().await.unwrap();
        busy.attack(round + 1, round).await;
        on.server.whole(&busy).await;
        on.server.whole(&resting).await;
    }
    on.server.stop().await;
}
