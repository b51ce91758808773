//! Sockets as signs of life.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_domain::Phase;
use nimaora_realtime::Config;
use nimaora_sessions::Presence;
use support::client::{Client, in_time};
use support::{Arena, Player, config};

async fn is_seen(arena: &Arena, player: &Player, at_least_ms: i64) {
    in_time(async {
        while arena.presence.last_seen_ms(player.battle_id, player.id).await.unwrap() < Some(at_least_ms) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_listens_is_seen_as_long_as_its_battle_goes_on() {
    let arena = Arena::start(Config { sign_of_life_ms: 5, ..config() }).await;
    let (over, battle) = (arena.create_battle().await, arena.create_battle().await);
    let (ada, bob) = (arena.join(over, "ada").await, arena.join(battle, "bob").await);
    let mut at_ada = Client::connect(&arena).await;
    at_ada.listen(&arena, &ada).await;
    is_seen(&arena, &ada, 1).await;
    arena.enter_phase(over, Phase::Running).await;
    at_ada.subscribe(&format!("battle.{over}")).await;
    arena.enter_phase(over, Phase::Finished).await;
    at_ada.event_named("battle.finished").await;
    // A sign may have been on its way.
    arena.presence.forget_battle(over).await.unwrap();

    let mut at_bob = Client::connect(&arena).await;
    at_bob.listen(&arena, &bob).await;
    is_seen(&arena, &bob, 1).await;
    arena.presence.forget_battle(over).await.unwrap();
    arena.pass_time_ms(60_000);
    let seen_ms = arena.presence.last_seen_ms(battle, bob.id).await.unwrap().unwrap();
    for later in 1..4 {
        is_seen(&arena, &bob, seen_ms + 60_000 * later).await;
        arena.pass_time_ms(60_000);
    }
    assert_eq!(arena.presence.last_seen_ms(over, ada.id).await.unwrap(), None);
}
