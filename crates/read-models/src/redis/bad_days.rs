//! A cluster, a server that hangs, and one that speaks only TLS.

use std::time::Duration;

use nimaora_local_servers::{Certificates, Port, Redis, RedisCluster, RedisSentinels, scratch};

use super::*;
use crate::contract::battle;
use crate::contract::leaderboard::whole;

const PATIENCE: Duration = Duration::from_secs(60);
const BATTLES: u128 = 24;

fn board_of(n: u128) -> WholeBoard {
    WholeBoard { battle_id: battle(n), ..whole(3, 3) }
}

/// Asks until the answer is one that is waited for.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap()
}

/// Which of the battles are held, each asked alone.
async fn held(boards: &RedisLeaderboard) -> Vec<Result<Option<Position>, StoreError>> {
    let mut held = Vec::new();
    for n in 0..BATTLES {
        held.push(boards.held(&[battle(n)]).await.map(|one| one[0]));
    }
    held
}

/// Waits until the answer for each battle is as `expected` says, who is told whether the battle is `marked`.
async fn until_each_of(
    boards: &RedisLeaderboard,
    marked: &[bool],
    expected: impl Fn(bool, &Result<Option<Position>, StoreError>) -> bool,
) {
    until(async || {
        let answers = held(boards).await;
        marked.iter().zip(&answers).all(|(&marked, answer)| expected(marked, answer)).then_some(())
    })
    .await;
}

/// Which of the battles are on this node of a cluster, which sends those who ask for others away.
async fn held_by(node: &Redis) -> Vec<bool> {
    let client = ::redis::Client::open(node.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut held = Vec::new();
    for n in 0..BATTLES {
        let mut ask = ::redis::Cmd::new();
        ask.arg("EXISTS").arg(Keys::of(battle(n)).board);
        let answer: Result<bool, _> = ask.query_async(&mut connection).await;
        held.push(answer.unwrap_or(false));
    }
    held
}

#[tokio::test]
async fn a_master_that_comes_back_empty_loses_only_its_own_battles() {
    let dir = scratch().unwrap();
    let mut cluster = RedisCluster::start(dir.path()).await.unwrap();
    let nodes: Vec<_> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    let url = format!("redis+cluster://{}", nodes.join(","));
    let boards = RedisLeaderboard::connect(RedisConfig::new(url)).unwrap();
    for n in 0..BATTLES {
        until(async || boards.restore(&board_of(n)).await.ok()).await;
    }
    let first = held_by(&cluster.nodes[0]).await;
    assert!(first.contains(&true) && first.contains(&false), "{first:?}");
    cluster.nodes[0].process.kill().await;
    // Now and then an answer fails while the client looks for who is left, so what counts is how it ends.
    until_each_of(&boards, &first, |gone, answer| match answer {
        Ok(held) => !gone && *held == Some(4),
        Err(error) => gone && matches!(error, StoreError::Unavailable { .. }),
    })
    .await;
    cluster.nodes[0].start_again().await.unwrap();
    until_each_of(&boards, &first, |lost, answer| {
        answer.as_ref().is_ok_and(|held| *held == (!lost).then_some(4))
    })
    .await;
    for n in (0..BATTLES).filter(|&n| first[n as usize]) {
        until(async || boards.restore(&board_of(n)).await.ok()).await;
    }
    until_each_of(&boards, &first, |_, answer| matches!(answer, Ok(Some(4)))).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_used_again() {
    let dir = scratch().unwrap();
    let server = Redis::start(dir.path(), &[]).await.unwrap();
    let boards = RedisLeaderboard::connect(RedisConfig {
        read_timeout: Duration::from_millis(50),
        write_timeout: Duration::from_millis(100),
        ..RedisConfig::new(server.url())
    })
    .unwrap();
    until(async || boards.restore(&board_of(1)).await.ok()).await;
    server.process.pause();
    let answers = [boards.top(battle(1), 1).await.map(drop), boards.restore(&board_of(2)).await];
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    }
    server.process.resume();
    until(async || boards.top(battle(1), 1).await.ok()).await;
    until(async || boards.restore(&board_of(2)).await.ok()).await;
}

#[tokio::test]
async fn a_board_is_held_by_the_next_master_or_put_back_there() {
    let dir = scratch().unwrap();
    let mut all = RedisSentinels::start(dir.path()).await.unwrap();
    let boards = RedisLeaderboard::connect(RedisConfig::new(all.url())).unwrap();
    until(async || boards.restore(&board_of(1)).await.ok()).await;
    all.servers[0].process.kill().await;
    let held = until(async || boards.held(&[battle(1)]).await.ok()).await;
    // What a replica had not got yet is lost, as anything else that Redis loses.
    if held == [None] {
        boards.restore(&board_of(1)).await.unwrap();
    }
    assert_eq!(boards.top(battle(1), 10).await.unwrap().total, 3);
}

#[tokio::test]
async fn a_server_is_trusted_by_the_certificate_of_who_signed_its_own() {
    let dir = scratch().unwrap();
    let files = Certificates::make(dir.path()).unwrap();
    let port = Port::free().unwrap();
    let number = port.number().to_string();
    let path = |file: &std::path::Path| file.to_str().unwrap().to_owned();
    let (certificate, key) = (path(&files.certificate), path(&files.key));
    let args = ["--tls-port", &number, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let args: Vec<_> = args.into_iter().chain(["--tls-auth-clients", "no"]).collect();
    let _server = Redis::start(&dir.path().join("redis"), &args).await.unwrap();
    let config = RedisConfig::new(format!("rediss://127.0.0.1:{number}"));
    let strangers = RedisLeaderboard::connect(config.clone()).unwrap();
    let answer = strangers.top(battle(1), 1).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    let root_certificates = Some(std::fs::read(&files.authority).unwrap());
    let boards = RedisLeaderboard::connect(RedisConfig { root_certificates, ..config }).unwrap();
    until(async || boards.restore(&board_of(1)).await.ok()).await;
    assert_eq!(boards.top(battle(1), 10).await.unwrap().total, 3);
}
