//! Bad input and the rules: each gets its code and its reason, and nothing is appended.

use nimaora_api::v1;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::support::{Server, admin, at, battle, bearer, id, refused};

#[tokio::test]
async fn an_unknown_battle_is_not_found() {
    let server = Server::start().await;
    refused(server.try_join(&id(), "Ann").await, Code::NotFound, "BATTLE_UNKNOWN");
    let request = v1::StartBattleRequest { command_id: id(), battle_id: id() };
    refused(server.client.clone().start_battle(admin(request)).await, Code::NotFound, "BATTLE_UNKNOWN");
    assert_eq!(server.log.appends(), 0);
}

#[tokio::test]
async fn malformed_fields_are_named() {
    let server = Server::start().await;
    let request =
        v1::JoinRequest { command_id: "1".into(), battle_id: String::new(), username: "Ann".into() };
    let status = refused(server.join_as(request).await, Code::InvalidArgument, "INVALID_FIELD");
    let details = status.get_error_details();
    let fields: Vec<_> =
        details.bad_request().unwrap().field_violations.iter().map(|v| v.field.clone()).collect();
    assert_eq!(fields, ["command_id", "battle_id"]);

    let mut request = battle();
    request.title = " ".into();
    request.questions[1].accepted_answers = vec!["no number".into()];
    let status = refused(
        server.client.clone().create_battle(admin(request)).await,
        Code::InvalidArgument,
        "INVALID_COMMAND",
    );
    let details = status.get_error_details();
    let fields: Vec<_> =
        details.bad_request().unwrap().field_violations.iter().map(|v| v.field.clone()).collect();
    assert_eq!(fields, ["title", "questions[1].accepted_answers[0]"]);
    assert_eq!(server.log.appends(), 0);
}

#[tokio::test]
async fn a_name_has_to_be_possible_and_free() {
    let server = Server::start().await;
    let battle_id = server.create().await;
    let tower = format!("a{}", "\u{315}".repeat(49));
    for name in
        ["", "   ", "\u{7}", &"x".repeat(51), "a\u{202e}b", "\u{301}\u{301}", &tower, "a\u{ffff}", "\u{e000}"]
    {
        let status =
            refused(server.try_join(&battle_id, name).await, Code::InvalidArgument, "INVALID_COMMAND");
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "username", "{name:?}");
    }
    server.join(&battle_id, "Ann").await;
    for name in ["Ann", " ann ", "ＡＮＮ"] {
        refused(server.try_join(&battle_id, name).await, Code::AlreadyExists, "USERNAME_TAKEN");
    }
    assert_eq!(server.events().await.len(), 2);
}

#[tokio::test]
async fn a_battle_that_does_not_run_takes_no_play() {
    let server = Server::start().await;
    let battle_id = server.create().await;
    let ann = server.join(&battle_id, "Ann").await;
    let bob = server.join(&battle_id, "Bob").await;
    let code = Code::FailedPrecondition;
    refused(server.attack(&ann.token, &bob.participant_id).await, code, "BATTLE_NOT_STARTED");
    refused(server.answer(&ann.token, 1, "yes").await, code, "BATTLE_NOT_STARTED");
    server.begin(&battle_id).await;
    let again = v1::StartBattleRequest { command_id: id(), battle_id: battle_id.clone() };
    refused(server.client.clone().start_battle(admin(again)).await, code, "BATTLE_STARTED");
    server.finish(&battle_id).await;
    refused(server.attack(&ann.token, &bob.participant_id).await, code, "BATTLE_FINISHED");
    refused(server.try_join(&battle_id, "Cid").await, code, "BATTLE_FINISHED");

    let battle_id = server.create().await;
    let request =
        v1::CancelBattleRequest { command_id: id(), battle_id: battle_id.clone(), reason: String::new() };
    server.client.clone().cancel_battle(admin(request)).await.unwrap();
    refused(server.try_join(&battle_id, "Cid").await, code, "BATTLE_CANCELLED");
}

#[tokio::test]
async fn joining_is_limited() {
    let server = Server::start().await;
    let mut small = battle();
    small.rules = Some(v1::Rules { participants_max: 1, join_closes_at_start: true, ..Default::default() });
    let battle_id = server.create_with(small).await.battle_id;
    server.join(&battle_id, "Ann").await;
    refused(server.try_join(&battle_id, "Bob").await, Code::FailedPrecondition, "BATTLE_FULL");
    server.begin(&battle_id).await;
    refused(server.try_join(&battle_id, "Bob").await, Code::FailedPrecondition, "JOIN_CLOSED");
}

#[tokio::test]
async fn an_attack_needs_an_arrow_and_somebody_to_hit() {
    let server = Server::start().await;
    let mut poor = battle();
    let initial = v1::Balance { points: 1, shields: 0, arrows: 1 };
    poor.rules = Some(v1::Rules { initial: Some(initial), ..Default::default() });
    let battle_id = server.create_with(poor).await.battle_id;
    let mut players = Vec::new();
    for name in ["Ann", "Bob", "Cid", "Dan"] {
        players.push(server.join(&battle_id, name).await);
    }
    let [ann, bob, cid, dan] = &players[..] else { panic!() };
    server.begin(&battle_id).await;
    let code = Code::FailedPrecondition;
    refused(server.attack(&ann.token, &ann.participant_id).await, code, "TARGET_IS_ATTACKER");
    refused(server.attack(&ann.token, &id()).await, Code::NotFound, "PARTICIPANT_UNKNOWN");
    refused(server.attack(&ann.token, "Bob").await, Code::InvalidArgument, "INVALID_FIELD");
    server.attack(&ann.token, &bob.participant_id).await.unwrap();
    refused(server.attack(&ann.token, &bob.participant_id).await, code, "NO_ARROWS");
    refused(server.attack(&cid.token, &bob.participant_id).await, code, "TARGET_WITHOUT_POINTS");
    server.client.clone().leave(bearer(v1::LeaveRequest { command_id: id() }, &dan.token)).await.unwrap();
    refused(server.attack(&cid.token, &dan.participant_id).await, code, "TARGET_INACTIVE");
    refused(server.attack(&dan.token, &cid.participant_id).await, code, "PARTICIPANT_LEFT");
}

#[tokio::test]
async fn a_question_is_answered_once_and_in_time() {
    let server = Server::start().await;
    let mut timed = battle();
    timed.questions[0].opens_after_ms = 1_000;
    timed.questions[0].answering_time_ms = 1_000;
    let battle_id = server.create_with(timed).await.battle_id;
    let ann = server.join(&battle_id, "Ann").await;
    let bob = server.join(&battle_id, "Bob").await;
    server.begin(&battle_id).await;
    let code = Code::FailedPrecondition;
    refused(server.answer(&ann.token, 9, "yes").await, Code::NotFound, "QUESTION_UNKNOWN");
    refused(server.answer(&ann.token, 1, "yes").await, code, "QUESTION_NOT_OPEN");
    server.clock.advance(1_500);
    refused(server.answer(&ann.token, 1, &"x".repeat(1_025)).await, Code::InvalidArgument, "INVALID_COMMAND");
    server.answer(&ann.token, 1, "yes").await.unwrap();
    refused(server.answer(&ann.token, 1, "yes").await, code, "ALREADY_ANSWERED");
    for _ in 0..2 {
        server.answer(&ann.token, 2, "1").await.unwrap();
    }
    refused(server.answer(&ann.token, 2, "42").await, code, "ATTEMPTS_EXHAUSTED");
    server.answer(&ann.token, 3, "code").await.unwrap();
    refused(server.answer(&ann.token, 3, "code").await, code, "VERDICT_PENDING");
    server.clock.advance(1_000);
    refused(server.answer(&bob.token, 1, "yes").await, code, "ANSWER_LATE");
    let request = v1::JudgeAnswerRequest {
        command_id: id(),
        battle_id,
        participant_id: bob.participant_id,
        question_id: 3,
        attempt: 1,
        correct: true,
    };
    refused(server.client.clone().judge_answer(admin(request)).await, code, "NOTHING_TO_JUDGE");
}

#[tokio::test]
async fn whoever_is_removed_acts_no_more() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let request = v1::RemoveParticipantRequest {
        command_id: id(),
        battle_id: duel.battle_id.clone(),
        participant_id: duel.bob.participant_id.clone(),
        reason: "x".repeat(201),
    };
    let remove = |request: v1::RemoveParticipantRequest| {
        let mut client = server.client.clone();
        async move { client.remove_participant(admin(request)).await }
    };
    refused(remove(request.clone()).await, Code::InvalidArgument, "INVALID_COMMAND");
    remove(v1::RemoveParticipantRequest { reason: "cheating".into(), ..request }).await.unwrap();
    let attack = server.attack(&duel.bob.token, &duel.ann.participant_id).await;
    refused(attack, Code::FailedPrecondition, "PARTICIPANT_REMOVED");
}

#[tokio::test]
async fn an_oversize_message_is_not_read() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let answer = server.answer(&duel.ann.token, 1, &"x".repeat(600 * 1024)).await;
    refused(answer, Code::OutOfRange, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_compressed_message_is_not_read_and_told_from_an_unknown_method() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let request = v1::AttackRequest { command_id: id(), target_id: duel.bob.participant_id };
    let mut request = bearer(request, &duel.ann.token);
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let status =
        refused(server.client.clone().attack(request).await, Code::Unimplemented, "ENCODING_UNSUPPORTED");
    assert!(status.message().contains("gzip") && status.message().contains("uncompressed"), "{status}");
}

#[tokio::test]
async fn what_no_answer_or_name_can_be_does_not_wait_for_the_battle() {
    let server = Server::start().await;
    let duel = server.duel().await;
    // Nothing is read or written for these: the log does not even answer.
    server.log.set(crate::support::faulty_log::Fault::Hangs);
    let answer = server.answer(&duel.ann.token, 3, &"x".repeat(64 * 1024 + 1)).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_COMMAND");
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations[0].field, "answer");
    let join = server.try_join(&id(), &"x".repeat(100 * 1024)).await;
    let status = refused(join, Code::InvalidArgument, "INVALID_COMMAND");
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations[0].field, "username");
}

#[tokio::test]
async fn a_schedule_has_to_be_possible() {
    let server = Server::start().await;
    let mut backwards = battle();
    backwards.schedule = Some(v1::Schedule { starts_at: at(2_000), ends_at: at(1_000) });
    let answer = server.client.clone().create_battle(admin(backwards)).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_COMMAND");
    let details = status.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "schedule.ends_at");
    let request = Request::new(v1::AttackRequest::default());
    refused(server.client.clone().attack(request).await, Code::Unauthenticated, "TOKEN_MISSING");
}
