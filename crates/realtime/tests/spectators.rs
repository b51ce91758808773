//! What those who look on are told of a battle's attacks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_realtime::Config;
use serde_json::{Value, json};
use support::client::{Client, Next, api};
use support::{Arena, config};

/// Reads until so many attacks were told or left out; answers with those that were told and the number of the others.
async fn landed(client: &mut Client, channel: &str, count: usize) -> (Vec<Value>, usize) {
    let (mut told, mut left_out) = (Vec::new(), 0);
    while told.len() + left_out < count {
        let event = client.event_named("attacks.landed").await;
        assert_eq!(event.channel.as_deref(), Some(channel));
        let attacks = event.data["attacks"].as_array().unwrap();
        assert!(attacks.len() <= 20, "an event stays small");
        told.extend(attacks.iter().cloned());
        left_out += event.data["left_out"].as_u64().unwrap() as usize;
    }
    (told, left_out)
}

#[tokio::test]
async fn anybody_sees_who_attacks_whom() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let bob = arena.join(battle, "bob").await;
    let channel = format!("attacks.battle.{battle}");
    let mut client = Client::connect(&arena).await;
    client.subscribe(&channel).await;

    let mut positions = Vec::new();
    for (attacker, target) in [(&ada, &bob), (&bob, &ada), (&ada, &bob)] {
        let (change, position) = arena.attack_untold(attacker, target).await;
        // The bus may repeat what it has delivered.
        arena.publish(battle, change.clone(), position).await;
        arena.publish(battle, change, position).await;
        positions.push(position);
    }
    let (told, left_out) = landed(&mut client, &channel, 3).await;
    assert_eq!(left_out, 0);
    let seen: Vec<_> = told.iter().map(|attack| attack["position"].as_u64().unwrap()).collect();
    assert_eq!(seen, positions, "each once, in their order");
    let expected = json!({
        "attacker_id": bob.id, "attacker": "bob", "target_id": ada.id, "target": "ada",
        "blocked": false, "points_lost": 1, "timestamp": told[1]["timestamp"],
        "event_id": told[1]["event_id"], "position": positions[1],
    });
    assert_eq!(told[1], expected);
}

#[tokio::test]
async fn of_a_burst_the_newest_are_told_and_the_others_counted() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let bob = arena.join(battle, "bob").await;
    let channel = format!("attacks.battle.{battle}");
    let mut client = Client::connect(&arena).await;
    client.subscribe(&channel).await;

    let (mut burst, mut last) = (Vec::new(), 0);
    for _ in 0..50 {
        let (change, position) = arena.attack_untold(&ada, &bob).await;
        burst.push(change);
        last = position;
    }
    arena.publish_together(battle, burst, last).await;
    let (told, left_out) = landed(&mut client, &channel, 50).await;
    assert_eq!(told.len() + left_out, 50);
    assert!(left_out > 0, "nobody reads fifty at once");
    assert_eq!(told.last().unwrap()["position"], last, "the newest is among them");
}

#[tokio::test]
async fn the_feed_is_followed_on_each_node_and_only_as_long_as_somebody_looks_on() {
    let one = Arena::start(config()).await;
    let two = one.another_node(config()).await;
    let battle = one.create_battle().await;
    let ada = one.join(battle, "ada").await;
    let bob = one.join(battle, "bob").await;
    let channel = format!("attacks.battle.{battle}");
    let mut of_one = Client::connect(&one).await;
    let mut of_two = Client::connect(&two).await;
    of_one.subscribe(&channel).await;
    of_two.subscribe(&channel).await;
    let position = one.attack(&ada, &bob).await;
    for client in [&mut of_one, &mut of_two] {
        assert_eq!(landed(client, &channel, 1).await.0[0]["position"], position);
    }

    of_one.say("pusher:unsubscribe", json!({ "channel": channel })).await;
    // Answered behind it.
    of_one.say("pusher:ping", json!({})).await;
    of_one.event_named("pusher:pong").await;
    one.attack(&bob, &ada).await;
    landed(&mut of_two, &channel, 1).await;
    of_one.say("pusher:ping", json!({})).await;
    assert_eq!(of_one.event().await.name, "pusher:pong", "nothing came before it");
}

#[tokio::test]
async fn nobody_but_the_battle_speaks_there() {
    let arena = Arena::start(Config { client_events_per_second_max: 10, ..config() }).await;
    let battle = arena.create_battle().await;
    let channel = format!("attacks.battle.{battle}");
    let event = json!({ "name": "attacks.landed", "channels": [channel], "data": "{}" });
    let (status, body) = api(&arena, "/apps/1/events", Some(&event)).await;
    assert_eq!(status, 403, "{body}");

    let mut client = Client::connect(&arena).await;
    client.subscribe(&channel).await;
    let said = json!({ "event": "client-attacks.landed", "channel": channel, "data": {} });
    client.send_text(&said.to_string()).await;
    let Next::Event(error) = client.next().await else { panic!("closed") };
    assert_eq!((error.name.as_str(), &error.data["code"]), ("pusher:error", &json!(4009)));

    client
        .say("pusher:subscribe", json!({ "channel": "attacks.battle.0190163d-8694-739b-aea5-966c26f8ad91" }))
        .await;
    assert_eq!(client.event_named("pusher:subscription_error").await.data["status"], 404);
}
