//! Who is online on two real processes, one of which is killed.

use nimaora_api::v1::{Balance, JoinResponse};
use nimaora_local_servers::{Nats, NatsOptions, Postgres, Redis, scratch};
use serde_json::json;
use tokio::time::timeout;

use crate::players::{create_battle, join};
use crate::pusher::Pusher;
use crate::server::{PATIENCE, Server};
use crate::web;

/// A player's socket in its battle's presence channel, once the tables of this process show the player.
async fn attend(server: &Server, channel: &str, player: &JoinResponse) -> Pusher {
    let mut pusher = Pusher::connect(&server.address).await;
    let form = format!("socket_id=1.1&channel_name={channel}");
    let shown = async {
        while web::post_form(&server.address, "/broadcasting/auth", &player.token, &form).await.0 != 200 {}
    };
    timeout(PATIENCE, shown).await.unwrap();
    pusher.subscribe(channel, Some(&player.token)).await;
    pusher
}

#[tokio::test]
async fn the_members_of_a_killed_process_go_and_are_back_elsewhere() {
    let dir = scratch().unwrap();
    let nats = Nats::start(&dir.path().join("nats"), NatsOptions::default()).await.unwrap();
    let postgres = Postgres::start(&dir.path().join("postgres"), &[]).await.unwrap();
    let redis = Redis::start(&dir.path().join("redis"), &[]).await.unwrap();
    let shared = ["log", "change_bus", "ownership"].map(|store| format!("stores.{store}={}", nats.url()));
    let in_redis = ["leaderboard", "presence"].map(|store| format!("stores.{store}={}", redis.url()));
    let others = [
        format!("stores.tables={}", postgres.url("postgres")),
        format!("secrets_dir={}", dir.path().join("secrets").display()),
    ];
    let settings: Vec<_> =
        shared.iter().chain(&in_redis).chain(&others).flat_map(|setting| ["--set", setting]).collect();
    let one = Server::start_with(&settings, &dir.path().join("one"), "127.0.0.1:0").await;
    let two = Server::start_with(&settings, &dir.path().join("two"), "127.0.0.1:0").await;

    let mut commands = one.commands().await;
    let battle = create_battle(&mut commands, &one.admin_token(), Balance::default()).await;
    let (ann, bob) = (join(&mut commands, &battle, "ann").await, join(&mut commands, &battle, "bob").await);
    let channel = format!("presence-battle.{battle}");
    let mut at_one = attend(&one, &channel, &ann).await;
    let _at_two = attend(&two, &channel, &bob).await;
    let of_bob = json!(bob.participant_id);
    assert_eq!(at_one.expect("pusher_internal:member_added").await.data["user_id"], of_bob);

    // It has no time to say anything.
    two.kill().await;
    assert_eq!(at_one.expect("pusher_internal:member_removed").await.data["user_id"], of_bob);
    let _again = attend(&one, &channel, &bob).await;
    assert_eq!(at_one.expect("pusher_internal:member_added").await.data["user_id"], of_bob);
}
