//! What a socket still does while the answer to a subscription is awaited.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_realtime::Config;
use serde_json::json;
use support::client::{Client, in_time};
use support::{Arena, PATIENCE, config};

/// Longer than any test: a subscription to an unknown battle waits until something else ends it.
const FOR_EVER_MS: u64 = 1_000_000;

fn patient() -> Config {
    Config { appear_timeout_ms: FOR_EVER_MS, subscribe_timeout_ms: FOR_EVER_MS, ..config() }
}

fn unknown(n: u128) -> String {
    format!("battle.{}", uuid::Uuid::from_u128(n))
}

async fn ask(client: &mut Client, channel: &str) {
    client.say("pusher:subscribe", json!({ "channel": channel })).await;
}

async fn refused_status(client: &mut Client, channel: &str) -> u64 {
    let refused = client.event().await;
    assert_eq!(refused.name, "pusher:subscription_error");
    assert_eq!(refused.channel.as_deref(), Some(channel));
    refused.data["status"].as_u64().unwrap()
}

#[tokio::test]
async fn a_client_that_waits_is_answered_when_it_pings() {
    let arena = Arena::start(patient()).await;
    let mut client = Client::connect(&arena).await;
    ask(&mut client, &unknown(1)).await;
    client.say("pusher:ping", json!({})).await;
    assert_eq!(client.event().await.name, "pusher:pong");
}

#[tokio::test]
async fn a_client_that_waits_is_told_when_the_server_stops() {
    let arena = Arena::start(patient()).await;
    let mut client = Client::connect(&arena).await;
    ask(&mut client, &unknown(1)).await;
    client.say("pusher:ping", json!({})).await;
    assert_eq!(client.event().await.name, "pusher:pong");
    let stopping = tokio::spawn({
        let shutdown = arena.shutdown.clone();
        async move { shutdown.finish(PATIENCE).await }
    });
    assert_eq!(client.close_code().await, 4200);
    drop(client);
    assert!(stopping.await.unwrap(), "something was left running");
}

#[tokio::test]
async fn a_client_that_waits_and_goes_away_gives_its_place_back() {
    let arena = Arena::start(patient()).await;
    let mut client = Client::connect(&arena).await;
    ask(&mut client, &unknown(1)).await;
    client.say("pusher:ping", json!({})).await;
    assert_eq!(client.event().await.name, "pusher:pong");
    drop(client);
    in_time(async {
        while arena.realtime.sockets() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn subscriptions_are_answered_in_their_order_and_one_that_is_given_up_holds_nothing() {
    let arena = Arena::start(patient()).await;
    let battles = [arena.create_battle().await, arena.create_battle().await];
    let mut client = Client::connect(&arena).await;
    ask(&mut client, &unknown(1)).await;
    for battle in battles {
        ask(&mut client, &format!("battle.{battle}")).await;
    }
    ask(&mut client, &unknown(2)).await;
    client.say("pusher:ping", json!({})).await;
    assert_eq!(client.event().await.name, "pusher:pong");
    for given_up in [unknown(2), unknown(1)] {
        client.say("pusher:unsubscribe", json!({ "channel": given_up })).await;
    }
    for battle in battles {
        client.confirmed(&format!("battle.{battle}")).await;
        assert_eq!(client.event().await.name, "leaderboard.updated");
    }
    client.say("pusher:ping", json!({})).await;
    assert_eq!(client.event().await.name, "pusher:pong");
}

#[tokio::test]
async fn no_more_is_asked_for_than_a_socket_may_have() {
    let arena = Arena::start(Config { channels_per_socket_max: 2, ..patient() }).await;
    let mut client = Client::connect(&arena).await;
    for n in 1..=3 {
        ask(&mut client, &unknown(n)).await;
    }
    assert_eq!(refused_status(&mut client, &unknown(3)).await, 429);
}

#[tokio::test]
async fn all_that_is_asked_for_has_one_deadline() {
    // Each of them alone waits 70 ms for its battle, so that the third would end after 210 ms.
    let config = Config { appear_timeout_ms: 100, subscribe_timeout_ms: 150, ..config() };
    let arena = Arena::start(config).await;
    let mut client = Client::connect(&arena).await;
    for n in 1..=3 {
        ask(&mut client, &unknown(n)).await;
    }
    let mut last = 0;
    for n in 1..=3 {
        last = refused_status(&mut client, &unknown(n)).await;
    }
    assert_eq!(last, 503);
}

#[tokio::test]
async fn many_that_wait_for_one_battle_share_one_failure() {
    const HERD: usize = 10;
    let arena = Arena::start(patient()).await;
    let mut herd = Vec::new();
    for _ in 0..HERD {
        let mut client = Client::connect(&arena).await;
        ask(&mut client, &unknown(1)).await;
        for _ in 0..2 {
            // Behind the second answer the subscription has been begun with.
            client.say("pusher:ping", json!({})).await;
            assert_eq!(client.event().await.name, "pusher:pong");
        }
        herd.push(client);
    }
    let before = arena.follows();
    assert!(before > 0);
    arena.close_tables().await;
    for client in &mut herd {
        assert_eq!(refused_status(client, &unknown(1)).await, 503);
    }
    assert_eq!(arena.follows(), before, "the battle was opened again for those who waited");

    ask(&mut herd[0], &unknown(1)).await;
    assert_eq!(refused_status(&mut herd[0], &unknown(1)).await, 503);
    assert_eq!(arena.follows(), 2 * before, "who comes after a failure tries again");
}
