//! What overtakes what on its way to a player, and what becomes of changes that were lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use metrics_exporter_prometheus::PrometheusBuilder;
use nimaora_change_bus::Change;
use nimaora_domain::{ParticipantId, Phase, Timestamp};
use nimaora_realtime::Config;
use support::client::{Client, in_time};
use support::{Arena, Player, config};
use uuid::Uuid;

fn score(id: ParticipantId, position: u64) -> Change {
    Change::ScoreChanged { position, participant_id: id, points: 9, shields: 0, arrows: 0 }
}

/// A battle of two, and a client that listens to the second one's channel and to the battle's.
async fn listening(arena: &Arena) -> (Player, Player, Client) {
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let bob = arena.join(battle, "bob").await;
    let mut client = Client::connect(arena).await;
    client.subscribe(&format!("battle.{battle}")).await;
    assert_eq!(client.event().await.name, "leaderboard.updated");
    client.listen(arena, &bob).await;
    (ada, bob, client)
}

#[tokio::test]
async fn what_is_urgent_overtakes_what_came_before() {
    const CROWD: u128 = 100_000;
    let arena = Arena::start(config()).await;
    let (ada, bob, mut client) = listening(&arena).await;
    let (attack, position) = arena.attack_untold(&ada, &bob).await;
    // A crowd scores, and bob last of all.
    let mut scores: Vec<_> = (0..CROWD).map(|n| score(ParticipantId(Uuid::from_u128(n)), position)).collect();
    scores.push(score(bob.id, position));
    arena.publish_together(bob.battle_id, scores, position).await;
    // The scores are being told.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let started = Change::BattleStarted { position, started_at: Timestamp::from_millis(0) };
    arena.publish(bob.battle_id, started, position).await;
    arena.publish(bob.battle_id, attack, position).await;
    for name in ["attack.received", "battle.started", "score.changed"] {
        assert_eq!(client.event().await.name, name);
    }
}

#[tokio::test]
async fn what_was_lost_is_told_in_its_order_once_the_tables_answer() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let count = |name: &str| {
        let shown = recorder.handle().render();
        let line = shown.lines().find_map(|line| line.strip_prefix(&format!("nimaora_realtime_{name} ")));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let arena = Arena::start(Config { alerts_page_max: 2, ..config() }).await;
    let (ada, bob, mut client) = listening(&arena).await;

    // Lost: five alerts, and the end of the battle.
    let mut owed = Vec::new();
    for _ in 0..5 {
        owed.push(arena.attack_untold(&ada, &bob).await.1);
    }
    arena.enter_phase_untold(bob.battle_id, Phase::Finished).await;
    let (attack, position) = arena.attack_untold(&ada, &bob).await;
    owed.push(position);
    arena.hide_battles().await;
    arena.overflow(bob.battle_id).await;
    in_time(async {
        while count("catch_up_failures_total") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(count("catch_ups_total"), 0, "a failure is no success");

    // Meanwhile the battle goes on, and no alert overtakes those that are owed.
    arena.publish(bob.battle_id, attack, position).await;
    arena.publish(bob.battle_id, score(bob.id, position), position).await;
    assert_eq!(client.event_named("score.changed").await.data["position"], position);

    arena.show_battles().await;
    let (mut alerts, mut is_over) = (Vec::new(), false);
    while alerts.len() < owed.len() || !is_over {
        let event = client.event().await;
        match event.name.as_str() {
            "attack.received" => alerts.push(event.data["position"].as_u64().unwrap()),
            "battle.finished" => is_over = true,
            _ => {}
        }
    }
    assert_eq!(alerts, owed);
    in_time(async {
        while count("catch_ups_total") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let next = arena.attack(&ada, &bob).await;
    assert_eq!(client.event_named("attack.received").await.data["position"], next, "each is told once");
}

#[tokio::test]
async fn a_session_whose_end_was_lost_is_ended_all_the_same() {
    let arena = Arena::start(config()).await;
    let (_, bob, mut client) = listening(&arena).await;
    arena.replace_session_untold(&bob).await;
    arena.overflow(bob.battle_id).await;
    client.event_named("session.replaced").await;
    assert_eq!(client.close_code().await, 4009);
}
