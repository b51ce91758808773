//! What is scheduled happens, once, also when the server was down at the time. Who falls silent lapses, and may return.

use nimaora_api::v1;
use nimaora_command_service::Config;
use nimaora_sessions::Presence;

use crate::support::{PATIENCE, Server, at, battle, bearer, id};

fn scheduled(starts_after_ms: i64, ends_after_ms: i64) -> v1::CreateBattleRequest {
    let schedule = v1::Schedule { starts_at: at(starts_after_ms), ends_at: at(ends_after_ms) };
    v1::CreateBattleRequest { schedule: Some(schedule), ..battle() }
}

async fn ready(server: &Server) {
    let mut ready = server.health.watch();
    tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready))
        .await
        .expect("the service is not ready")
        .unwrap();
}

#[tokio::test]
async fn a_battle_starts_and_ends_by_itself() {
    let server = Server::start().await;
    ready(&server).await;
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
    ready(&server).await;
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

    let heartbeat = || bearer(v1::HeartbeatRequest {}, &duel.ann.token);
    server.client.clone().heartbeat(heartbeat()).await.unwrap();
    let events = server.wait_for_events(7).await;
    assert_eq!(&*events[6].event_type, "ParticipantReturned");
    server.client.clone().heartbeat(heartbeat()).await.unwrap();
    server.attack(&duel.bob.token, &duel.ann.participant_id).await.unwrap();
    assert_eq!(server.events().await.len(), 8);
}

#[tokio::test]
async fn whoever_stayed_away_over_a_restart_lapses_too() {
    let server = Server::with(Config { lapse_check_ms: 5, ..Config::default() }).await;
    server.duel().await;
    let server = server.restart().await;
    ready(&server).await;
    let lapsed = async {
        while server.events().await.len() < 5 {
            // Presence knows nobody at first; from when the battle is read again, silence counts.
            server.clock.advance(45_001);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, lapsed).await.expect("nobody lapsed");
    assert_eq!(server.event_types().await[4], "ParticipantsLapsed");
}

#[tokio::test]
async fn nobody_is_waited_for_in_a_battle_that_is_over() {
    let server = Server::start().await;
    ready(&server).await;
    let duel = server.duel().await;
    let command_id = id();
    server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id).await.unwrap();
    server.finish(&duel.battle_id).await;
    let battle_id = duel.battle_id.parse().unwrap();
    let participant_id = duel.ann.participant_id.parse().unwrap();
    let seen = || server.presence.last_seen_ms(battle_id, participant_id);
    let forgotten = async {
        while seen().await.unwrap().is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.expect("presence was kept");
    server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id).await.unwrap();
    assert_eq!(seen().await.unwrap(), None);
}
