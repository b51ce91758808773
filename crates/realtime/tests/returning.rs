//! What a participant is told when it returns after a while without a socket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_domain::Phase;
use nimaora_realtime::Config;
use serde_json::json;
use support::client::{Client, post};
use support::{Arena, Player, config};

/// Two who play, and the battle's first event after them.
async fn players(arena: &Arena) -> (Player, Player) {
    let battle = arena.create_battle().await;
    (arena.join(battle, "ada").await, arena.join(battle, "bob").await)
}

/// Listens, and says which alert was the last that it had.
async fn listen_after(arena: &Arena, player: &Player, after: u64) -> Client {
    let mut client = Client::connect(arena).await;
    let wish = json!({ "socket_id": client.socket_id, "channel_name": player.channel(), "after": after });
    let token = arena.token(player);
    let (status, mut signed) =
        post(arena, "/pusher/auth", Some(&token), "application/json", wish.to_string()).await;
    assert_eq!(status, 200, "{signed}");
    signed["channel"] = player.channel().into();
    client.say("pusher:subscribe", signed).await;
    client.confirmed(&player.channel()).await;
    client
}

/// The next alerts have these positions; behind them comes what the test does last.
async fn assert_alerts(client: &mut Client, positions: &[u64]) {
    for position in positions {
        let alert = client.event().await;
        assert_eq!((alert.name.as_str(), &alert.data["position"]), ("attack.received", &json!(position)));
        assert!(alert.data["event_id"].is_string());
    }
}

/// Nothing else was said before this.
async fn assert_quiet(client: &mut Client) {
    client.say("pusher:ping", json!({})).await;
    assert_eq!(client.event().await.name, "pusher:pong");
}

#[tokio::test]
async fn alerts_that_were_missed_are_told_in_order_on_return() {
    let arena = Arena::start(config()).await;
    let (ada, bob) = players(&arena).await;
    let mut before = Client::connect(&arena).await;
    before.listen(&arena, &bob).await;
    let first = arena.attack(&ada, &bob).await;
    assert_alerts(&mut before, &[first]).await;
    drop(before);
    let second = arena.attack(&ada, &bob).await;
    let third = arena.attack(&ada, &bob).await;

    // A client that says nothing of what it had gets it again: at least once.
    let mut returned = Client::connect(&arena).await;
    returned.listen(&arena, &bob).await;
    assert_alerts(&mut returned, &[first, second, third]).await;
    let fourth = arena.attack(&ada, &bob).await;
    assert_alerts(&mut returned, &[fourth]).await;
    assert_quiet(&mut returned).await;
}

#[tokio::test]
async fn who_says_what_it_had_last_is_told_what_came_after_it_once() {
    let arena = Arena::start(config()).await;
    let (ada, bob) = players(&arena).await;
    let had = arena.attack(&ada, &bob).await;
    let missed = arena.attack(&ada, &bob).await;
    let mut returned = listen_after(&arena, &bob, had).await;
    assert_alerts(&mut returned, &[missed]).await;
    assert_quiet(&mut returned).await;
    // A position that there is not yet hides nothing that comes.
    for after in [1_000_000, u64::MAX] {
        let mut ahead = listen_after(&arena, &bob, after).await;
        let next = arena.attack(&ada, &bob).await;
        while ahead.event().await.data["position"] != json!(next) {}
    }
}

#[tokio::test]
async fn a_socket_whose_end_nobody_noticed_takes_no_alert_with_it() {
    let arena = Arena::start(config()).await;
    let (ada, bob) = players(&arena).await;
    let mut silent = Client::connect(&arena).await;
    silent.listen(&arena, &bob).await;
    // Written to a socket that nobody reads any more.
    let missed = arena.attack(&ada, &bob).await;
    let mut returned = Client::connect(&arena).await;
    returned.listen(&arena, &bob).await;
    assert_alerts(&mut returned, &[missed]).await;
    assert_alerts(&mut silent, &[missed]).await;
    assert_quiet(&mut silent).await;
}

#[tokio::test]
async fn of_many_missed_alerts_the_newest_are_told() {
    let arena = Arena::start(Config { missed_alerts_max: 3, alerts_page_max: 2, ..config() }).await;
    let (ada, bob) = players(&arena).await;
    let mut positions = Vec::new();
    for _ in 0..6 {
        positions.push(arena.attack(&ada, &bob).await);
    }
    let mut returned = Client::connect(&arena).await;
    returned.listen(&arena, &bob).await;
    assert_alerts(&mut returned, &positions[3..]).await;
    assert_quiet(&mut returned).await;
}

#[tokio::test]
async fn old_alerts_are_not_told() {
    let arena = Arena::start(Config { missed_alerts_age_max_s: 30, ..config() }).await;
    let (ada, bob) = players(&arena).await;
    arena.attack(&ada, &bob).await;
    arena.pass_time_ms(30_001);
    let mut returned = Client::connect(&arena).await;
    returned.listen(&arena, &bob).await;
    assert_quiet(&mut returned).await;
    let next = arena.attack(&ada, &bob).await;
    assert_alerts(&mut returned, &[next]).await;
}

#[tokio::test]
async fn alerts_are_told_to_nobody_else() {
    let arena = Arena::start(config()).await;
    let (ada, bob) = players(&arena).await;
    arena.attack(&ada, &bob).await;
    let mut attacker = Client::connect(&arena).await;
    attacker.listen(&arena, &ada).await;
    assert_quiet(&mut attacker).await;
    arena.enter_phase(bob.battle_id, Phase::Running).await;
    assert_quiet(&mut attacker).await;
}
