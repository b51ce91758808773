//! What is scheduled happens, once, also when the server was down at the time. Who falls silent lapses, and may return.

use nimaora_api::v1;
use nimaora_command_service::Config;
use nimaora_sessions::Presence;
use tonic::Code;

use crate::support::{Server, at, battle, bearer, id, refused};

fn scheduled(starts_after_ms: i64, ends_after_ms: i64) -> v1::CreateBattleRequest {
    let schedule = v1::Schedule { starts_at: at(starts_after_ms), ends_at: at(ends_after_ms) };
    v1::CreateBattleRequest { schedule: Some(schedule), ..battle() }
}

#[tokio::test]
async fn a_battle_starts_and_ends_by_itself() {
    let server = Server::start().await;
    server.ready().await;
    server.create_with(scheduled(60_000, 120_000)).await;
    server.clock.advance(60_000);
    let events = server.wait_for_events(2).await;
    assert_eq!(&*events[1].event_type, "BattleStarted");
    server.clock.advance(60_000);
    let events = server.wait_for_events(3).await;
    assert_eq!(&*events[2].event_type, "BattleFinished");
    server.stop().await;
    assert_eq!(server.events().await.len(), 3);
}

#[tokio::test]
async fn what_was_missed_while_the_server_was_down_happens_when_it_is_up() {
    let server = Server::start().await;
    server.create_with(scheduled(60_000, 120_000)).await;
    server.stop().await;
    server.clock.advance(1_000_000);
    let server = server.restart().await;
    server.wait_for_events(3).await;
    let server = server.restart().await;
    server.ready().await;
    assert_eq!(server.event_types().await, ["BattleCreated", "BattleStarted", "BattleFinished"]);
}

#[tokio::test]
async fn a_start_by_hand_takes_the_place_of_the_scheduled_one() {
    let server = Server::start().await;
    let battle_id = server.create_with(scheduled(60_000, 120_000)).await.battle_id;
    server.begin(&battle_id).await;
    server.clock.advance(120_000);
    server.wait_for_events(3).await;
    assert_eq!(server.event_types().await, ["BattleCreated", "BattleStarted", "BattleFinished"]);
}

#[tokio::test]
async fn a_scheduled_start_outlasts_an_outage() {
    let server = Server::start().await;
    server.create_with(scheduled(60_000, 120_000)).await;
    server.log.set(crate::support::faulty_log::Fault::Unavailable);
    let appends = server.log.appends();
    server.clock.advance(60_000);
    server.log.wait_for_appends(appends + 1).await;
    assert_eq!(server.events().await.len(), 1);
    server.log.set(crate::support::faulty_log::Fault::None);
    let events = server.wait_for_events(2).await;
    assert_eq!(&*events[1].event_type, "BattleStarted");
}

#[tokio::test]
async fn the_silent_lapse_and_their_heartbeat_brings_them_back() {
    let server = Server::with(Config { lapse_check_ms: 5, ..Config::default() }).await;
    let duel = server.duel().await;
    server.clock.advance(90_000);
    // Bob is heard of in time, Ann is not.
    server.answer(&duel.bob.token, 1, "no").await.unwrap();
    server.clock.advance(1);
    let events = server.wait_for_events(6).await;
    assert_eq!(&*events[5].event_type, "ParticipantsLapsed");
    let data = String::from_utf8(events[5].data.to_vec()).unwrap();
    assert!(data.contains(&duel.ann.participant_id) && !data.contains(&duel.bob.participant_id), "{data}");

    let attack = server.attack(&duel.bob.token, &duel.ann.participant_id).await;
    refused(attack, Code::FailedPrecondition, "TARGET_INACTIVE");
    let heartbeat = || bearer(v1::HeartbeatRequest {}, &duel.ann.token);
    server.client.clone().heartbeat(heartbeat()).await.unwrap();
    let events = server.wait_for_events(7).await;
    assert_eq!(&*events[6].event_type, "ParticipantReturned");
    server.client.clone().heartbeat(heartbeat()).await.unwrap();
    server.attack(&duel.bob.token, &duel.ann.participant_id).await.unwrap();
    assert_eq!(server.events().await.len(), 8);
}

#[tokio::test]
async fn whoever_comes_back_while_the_lapsed_are_forgotten_is_waited_for() {
    let server = Server::with(Config { lapse_check_ms: 5, ..Config::default() }).await;
    let duel = server.duel().await;
    server.presence.hold_forgets(true);
    server.clock.advance(90_001);
    // Both lapse. The one with the smaller id is to be forgotten first, and the other one comes back meanwhile.
    server.presence.wait_for_forgets(1).await;
    let other = if duel.ann.participant_id < duel.bob.participant_id { &duel.bob } else { &duel.ann };
    server.client.clone().heartbeat(bearer(v1::HeartbeatRequest {}, &other.token)).await.unwrap();
    server.presence.hold_forgets(false);
    server.presence.wait_for_next_check().await;
    let ids = (duel.battle_id.parse().unwrap(), other.participant_id.parse().unwrap());
    assert_eq!(server.presence.last_seen_ms(ids.0, ids.1).await.unwrap(), Some(server.clock.now_ms()));
    assert_eq!(server.event_types().await.last().unwrap(), "ParticipantReturned");
}

#[tokio::test]
async fn whoever_stayed_away_over_a_restart_lapses_too() {
    let server = Server::with(Config { lapse_check_ms: 5, ..Config::default() }).await;
    server.duel().await;
    let server = server.restart().await;
    // Presence knows nobody at first; from when the battle is read again, silence counts.
    server.presence.wait_for_noted(2).await;
    server.clock.advance(90_001);
    let events = server.wait_for_events(5).await;
    assert_eq!(&*events[4].event_type, "ParticipantsLapsed");
}

#[tokio::test]
async fn nobody_is_overlooked_because_presence_was_down_at_the_start() {
    let server = Server::with(Config { lapse_check_ms: 5, ..Config::default() }).await;
    server.duel().await;
    let server = server.restart_with_presence_down().await;
    server.presence.wait_for_in_vain(2).await;
    server.presence.down(false);
    server.presence.wait_for_noted(2).await;
    server.clock.advance(90_001);
    let events = server.wait_for_events(5).await;
    assert_eq!(&*events[4].event_type, "ParticipantsLapsed");
}

#[tokio::test]
async fn nobody_is_waited_for_in_a_battle_that_is_over() {
    let server = Server::start().await;
    server.ready().await;
    let duel = server.duel().await;
    let command_id = id();
    server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id).await.unwrap();
    server.finish(&duel.battle_id).await;
    let battle_id = duel.battle_id.parse().unwrap();
    let participant_id = duel.ann.participant_id.parse().unwrap();
    // A repeat is no sign of life there, and the writer is done with the end of the battle when it takes it.
    server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id).await.unwrap();
    assert_eq!(server.presence.last_seen_ms(battle_id, participant_id).await.unwrap(), None);
}

/// Where the timers keep what they know.
fn kept(server: &Server) -> std::path::PathBuf {
    server.snapshot_dir().join("timers.kept")
}

#[tokio::test]
async fn a_start_reads_only_what_came_since_and_forgets_nothing_that_is_scheduled() {
    let server = Server::start().await;
    server.create_with(scheduled(60_000, 120_000)).await;
    let over = server.duel().await;
    server.finish(&over.battle_id).await;
    server.ready().await;
    let head = server.wait_for_events(6).await.last().unwrap().position;
    assert_eq!(server.log.followed(), [0]);
    // Once it is ready it knows all that was there before.
    let server = server.restart().await;
    server.ready().await;
    let server = server.restart().await;
    server.ready().await;
    assert_eq!(server.log.followed(), [head]);
    server.clock.advance(60_000);
    assert_eq!(&*server.wait_for_events(7).await[6].event_type, "BattleStarted");
    // It was killed before it kept anything of that.
    let old = std::fs::read(kept(&server)).unwrap();
    server.stop().await;
    std::fs::write(kept(&server), old).unwrap();
    let server = server.restart().await;
    server.clock.advance(60_000);
    assert_eq!(&*server.wait_for_events(8).await[7].event_type, "BattleFinished");
    server.ready().await;
    assert_eq!(server.log.followed(), [head]);
}

#[tokio::test]
async fn what_the_timers_kept_is_passed_over_where_it_does_not_fit() {
    let other = Server::start().await;
    for _ in 0..3 {
        other.create().await;
    }
    let other = other.restart().await;
    other.ready().await;
    other.stop().await;
    let foreign = std::fs::read(kept(&other)).unwrap();
    let mut server = Server::start().await;
    server.create_with(scheduled(60_000, 120_000)).await;
    server.ready().await;
    for (number, spoilt) in [foreign, b"{}".to_vec(), Vec::new()].into_iter().enumerate() {
        server.stop().await;
        std::fs::write(kept(&server), spoilt).unwrap();
        server = server.restart().await;
        server.ready().await;
        assert_eq!(server.log.followed(), [0], "the file number {number}");
    }
    server.clock.advance(60_000);
    assert_eq!(&*server.wait_for_events(2).await[1].event_type, "BattleStarted");
}
