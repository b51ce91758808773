//! What nodes do of their own accord, each once, however many there are and whichever dies.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nimaora_command_service::Config;
use nimaora_domain::{Event, ParticipantId, codec};
use nimaora_event_log::RecordedEvent;

use crate::support::Cluster;

/// How often each stream is among the events.
fn by_stream(events: &[RecordedEvent]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for event in events {
        *counts.entry(&*event.stream).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_scheduled_start_and_end_happen_once_also_when_the_owner_dies() {
    const BATTLES: usize = 6;
    let mut start_ms: i64 = 1_500;
    let mut cluster = loop {
        let mut cluster = Cluster::start_on_jetstream(2, "").await;
        let began = Instant::now();
        for number in 0..BATTLES {
            let from_now_ms = Some((start_ms, 2 * start_ms));
            cluster.create_scheduled(number % 2, "?", from_now_ms).await.unwrap();
        }
        // It owns at least those that it created.
        cluster.crash(0);
        if began.elapsed() < Duration::from_millis(start_ms.unsigned_abs()) {
            break cluster;
        }
        // On a machine so slow something may have started before the crash, which would then show nothing.
        cluster.stop().await;
        start_ms *= 4;
    };
    let ended = |events: &[RecordedEvent]| {
        events.iter().filter(|event| &*event.event_type == "BattleFinished").count() >= BATTLES
    };
    let events = cluster.events(&["BattleStarted", "BattleFinished"], ended).await;
    let counts = by_stream(&events);
    assert_eq!(counts.len(), BATTLES);
    // One start and one end each.
    assert!(counts.values().all(|count| *count == 2), "{counts:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn who_falls_silent_lapses_once_though_every_node_looks() {
    const PLAYERS: usize = 20;
    let config = Config { lapse_after_ms: 1_000, lapse_check_ms: 100, ..Config::default() };
    let mut cluster = Cluster::start_with(2, "", config).await;
    let tokens = cluster.essays(0, PLAYERS).await;
    let lapses_of = |events: &[RecordedEvent]| {
        let mut lapses: HashMap<ParticipantId, usize> = HashMap::new();
        for event in events {
            if let Event::ParticipantsLapsed(event) = codec::decode(&event.event_type, &event.data).unwrap() {
                event.participant_ids.into_iter().for_each(|id| *lapses.entry(id).or_default() += 1);
            }
        }
        lapses
    };
    let all = |events: &[RecordedEvent]| lapses_of(events).len() == PLAYERS;
    cluster.events(&["ParticipantsLapsed"], all).await;
    // One comes back, at either node, and falls silent again: by then every node has looked at the others many times.
    cluster.heartbeat(1, &tokens[0]).await.unwrap();
    let again = |events: &[RecordedEvent]| lapses_of(events).values().any(|lapses| *lapses == 2);
    let events = cluster.events(&["ParticipantsLapsed"], again).await;
    let mut counts: Vec<_> = lapses_of(&events).into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [vec![1; PLAYERS - 1], vec![2]].concat());
    cluster.stop().await;
}

#[tokio::test]
async fn a_command_has_one_answer_on_jetstream_whoever_owns_its_battle() {
    let mut cluster = Cluster::start_on_jetstream(3, "").await;
    let duel = cluster.duel(0).await;
    let command_id = crate::support::id();
    let first = cluster.attack(0, &command_id, &duel).await.unwrap();
    // The next owner after a hand-over.
    cluster.nodes[0].service.drain().await;
    assert_eq!(cluster.attack(1, &command_id, &duel).await.unwrap(), first);
    // The next one after a crash.
    let owner = cluster.owner_seen_by(1, &duel).await;
    let owner = if owner == "node-1" { 1 } else { 2 };
    cluster.crash(owner);
    let other = 3 - owner;
    assert_eq!(cluster.attack(other, &command_id, &duel).await.unwrap(), first);
    assert_eq!(cluster.attack(other, &crate::support::id(), &duel).await.unwrap(), first - 1);
    cluster.stop().await;
}
