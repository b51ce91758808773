//! Boards after an exchange of tables at which nobody could compare them: Redis was down, and then the process stopped.

use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::Command;
use nimaora_local_servers::{Redis, scratch};
use nimaora_projection_service::Config;
use nimaora_projection_service::parity::BoardsBeside;
use nimaora_projection_service::rebuild::{Progress, Rebuild};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};
use nimaora_read_models::{BoardLine, Leaderboard, ReadModels, WholeBoard};
use nimaora_runtime::Shutdown;
use tokio::sync::watch;

use crate::support::{Arena, Healed, World, eventually, soon};

/// Puts another board in the place of the battle's, as of the same event: everybody has 77 points.
async fn tamper(server: &Healed, arena: &Arena, ended: bool) {
    let board = server.boards.top(arena.id, 100).await.unwrap();
    let line = |entry: &nimaora_read_models::BoardEntry| BoardLine {
        participant_id: entry.participant_id,
        username: Arc::clone(&entry.username),
        points: 77,
        reached_revision: entry.reached_revision,
    };
    let wrong = WholeBoard {
        battle_id: arena.id,
        lines: board.entries.iter().map(line).collect(),
        revision: arena.last_revision(),
        position: board.as_of,
        ended,
    };
    server.boards.forget(&[arena.id]).await.unwrap();
    server.boards.restore(&wrong).await.unwrap();
}

fn rebuild(world: &World, server: &Healed) -> Rebuild {
    let tables = Arc::clone(&server.tables);
    Rebuild {
        log: Arc::<nimaora_event_log::embedded::EmbeddedLog>::clone(&world.log),
        boards: BoardsBeside {
            leaderboard: Arc::clone(&server.boards),
            tables: Arc::<nimaora_read_models::sqlite::SqliteReadModels>::clone(&tables),
        },
        tables,
        config: Config::new(world.clock.clone(), 3),
        shutdown: Shutdown::new(),
        progress: watch::Sender::new(Progress::default()),
    }
}

#[tokio::test]
async fn redis_that_was_down_at_the_exchange_keeps_no_wrong_board_whatever_process_comes_next() {
    let world = World::new();
    let open = Arena::running(&world.log, 1, 3).await;
    let mut over = Arena::running(&world.log, 2, 3).await;
    over.admin(Command::FinishBattle).await;
    let dir = scratch().unwrap();
    // What it has answered is in its file.
    let kept = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = Redis::start(dir.path(), &kept).await.unwrap();
    let config = RedisConfig { write_timeout: Duration::from_secs(1), ..RedisConfig::new(redis.url()) };
    let connect = || Arc::new(RedisLeaderboard::connect(config.clone()).unwrap()) as Arc<dyn Leaderboard>;
    let server = Healed::start(&world, connect()).await;
    for arena in [&open, &over] {
        server.whole(arena).await;
    }
    tamper(&server, &open, false).await;
    tamper(&server, &over, true).await;
    redis.process.kill().await;
    let rebuilt = soon(rebuild(&world, &server).run(false)).await.unwrap();
    assert_eq!(rebuilt.exchanged_at, Some(over.position));
    server.stop().await;

    redis.start_again().await.unwrap();
    let server = Healed::start(&world, connect()).await;
    server.whole(&open).await;
    eventually(async || server.tables.checkpoints().await.unwrap().exchanged.is_none()).await;
    // The tables answer for a battle that is over.
    eventually(async || server.boards.top(over.id, 1).await.is_err()).await;
    server.stop().await;
}
