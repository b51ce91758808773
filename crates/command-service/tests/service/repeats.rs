//! The same command id gets the same answer and appends nothing twice.

use nimaora_api::v1;
use tonic::Code;

use crate::support::faulty_log::Fault;
use crate::support::{Server, battle, bearer, id, refused};

#[tokio::test]
async fn a_repeat_gets_the_same_answer_also_after_a_restart() {
    let server = Server::start().await;
    let request = battle();
    let created = server.create_with(request.clone()).await;
    let join =
        v1::JoinRequest { command_id: id(), battle_id: created.battle_id.clone(), username: "Ann".into() };
    let ann = server.join_as(join.clone()).await.unwrap();
    let bob = server.join(&created.battle_id, "Bob").await;
    server.begin(&created.battle_id).await;
    let command_id = id();
    let attacked = server.attack_as(&command_id, &ann.token, &bob.participant_id).await.unwrap();
    let events = server.events().await.len();

    let mut server = server;
    for _ in 0..2 {
        assert_eq!(server.create_with(request.clone()).await, created);
        let again = server.join_as(join.clone()).await.unwrap();
        assert_eq!(again, v1::JoinResponse { token: again.token.clone(), ..ann.clone() });
        assert_eq!(server.attack_as(&command_id, &again.token, &bob.participant_id).await.unwrap(), attacked);
        assert_eq!(server.events().await.len(), events);
        server = server.restart().await;
    }
}

#[tokio::test]
async fn a_repeat_that_overtakes_the_disk_waits_for_it() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.log.set(Fault::Hangs);
    let command_id = id();
    let appends = server.log.appends();
    let first = server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id);
    let second = async {
        server.log.wait_for_appends(appends + 1).await;
        let again = server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id);
        let heal = async {
            tokio::task::yield_now().await;
            server.log.set(Fault::None);
        };
        tokio::join!(again, heal).0
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(server.log.appends(), appends + 1);
}

#[tokio::test]
async fn an_id_cannot_be_used_for_another_command() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let command_id = id();
    server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id).await.unwrap();
    let leave = bearer(v1::LeaveRequest { command_id }, &duel.ann.token);
    refused(server.client.clone().leave(leave).await, Code::FailedPrecondition, "COMMAND_ID_REUSED");
    let mut create = battle();
    create.command_id = id();
    server.create_with(create.clone()).await;
    create.title = "Another title, the same command".into();
    // The repeat is the creation that was, whatever it says now.
    server.create_with(create).await;
}

#[tokio::test]
async fn a_command_id_does_not_become_a_password() {
    let server = Server::start().await;
    let battle_id = server.create().await;
    let join = v1::JoinRequest { command_id: id(), battle_id, username: "Ann".into() };
    let ann = server.join_as(join.clone()).await.unwrap();
    let by_another_name = v1::JoinRequest { username: "Bob".into(), ..join.clone() };
    refused(server.join_as(by_another_name).await, Code::FailedPrecondition, "COMMAND_ID_REUSED");
    let replace = v1::ReplaceSessionRequest { command_id: id() };
    server.client.clone().replace_session(bearer(replace.clone(), &ann.token)).await.unwrap();

    server.clock.advance(120_001);
    refused(server.join_as(join).await, Code::FailedPrecondition, "SIGN_IN_REPEAT_EXPIRED");
    let again = server.client.clone().replace_session(bearer(replace, &ann.token)).await;
    refused(again, Code::FailedPrecondition, "SIGN_IN_REPEAT_EXPIRED");
}

#[tokio::test]
async fn whoever_repeats_an_old_command_holds_up_nobody_else() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let sign_in = |command_id: String, token: &str| {
        let request = bearer(v1::ReplaceSessionRequest { command_id }, token);
        let mut client = server.client.clone();
        async move { client.replace_session(request).await }
    };
    let old = id();
    sign_in(old.clone(), &duel.ann.token).await.unwrap();
    for _ in 0..16 {
        sign_in(id(), &duel.ann.token).await.unwrap();
    }
    let events = server.events().await.len();
    // The state has forgotten the command and the log has not: its append is turned away. Nobody else notices.
    for _ in 0..3 {
        let (again, other) =
            tokio::join!(sign_in(old.clone(), &duel.ann.token), sign_in(id(), &duel.bob.token));
        refused(again, Code::FailedPrecondition, "COMMAND_ID_REUSED");
        other.unwrap();
    }
    assert_eq!(server.events().await.len(), events + 3);
}

#[tokio::test]
async fn whoever_uses_somebody_elses_command_id_is_told_so_and_spoils_nobody_elses_command() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let used = id();
    server.attack_as(&used, &duel.ann.token, &duel.bob.participant_id).await.unwrap();
    let events = server.events().await.len();
    server.log.set(Fault::Hangs);
    let appends = server.log.appends();
    let first = server.answer(&duel.ann.token, 1, "no");
    // These gather in one batch while the first one is on its way to the disk.
    let gathered = async {
        server.log.wait_for_appends(appends + 1).await;
        let before = server.try_join(&duel.battle_id, "Cid");
        let reused = server.attack_as(&used, &duel.bob.token, &duel.ann.participant_id);
        let after = server.answer(&duel.bob.token, 1, "yes");
        let refused_anyway = server.try_join(&duel.battle_id, "cid");
        let heal = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            server.log.set(Fault::None);
        };
        let (before, reused, after, refused_anyway, ()) =
            tokio::join!(before, reused, after, refused_anyway, heal);
        (before, reused, after, refused_anyway)
    };
    let (first, (before, reused, after, refused_anyway)) = tokio::join!(first, gathered);
    first.unwrap();
    before.unwrap();
    refused(reused, Code::FailedPrecondition, "COMMAND_ID_REUSED");
    // Bob still has all of his arrows, and the reward.
    assert_eq!(after.unwrap().balance.unwrap().arrows, 102);
    refused(refused_anyway, Code::AlreadyExists, "USERNAME_TAKEN");
    // The first one, the refused batch, and the batch without the offender.
    assert_eq!(server.log.appends(), appends + 3);
    let types = server.event_types().await;
    assert_eq!(types[events..], ["AnswerSubmitted", "ParticipantJoined", "AnswerSubmitted"]);
    // From now on it costs nobody anything.
    let again = server.attack_as(&used, &duel.bob.token, &duel.ann.participant_id).await;
    refused(again, Code::FailedPrecondition, "COMMAND_ID_REUSED");
    assert_eq!(server.log.appends(), appends + 3);
}

#[tokio::test]
async fn two_callers_with_the_same_command_id_spoil_nobody_elses_command() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.log.set(Fault::Hangs);
    let appends = server.log.appends();
    let first = server.attack(&duel.ann.token, &duel.bob.participant_id);
    // These gather in one batch while the first one is on its way to the disk.
    let gathered = async {
        server.log.wait_for_appends(appends + 1).await;
        let command_id = id();
        let ann = server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id);
        let bob = server.attack_as(&command_id, &duel.bob.token, &duel.ann.participant_id);
        let other = server.try_join(&duel.battle_id, "Cid");
        let heal = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            server.log.set(Fault::None);
        };
        let (ann, bob, other, ()) = tokio::join!(ann, bob, other, heal);
        (ann, bob, other)
    };
    let (first, (ann, bob, other)) = tokio::join!(first, gathered);
    first.unwrap();
    ann.unwrap();
    refused(bob, Code::FailedPrecondition, "COMMAND_ID_REUSED");
    other.unwrap();
    assert_eq!(server.log.appends(), appends + 2);
}
