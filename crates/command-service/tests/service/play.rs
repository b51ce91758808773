//! A battle from its creation to its end.

use nimaora_api::v1;
use nimaora_sessions::Presence;
use uuid::Uuid;

use crate::support::{Server, admin, battle, bearer, id};

#[tokio::test]
async fn a_battle_is_played_to_its_end() {
    let server = Server::start().await;
    let created = server.create_with(battle()).await;
    assert_eq!(created.join_code.len(), 8);
    assert_eq!(created.position, 1);
    let battle_id = created.battle_id;

    let ann = server.join(&battle_id, "  Ann ").await;
    assert_eq!((ann.username.as_str(), ann.position), ("Ann", 2));
    assert_eq!(ann.balance, Some(v1::Balance { points: 50, shields: 1, arrows: 100 }));
    let bob = server.join(&battle_id, "Bob").await;
    server.begin(&battle_id).await;

    let answered = server.answer(&ann.token, 1, " yes ").await.unwrap();
    assert_eq!((answered.verdict(), answered.attempt), (v1::Verdict::Correct, 1));
    assert_eq!(answered.earned, Some(v1::Balance { points: 10, shields: 1, arrows: 2 }));
    assert_eq!(answered.balance, Some(v1::Balance { points: 60, shields: 2, arrows: 102 }));
    assert_eq!(server.answer(&bob.token, 2, "41").await.unwrap().verdict(), v1::Verdict::Wrong);

    let blocked = server.attack(&ann.token, &bob.participant_id).await.unwrap();
    assert_eq!((blocked.blocked, blocked.points_deducted), (true, 0));
    let landed = server.attack(&ann.token, &bob.participant_id).await.unwrap();
    assert_eq!((landed.blocked, landed.points_deducted), (false, 1));
    assert_eq!(landed.balance, Some(v1::Balance { points: 60, shields: 2, arrows: 100 }));
    assert_eq!(landed.position, blocked.position + 1);

    let leave = bearer(v1::LeaveRequest { command_id: id() }, &bob.token);
    server.client.clone().leave(leave).await.unwrap();
    server.finish(&battle_id).await;
    let types = server.event_types().await;
    let expected = [
        "BattleCreated",
        "ParticipantJoined",
        "ParticipantJoined",
        "BattleStarted",
        "AnswerSubmitted",
        "AnswerSubmitted",
        "AttackLanded",
        "AttackLanded",
        "ParticipantLeft",
        "BattleFinished",
    ];
    assert_eq!(types, expected);
}

#[tokio::test]
async fn an_external_judge_decides_later() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let answered = server.answer(&duel.ann.token, 3, "fn main() {}").await.unwrap();
    assert_eq!(answered.verdict(), v1::Verdict::Pending);
    let request = v1::JudgeAnswerRequest {
        command_id: id(),
        battle_id: duel.battle_id.clone(),
        participant_id: duel.ann.participant_id.clone(),
        question_id: 3,
        attempt: 1,
        correct: true,
    };
    let judged = server.client.clone().judge_answer(admin(request)).await.unwrap().into_inner();
    assert_eq!(judged.earned, Some(v1::Balance { points: 10, shields: 1, arrows: 2 }));
    assert_eq!(judged.balance.unwrap().points, 60);
}

#[tokio::test]
async fn an_admin_removes_and_cancels() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let request = v1::RemoveParticipantRequest {
        command_id: id(),
        battle_id: duel.battle_id.clone(),
        participant_id: duel.bob.participant_id.clone(),
        reason: "cheating".into(),
    };
    server.client.clone().remove_participant(admin(request)).await.unwrap();
    let request = v1::CancelBattleRequest {
        command_id: id(),
        battle_id: duel.battle_id.clone(),
        reason: "rain".into(),
    };
    server.client.clone().cancel_battle(admin(request)).await.unwrap();
    let types = server.event_types().await;
    assert_eq!(types[types.len() - 2..], ["ParticipantRemoved", "BattleCancelled"]);
}

#[tokio::test]
async fn whoever_plays_is_present() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.clock.advance(5_000);
    server.answer(&duel.ann.token, 1, "no").await.unwrap();
    let ids = (duel.battle_id.parse().unwrap(), duel.ann.participant_id.parse().unwrap());
    let seen = server.presence.last_seen_ms(ids.0, ids.1).await.unwrap();
    assert_eq!(seen, Some(server.clock.now_ms()));
}

#[tokio::test]
async fn events_tell_who_did_it_and_to_which_trace_they_belong() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let command_id = id();
    let request =
        v1::AttackRequest { command_id: command_id.clone(), target_id: duel.bob.participant_id.clone() };
    let mut request = bearer(request, &duel.ann.token);
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    server.client.clone().attack(request).await.unwrap();

    let mut chain = nimaora_event_log::ChainHead::default();
    let mut envelopes = Vec::new();
    for event in server.events().await {
        envelopes.push(nimaora_event_log::envelope::open(&event, &mut chain).expect("the chain holds"));
    }
    let last = envelopes.last().unwrap();
    assert_eq!(last.actor, format!("participant:{}", duel.ann.participant_id));
    assert_eq!(last.command_id.0, Uuid::parse_str(&command_id).unwrap());
    assert_eq!(last.traceparent.as_deref(), Some(traceparent));
    assert_eq!(last.time.as_millis(), server.clock.now_ms());
    let actors: Vec<_> = envelopes.iter().map(|envelope| envelope.actor.as_str()).take(4).collect();
    assert_eq!(actors, ["admin", "guest", "guest", "admin"]);
}
