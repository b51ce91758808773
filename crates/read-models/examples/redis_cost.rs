//! What batches and reads cost on a Redis of this machine: `cargo run --release -p nimaora-read-models --example redis_cost`. Once with
//! all changes in one battle, once with as many in twenty; at the end, how long the server was blocked by one script at most.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::time::Instant;

use nimaora_local_servers::{Redis, scratch};
use nimaora_read_models::contract::battle;
use nimaora_read_models::contract::leaderboard::{batch, joined, scored, whole};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};
use nimaora_read_models::{Applied, BATCH_CHANGES_MAX, BoardBatch, Leaderboard, WholeBoard};

#[tokio::main]
async fn main() {
    const PLAYERS: u32 = 20_000;
    const CHANGES: u32 = 5_000;
    let dir = scratch().unwrap();
    let server = Redis::start(dir.path(), &[]).await.unwrap();
    let boards = RedisLeaderboard::connect(RedisConfig::new(server.url())).unwrap();
    note_scripts(&server).await;
    for battles in [1_u32, 20] {
        for n in 0..battles {
            let board = WholeBoard { battle_id: battle(n.into()), ..whole(PLAYERS / battles, 50_000) };
            boards.restore(&board).await.unwrap();
        }
        let mut revision = 50_000_u64;
        let began = Instant::now();
        for _ in 0..20 {
            // A quarter of a second at 20,000 changes a second, split as the projection does.
            let mut batches = Vec::new();
            let first = revision + 1;
            revision += u64::from(CHANGES / battles);
            for n in 0..battles {
                for from in (first..=revision).step_by(BATCH_CHANGES_MAX) {
                    let last_revision = revision.min(from + BATCH_CHANGES_MAX as u64 - 1);
                    let changes = (from..=last_revision).map(|at| {
                        let who = at % u64::from(PLAYERS / battles) + 1;
                        scored(who.into(), (at % 900) as u32, at)
                    });
                    batches.push(BoardBatch {
                        battle_id: battle(n.into()),
                        changes: changes.collect(),
                        first_revision: from,
                        last_revision,
                        position: last_revision + 1,
                        ended: false,
                    });
                }
            }
            assert_eq!(boards.apply(&batches, 0).await.unwrap(), Applied::default());
        }
        println!("{battles} battles: {:?} for each batch of {CHANGES} changes", began.elapsed() / 20);
        let began = Instant::now();
        for _ in 0..1_000 {
            assert_eq!(boards.top(battle(0), 100).await.unwrap().entries.len(), 100);
        }
        println!("{battles} battles: {:?} for each top 100, one after another", began.elapsed() / 1_000);
        println!("{battles} battles: the longest script took {} µs", longest_script_us(&server).await);
    }
    // The largest batch that there is, in which everything is new.
    let changes = (1..=BATCH_CHANGES_MAX as u128).map(|n| joined(n, 5, n as u64)).collect();
    let last_revision = BATCH_CHANGES_MAX as u64 - 1;
    let all = BoardBatch { battle_id: battle(99), last_revision, ..batch(1, changes) };
    assert_eq!(boards.apply(&[all], 0).await.unwrap(), Applied::default());
    println!("{BATCH_CHANGES_MAX} joins: the longest script took {} µs", longest_script_us(&server).await);
}

/// The server notes every script from now on.
async fn note_scripts(server: &Redis) {
    for setting in ["slowlog-log-slower-than 0", "slowlog-max-len 1000000"] {
        server.by_hand(&format!("CONFIG SET {setting}")).await.unwrap();
    }
}

/// How long the longest script took since this was asked last.
async fn longest_script_us(server: &Redis) -> i64 {
    let client = redis::Client::open(server.url()).unwrap();
    let settings = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connection = client.get_multiplexed_async_connection_with_config(&settings).await.unwrap();
    let noted: Vec<redis::Value> =
        redis::cmd("SLOWLOG").arg("GET").arg(-1).query_async(&mut connection).await.unwrap();
    let took = |entry: &redis::Value| {
        let redis::Value::Array(fields) = entry else { return None };
        let (Some(redis::Value::Int(took)), Some(redis::Value::Array(command))) =
            (fields.get(2), fields.get(3))
        else {
            return None;
        };
        let is_script =
            matches!(command.first(), Some(redis::Value::BulkString(name)) if name.starts_with(b"EVAL"));
        is_script.then_some(*took)
    };
    let () = redis::cmd("SLOWLOG").arg("RESET").query_async(&mut connection).await.unwrap();
    noted.iter().filter_map(took).max().unwrap_or(0)
}
