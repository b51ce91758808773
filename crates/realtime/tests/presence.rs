//! Who is online in a battle, over tabs and nodes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_realtime::Config;
use serde_json::{Value, json};
use support::client::{Client, Event, Next, authorise};
use support::{Arena, Player, config};

/// Whoever has no socket is gone almost at once.
fn without_grace() -> Config {
    Config { presence_grace_ms: 1, ..config() }
}

/// Nobody who has no socket goes as long as a test runs.
fn with_long_grace() -> Config {
    Config { presence_grace_ms: 600_000, ..config() }
}

fn ids(presence: &Value) -> Vec<String> {
    let mut ids: Vec<_> =
        presence["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn ids_of(players: &[&Player]) -> Vec<String> {
    let mut ids: Vec<_> = players.iter().map(|player| player.id.to_string()).collect();
    ids.sort();
    ids
}

async fn expect_added(client: &mut Client, player: &Player) {
    let Event { name, channel, data, .. } = client.event().await;
    assert_eq!(name, "pusher_internal:member_added", "{data}");
    assert_eq!(channel, Some(format!("presence-battle.{}", player.battle_id)));
    assert_eq!(data, json!({ "user_id": player.id, "user_info": { "username": player.username } }));
}

async fn expect_removed(client: &mut Client, player: &Player) {
    let Event { name, data, .. } = client.event().await;
    assert_eq!((name.as_str(), data), ("pusher_internal:member_removed", json!({ "user_id": player.id })));
}

#[tokio::test]
async fn members_see_each_other_come_and_go() {
    let arena = Arena::start(without_grace()).await;
    let battle = arena.create_battle().await;
    let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob \"b\"").await);
    let mut at_ada = Client::connect(&arena).await;
    let presence = at_ada.attend(&arena, &ada).await;
    let expected = json!({
        "ids": [ada.id],
        "hash": { ada.id.to_string(): { "username": "ada" } },
        "count": 1,
    });
    assert_eq!(presence, expected);

    let mut at_bob = Client::connect(&arena).await;
    assert_eq!(ids(&at_bob.attend(&arena, &bob).await), ids_of(&[&ada, &bob]));
    expect_added(&mut at_ada, &bob).await;
    let channel = format!("presence-battle.{battle}");
    at_bob.say("pusher:unsubscribe", json!({ "channel": channel })).await;
    expect_removed(&mut at_ada, &bob).await;
    at_bob.attend(&arena, &bob).await;
    expect_added(&mut at_ada, &bob).await;
    drop(at_bob);
    expect_removed(&mut at_ada, &bob).await;
}

#[tokio::test]
async fn a_member_with_two_tabs_is_there_once_and_goes_with_the_last() {
    let arena = Arena::start(without_grace()).await;
    let battle = arena.create_battle().await;
    let [ada, bob, eve] = [arena.join(battle, "ada"), arena.join(battle, "bob"), arena.join(battle, "eve")];
    let (ada, bob, eve) = (ada.await, bob.await, eve.await);
    let mut at_ada = Client::connect(&arena).await;
    at_ada.attend(&arena, &ada).await;
    let (mut first, mut second) = (Client::connect(&arena).await, Client::connect(&arena).await);
    first.attend(&arena, &bob).await;
    assert_eq!(ids(&second.attend(&arena, &bob).await), ids_of(&[&ada, &bob]));
    expect_added(&mut at_ada, &bob).await;
    drop(first);
    // Told next of somebody else, so neither the second tab nor the end of the first was told of.
    let mut at_eve = Client::connect(&arena).await;
    at_eve.attend(&arena, &eve).await;
    expect_added(&mut at_ada, &eve).await;
    drop(second);
    expect_removed(&mut at_ada, &bob).await;
}

#[tokio::test]
async fn a_page_that_is_loaded_anew_goes_unnoticed() {
    let arena = Arena::start(with_long_grace()).await;
    let battle = arena.create_battle().await;
    let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob").await);
    let eve = arena.join(battle, "eve").await;
    let mut at_ada = Client::connect(&arena).await;
    at_ada.attend(&arena, &ada).await;
    let mut at_bob = Client::connect(&arena).await;
    at_bob.attend(&arena, &bob).await;
    expect_added(&mut at_ada, &bob).await;
    drop(at_bob);
    let mut at_bob = Client::connect(&arena).await;
    assert_eq!(ids(&at_bob.attend(&arena, &bob).await), ids_of(&[&ada, &bob]));
    let mut at_eve = Client::connect(&arena).await;
    at_eve.attend(&arena, &eve).await;
    expect_added(&mut at_ada, &eve).await;
    expect_added(&mut at_bob, &eve).await;
}

#[tokio::test]
async fn members_on_two_nodes_see_each_other() {
    let arena = Arena::start(without_grace()).await;
    let other = arena.another_node(without_grace()).await;
    let battle = arena.create_battle().await;
    let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob").await);
    let eve = arena.join(battle, "eve").await;
    let mut at_ada = Client::connect(&arena).await;
    at_ada.attend(&arena, &ada).await;
    let mut at_bob = Client::connect(&other).await;
    assert_eq!(ids(&at_bob.attend(&other, &bob).await), ids_of(&[&ada, &bob]));
    expect_added(&mut at_ada, &bob).await;

    // A second tab on the other node, and the first one closed: nobody hears of it.
    let mut second = Client::connect(&arena).await;
    assert_eq!(ids(&second.attend(&arena, &bob).await), ids_of(&[&ada, &bob]));
    drop(at_bob);
    let mut at_eve = Client::connect(&other).await;
    assert_eq!(ids(&at_eve.attend(&other, &eve).await), ids_of(&[&ada, &bob, &eve]));
    expect_added(&mut at_ada, &eve).await;
    drop(second);
    expect_removed(&mut at_ada, &bob).await;
    expect_removed(&mut at_eve, &bob).await;
}

#[tokio::test]
async fn the_members_of_a_killed_node_go_and_those_of_a_stopped_one_at_once() {
    let arena = Arena::start(without_grace()).await;
    let (killed, stopped) =
        (arena.another_node(with_long_grace()).await, arena.another_node(with_long_grace()).await);
    let battle = arena.create_battle().await;
    let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob").await);
    let eve = arena.join(battle, "eve").await;
    let mut at_ada = Client::connect(&arena).await;
    at_ada.attend(&arena, &ada).await;
    let mut at_bob = Client::connect(&killed).await;
    at_bob.attend(&killed, &bob).await;
    expect_added(&mut at_ada, &bob).await;
    let mut at_eve = Client::connect(&stopped).await;
    assert_eq!(ids(&at_eve.attend(&stopped, &eve).await), ids_of(&[&ada, &bob, &eve]));
    expect_added(&mut at_ada, &eve).await;

    stopped.shutdown.request();
    expect_removed(&mut at_ada, &eve).await;
    killed.cut_off();
    expect_removed(&mut at_ada, &bob).await;
}

#[tokio::test]
async fn a_large_channel_counts_and_is_shown_whole_again_when_it_is_small() {
    let arena = Arena::start(Config { presence_members_max: 5, ..without_grace() }).await;
    let battle = arena.create_battle().await;
    let mut players = Vec::new();
    for n in 0..8 {
        players.push(arena.join(battle, &format!("p{n}")).await);
    }
    let mut first = Client::connect(&arena).await;
    first.attend(&arena, &players[0]).await;
    let mut others = Vec::new();
    for player in &players[1..] {
        let mut client = Client::connect(&arena).await;
        let presence = client.attend(&arena, player).await;
        assert!(ids(&presence).contains(&player.id.to_string()), "{presence}");
        assert!(ids(&presence).len() <= 6, "{presence}");
        assert_eq!(presence["count"], others.len() + 2);
        others.push(client);
    }
    for player in &players[1..5] {
        expect_added(&mut first, player).await;
    }
    // Counts may be told on the way; none of the last three is told of.
    loop {
        let event = first.event().await;
        assert_eq!(event.name, "presence.updated", "{event:?}");
        if event.data == json!({ "count": 8, "sampled": true }) {
            break;
        }
    }
    // All but the first and the last go; the last was never shown.
    others.drain(..6);
    let whole = loop {
        let event = first.event().await;
        if event.name == "pusher_internal:subscription_succeeded" {
            let presence = &event.data["presence"];
            if presence["count"] == 2 {
                break presence.clone();
            }
        }
    };
    assert_eq!(ids(&whole), ids_of(&[&players[0], &players[7]]));
}

#[tokio::test]
async fn whoever_left_or_signed_in_again_is_a_member_no_more() {
    let arena = Arena::start(without_grace()).await;
    let battle = arena.create_battle().await;
    let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob").await);
    let mut at_ada = Client::connect(&arena).await;
    at_ada.attend(&arena, &ada).await;
    let mut at_bob = Client::connect(&arena).await;
    at_bob.attend(&arena, &bob).await;
    expect_added(&mut at_ada, &bob).await;
    arena.replace_session(&bob).await;
    assert_eq!(at_bob.event().await.name, "session.replaced");
    assert_eq!(at_bob.next().await, Next::Closed(4009));
    expect_removed(&mut at_ada, &bob).await;
}

#[tokio::test]
async fn a_battle_of_others_and_data_that_was_altered_are_refused() {
    let arena = Arena::start(config()).await;
    let (one, two) = (arena.create_battle().await, arena.create_battle().await);
    let ada = arena.join(one, "ada").await;
    let mut client = Client::connect(&arena).await;
    let foreign = format!("presence-battle.{two}");
    let (status, _) = authorise(&arena, Some(&arena.token(&ada)), &client.socket_id, &foreign).await;
    assert_eq!(status, 403);

    let own = format!("presence-battle.{one}");
    let (_, signed) = authorise(&arena, Some(&arena.token(&ada)), &client.socket_id, &own).await;
    let altered = signed["channel_data"].as_str().unwrap().replace("ada", "bob");
    for data in [
        json!({ "channel": own }),
        json!({ "channel": own, "auth": signed["auth"] }),
        json!({ "channel": own, "auth": signed["auth"], "channel_data": altered }),
        json!({ "channel": foreign, "auth": signed["auth"], "channel_data": signed["channel_data"] }),
    ] {
        client.say("pusher:subscribe", data).await;
        let event = client.event().await;
        assert_eq!((event.name.as_str(), &event.data["status"]), ("pusher:subscription_error", &json!(401)));
    }
}
