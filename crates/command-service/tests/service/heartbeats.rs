//! A heartbeat is judged like a command and costs like none: it reads nothing, appends nothing and waits for nobody.

use nimaora_api::v1;
use nimaora_command_service::Config;
use nimaora_sessions::{Presence, Role};
use tonic::{Code, Status};

use crate::support::faulty_log::Fault;
use crate::support::{Duel, Server, admin, bearer, id, refused, token};

async fn heartbeat(server: &Server, token: &str) -> Result<(), Status> {
    server.client.clone().heartbeat(bearer(v1::HeartbeatRequest {}, token)).await.map(drop)
}

async fn sign_in_again(server: &Server, token: &str) -> Result<String, Status> {
    let request = bearer(v1::ReplaceSessionRequest { command_id: id() }, token);
    Ok(server.client.clone().replace_session(request).await?.into_inner().token)
}

/// When Ann was last heard of.
async fn ann_seen_ms(server: &Server, duel: &Duel) -> Option<i64> {
    let ids = (duel.battle_id.parse().unwrap(), duel.ann.participant_id.parse().unwrap());
    server.presence.last_seen_ms(ids.0, ids.1).await.unwrap()
}

#[tokio::test]
async fn it_tells_presence_and_asks_nobody_else() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.log.set(Fault::Hangs);
    let (appends, reads) = (server.log.appends(), server.log.reads());
    let attack = server.attack(&duel.ann.token, &duel.bob.participant_id);
    let heartbeats = async {
        server.log.wait_for_appends(appends + 1).await;
        for _ in 0..100 {
            server.clock.advance(10);
            heartbeat(&server, &duel.ann.token).await.unwrap();
            assert_eq!(ann_seen_ms(&server, &duel).await, Some(server.clock.now_ms()));
        }
        assert_eq!((server.log.appends(), server.log.reads()), (appends + 1, reads));
        server.log.set(Fault::None);
    };
    tokio::join!(attack, heartbeats).0.unwrap();
}

#[tokio::test]
async fn a_session_that_was_replaced_is_told_so() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let newer = sign_in_again(&server, &duel.ann.token).await.unwrap();
    let seen_ms = ann_seen_ms(&server, &duel).await;
    server.clock.advance(10);
    let code = Code::Unauthenticated;
    refused(heartbeat(&server, &duel.ann.token).await, code, "SESSION_REPLACED");
    assert_eq!(ann_seen_ms(&server, &duel).await, seen_ms);
    heartbeat(&server, &newer).await.unwrap();
    assert_eq!(ann_seen_ms(&server, &duel).await, Some(server.clock.now_ms()));
    // Also where the battle has to be read first.
    let server = server.restart().await;
    refused(heartbeat(&server, &duel.ann.token).await, code, "SESSION_REPLACED");
    heartbeat(&server, &newer).await.unwrap();
}

#[tokio::test]
async fn a_session_is_replaced_when_that_is_durable_and_not_before() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.log.set(Fault::Hangs);
    let appends = server.log.appends();
    let replace = sign_in_again(&server, &duel.ann.token);
    let meanwhile = async {
        server.log.wait_for_appends(appends + 1).await;
        heartbeat(&server, &duel.ann.token).await.unwrap();
        server.log.set(Fault::UnknownAndLost);
    };
    let (replaced, ()) = tokio::join!(replace, meanwhile);
    refused(replaced, Code::Unavailable, "LOG_UNAVAILABLE");
    heartbeat(&server, &duel.ann.token).await.unwrap();
}

#[tokio::test]
async fn who_does_not_take_part_is_told_why() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let stranger = Role::Participant {
        battle_id: duel.battle_id.parse().unwrap(),
        participant_id: id().parse().unwrap(),
        session_id: id().parse().unwrap(),
    };
    let answer = heartbeat(&server, &token(stranger)).await;
    refused(answer, Code::NotFound, "PARTICIPANT_UNKNOWN");
    let leave = bearer(v1::LeaveRequest { command_id: id() }, &duel.ann.token);
    server.client.clone().leave(leave).await.unwrap();
    let remove = v1::RemoveParticipantRequest {
        command_id: id(),
        battle_id: duel.battle_id.clone(),
        participant_id: duel.bob.participant_id.clone(),
        reason: "cheating".into(),
    };
    server.client.clone().remove_participant(admin(remove)).await.unwrap();
    let code = Code::FailedPrecondition;
    refused(heartbeat(&server, &duel.ann.token).await, code, "PARTICIPANT_LEFT");
    refused(heartbeat(&server, &duel.bob.token).await, code, "PARTICIPANT_REMOVED");
    assert_eq!(ann_seen_ms(&server, &duel).await, None);
}

#[tokio::test]
async fn an_outage_of_the_log_makes_nobody_seem_silent() {
    let server = Server::with(Config { lapse_check_ms: 1_000_000, ..Config::default() }).await;
    let duel = server.duel().await;
    // Nothing is in memory, and nothing can be read into it.
    let server = server.restart().await;
    server.ready().await;
    for fault in [Fault::Unavailable, Fault::Hangs] {
        server.log.set_reads(fault);
        server.clock.advance(10);
        heartbeat(&server, &duel.ann.token).await.unwrap();
        assert_eq!(ann_seen_ms(&server, &duel).await, Some(server.clock.now_ms()));
    }
    server.log.set_reads(Fault::None);
    server.attack(&duel.ann.token, &duel.bob.participant_id).await.unwrap();
}

#[tokio::test]
async fn it_means_nothing_in_a_battle_that_is_over() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.finish(&duel.battle_id).await;
    heartbeat(&server, &duel.ann.token).await.unwrap();
    // The writer is done with the end of the battle when it takes the next command.
    let late = server.attack(&duel.ann.token, &duel.bob.participant_id).await;
    refused(late, Code::FailedPrecondition, "BATTLE_FINISHED");
    assert_eq!(ann_seen_ms(&server, &duel).await, None);
    let server = server.restart().await;
    server.ready().await;
    let reads = server.log.reads();
    heartbeat(&server, &duel.ann.token).await.unwrap();
    assert_eq!(ann_seen_ms(&server, &duel).await, None);
    assert_eq!(server.log.reads(), reads);
}

#[tokio::test]
async fn one_that_comes_as_the_battle_ends_is_not_kept() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let arrived = server.presence.arrived();
    server.presence.hold(true);
    let late = heartbeat(&server, &duel.ann.token);
    let end = async {
        server.presence.wait_for_arrived(arrived + 1).await;
        server.finish(&duel.battle_id).await;
        let attack = server.attack(&duel.ann.token, &duel.bob.participant_id).await;
        refused(attack, Code::FailedPrecondition, "BATTLE_FINISHED");
        server.presence.hold(false);
    };
    tokio::join!(late, end).0.unwrap();
    assert_eq!(ann_seen_ms(&server, &duel).await, None);
}
