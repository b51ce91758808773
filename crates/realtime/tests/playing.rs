//! What a player's page gets while a battle goes on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_domain::Phase;
use nimaora_realtime::Config;
use serde_json::json;
use support::client::{Client, Next};
use support::{Arena, config};

#[tokio::test]
async fn whoever_subscribes_gets_the_current_board_at_once() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let bob = arena.join(battle, "bob \"the\" <b>").await;
    let position = arena.score(&bob, 5).await;

    let mut client = Client::connect(&arena).await;
    client.subscribe(&format!("battle.{battle}")).await;
    let board = client.event().await;
    assert_eq!(board.name, "leaderboard.updated");
    assert_eq!(board.channel, Some(format!("battle.{battle}")));
    let entries = json!([
        { "rank": 1, "participant_id": bob.id, "username": "bob \"the\" <b>", "points": 5 },
        { "rank": 2, "participant_id": ada.id, "username": "ada", "points": 0 },
    ]);
    let expected = json!({ "battle_id": battle, "as_of": position, "total": 2, "entries": entries });
    assert_eq!(board.data, expected);
}

#[tokio::test]
async fn a_moving_board_arrives_as_the_newest_and_never_goes_back() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let mut client = Client::connect(&arena).await;
    client.subscribe(&format!("battle.{battle}")).await;

    let mut last = 0;
    for points in 1..=50 {
        last = arena.score(&ada, points).await;
    }
    let mut seen = 0;
    let mut boards = 0;
    while seen < last {
        let board = client.event_named("leaderboard.updated").await;
        let as_of = board.data["as_of"].as_u64().unwrap();
        assert!(as_of > seen, "{as_of} came after {seen}");
        seen = as_of;
        boards += 1;
        if as_of == last {
            assert_eq!(board.data["entries"][0]["points"], 50);
        }
    }
    assert!(boards < 50, "boards are coalesced");
}

#[tokio::test]
async fn a_board_that_the_leaderboard_lacks_is_shown_from_the_tables() {
    let arena = Arena::start(Config { board_poll_ms: 3_600_000, ..config() }).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let mut client = Client::connect(&arena).await;
    client.subscribe(&format!("battle.{battle}")).await;
    assert_eq!(client.event().await.name, "leaderboard.updated");

    let position = arena.score_in_tables_only(&ada, 7).await;
    let board = loop {
        let board = client.event_named("leaderboard.updated").await;
        if board.data["as_of"] == position {
            break board;
        }
    };
    assert_eq!(board.data["entries"][0]["points"], 7);
}

#[tokio::test]
async fn a_board_that_moved_untold_is_shown_all_the_same() {
    let arena = Arena::start(Config { board_poll_ms: 20, ..config() }).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let mut client = Client::connect(&arena).await;
    client.subscribe(&format!("battle.{battle}")).await;
    assert_eq!(client.event().await.name, "leaderboard.updated");

    let position = arena.score_untold(&ada, 7).await;
    while client.event_named("leaderboard.updated").await.data["as_of"] != position {}
}

#[tokio::test]
async fn an_attacked_player_is_told_of_each_attack_in_order_and_once() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let bob = arena.join(battle, "bob").await;
    let mut of_bob = Client::connect(&arena).await;
    of_bob.listen(&arena, &bob).await;
    let mut of_ada = Client::connect(&arena).await;
    of_ada.listen(&arena, &ada).await;

    let mut positions = Vec::new();
    for _ in 0..20 {
        let (change, position) = arena.attack_untold(&ada, &bob).await;
        // The bus may repeat what it has delivered.
        arena.publish(battle, change.clone(), position).await;
        arena.publish(battle, change, position).await;
        positions.push(position);
    }
    for position in positions {
        let alert = of_bob.event().await;
        assert_eq!(alert.name, "attack.received");
        assert_eq!(alert.channel, Some(bob.channel()));
        let expected = json!({
            "attacker": "ada",
            "blocked": false,
            "points_lost": 1,
            "timestamp": alert.data["timestamp"],
            "event_id": uuid::Uuid::from_u128(position.into()),
            "position": position,
        });
        assert_eq!(alert.data, expected);
        assert!(alert.data["timestamp"].as_str().unwrap().ends_with("Z"));
    }
    // The attacker hears of its own score, and had heard of nothing before.
    arena.score(&ada, 3).await;
    let score = of_ada.event().await;
    assert_eq!(score.name, "score.changed");
    assert_eq!(score.data["points"], 3);
    assert_eq!((&score.data["shields"], &score.data["arrows"]), (&json!(1), &json!(2)));
    assert_eq!((&score.data["rank"], &score.data["total"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn everybody_hears_of_the_start_and_of_the_final_standings() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    arena.score(&ada, 7).await;
    let mut client = Client::connect(&arena).await;
    client.subscribe(&format!("battle.{battle}")).await;

    let position = arena.enter_phase(battle, Phase::Running).await;
    let started = client.event_named("battle.started").await;
    assert_eq!(started.data["position"], position);
    arena.enter_phase(battle, Phase::Finished).await;
    let finished = client.event_named("battle.finished").await;
    assert_eq!(finished.data["standings"]["entries"][0]["username"], "ada");
    assert_eq!(finished.data["standings"]["entries"][0]["points"], 7);
}

#[tokio::test]
async fn everybody_hears_why_a_battle_was_cancelled() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let mut client = Client::connect(&arena).await;
    client.subscribe(&format!("battle.{battle}")).await;
    arena.enter_phase(battle, Phase::Cancelled).await;
    assert_eq!(client.event_named("battle.cancelled").await.data["reason"], "rain");
}

#[tokio::test]
async fn a_session_that_was_replaced_is_told_and_closed_for_good() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let before = arena.join(battle, "ada").await;
    let mut old = Client::connect(&arena).await;
    old.listen(&arena, &before).await;
    let mut other = Client::connect(&arena).await;
    other.subscribe(&format!("battle.{battle}")).await;

    let after = arena.replace_session(&before).await;
    let replaced = old.event().await;
    assert_eq!(replaced.name, "session.replaced");
    assert_eq!(replaced.data["session_id"], json!(after.session_id));
    assert_eq!(old.next().await, Next::Closed(4009));

    let mut new = Client::connect(&arena).await;
    new.listen(&arena, &after).await;
    arena.attack(&before, &after).await;
    assert_eq!(new.event().await.name, "attack.received");
}

#[tokio::test]
async fn who_unsubscribes_hears_no_more() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let mut client = Client::connect(&arena).await;
    client.listen(&arena, &ada).await;
    client.subscribe(&format!("battle.{battle}")).await;
    client.event_named("leaderboard.updated").await;
    client.say("pusher:unsubscribe", json!({ "channel": format!("battle.{battle}") })).await;
    client.say("pusher:ping", json!({})).await;
    client.event_named("pusher:pong").await;

    arena.enter_phase(battle, Phase::Running).await;
    arena.attack(&ada, &ada).await;
    assert_eq!(client.event().await.name, "attack.received");
}

#[tokio::test]
async fn alerts_that_the_bus_lost_are_read_from_the_tables() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let bob = arena.join(battle, "bob").await;
    let mut client = Client::connect(&arena).await;
    client.listen(&arena, &bob).await;
    let (_, first) = arena.attack_untold(&ada, &bob).await;
    let (_, second) = arena.attack_untold(&ada, &bob).await;
    // So many at once that the follower's queue on the bus overflows, on a runtime with one thread.
    for _ in 0..3_000 {
        let change = nimaora_change_bus::Change::Applied { board: false };
        arena.publish(battle, change, second).await;
    }
    for position in [first, second] {
        let alert = client.event_named("attack.received").await;
        assert_eq!(alert.data["position"], position);
    }
}
