use std::time::Duration;

use nimaora_local_servers::{Redis, RedisCluster, scratch};

use super::*;
use crate::contract::{battle, participant};

/// Presence with the server that it is on.
struct OnServer<S> {
    presence: RedisPresence,
    server: S,
    _dir: Box<dyn Send + Sync>,
}

impl<S> std::ops::Deref for OnServer<S> {
    type Target = RedisPresence;

    fn deref(&self) -> &RedisPresence {
        &self.presence
    }
}

async fn on_server() -> OnServer<Redis> {
    let dir = scratch().unwrap();
    let server = Redis::start(&dir.path().join("redis"), &[]).await.unwrap();
    let presence = RedisPresence::connect(RedisPresenceConfig::new(server.url())).unwrap();
    OnServer { presence, server, _dir: Box::new(dir) }
}

crate::presence_contract!(*on_server().await);

async fn until<T>(mut ask: impl AsyncFnMut() -> Result<T, PresenceError>) -> T {
    let asking = async {
        loop {
            if let Ok(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.unwrap()
}

#[tokio::test]
async fn a_server_that_died_is_unavailable_and_comes_back_with_nobody_silent() {
    let mut on = on_server().await;
    on.touch(battle(1), participant(1), 1_000).await.unwrap();
    on.server.process.kill().await;
    let answer = on.touch(battle(1), participant(1), 2_000).await;
    assert!(matches!(answer, Err(PresenceError::Unavailable { .. })), "{answer:?}");
    on.server.start_again().await.unwrap();
    assert_eq!(until(async || on.silent_since(battle(1), 9_000, 9).await).await, []);
    until(async || on.touch(battle(1), participant(1), 3_000).await).await;
    assert_eq!(on.last_seen_ms(battle(1), participant(1)).await.unwrap(), Some(3_000));
}

#[tokio::test]
async fn nothing_is_kept_for_ever() {
    let on = on_server().await;
    on.touch(battle(1), participant(1), 1_000).await.unwrap();
    let client = ::redis::Client::open(on.server.url()).unwrap();
    let mut by_hand = client.get_multiplexed_async_connection().await.unwrap();
    let seconds: i64 = ::redis::cmd("TTL").arg(key(battle(1))).query_async(&mut by_hand).await.unwrap();
    assert!((1..=24 * 3_600).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn battles_are_spread_over_a_cluster() {
    let dir = scratch().unwrap();
    let cluster = RedisCluster::start(dir.path()).await.unwrap();
    let nodes: Vec<_> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    let url = format!("redis+cluster://{}", nodes.join(","));
    let presence = RedisPresence::connect(RedisPresenceConfig::new(url)).unwrap();
    for n in 1..30 {
        until(async || presence.touch(battle(n), participant(n), 1_000).await).await;
        assert_eq!(presence.silent_since(battle(n), 2_000, 9).await.unwrap(), [participant(n)]);
    }
    presence.forget_battle(battle(1)).await.unwrap();
    assert_eq!(presence.silent_since(battle(1), 2_000, 9).await.unwrap(), []);
}
