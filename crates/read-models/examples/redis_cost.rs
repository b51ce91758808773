//! What batches and reads cost on a Redis of this machine: `cargo run --release -p nimaora-read-models --example redis_cost`. Once with
//! all changes in one battle, once with as many in twenty.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::time::Instant;

use nimaora_local_servers::{Redis, scratch};
use nimaora_read_models::contract::battle;
use nimaora_read_models::contract::leaderboard::{scored, whole};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};
use nimaora_read_models::{Applied, BoardBatch, Leaderboard, WholeBoard};

#[tokio::main]
async fn main() {
    const PLAYERS: u32 = 20_000;
    const CHANGES: u32 = 5_000;
    let dir = scratch().unwrap();
    let server = Redis::start(dir.path(), &[]).await.unwrap();
    let boards = RedisLeaderboard::connect(RedisConfig::new(server.url())).unwrap();
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
            let (each, pieces) = (CHANGES / battles, if battles == 1 { 2 } else { 1 });
            let first = revision + 1;
            revision += u64::from(each);
            for n in 0..battles {
                for piece in 0..pieces {
                    let some = u64::from(each / pieces);
                    let from = first + u64::from(piece) * some;
                    let changes = (from..from + some).map(|at| {
                        let who = at % u64::from(PLAYERS / battles) + 1;
                        scored(who.into(), (at % 900) as u32, at)
                    });
                    batches.push(BoardBatch {
                        battle_id: battle(n.into()),
                        changes: changes.collect(),
                        first_revision: from,
                        last_revision: from + some - 1,
                        position: from + some,
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
    }
}
