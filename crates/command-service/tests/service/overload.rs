//! Too much at once is shed with a retry delay; a server that stops finishes what it took.

use nimaora_api::v1;
use nimaora_command_service::Config;
use tonic::Code;

use crate::support::faulty_log::Fault;
use crate::support::{PATIENCE, Server, admin, battle, bearer, id, passes, refused};

#[tokio::test]
async fn a_full_mailbox_sheds_and_recovers() {
    const MAILBOX: usize = 4;
    /// What the batches in flight and gathering, and the mailbox, can hold, and some more.
    const MANY: usize = 20_000;
    let config = Config { mailbox_commands_max: MAILBOX, ..Config::default() };
    let server = Server::with(config).await;
    let duel = server.duel().await;
    server.log.set(Fault::Hangs);
    let appends = server.log.appends();
    let mut attacks = tokio::task::JoinSet::new();
    let mut client = server.client.clone();
    for _ in 0..MANY {
        let request = v1::AttackRequest { command_id: id(), target_id: duel.bob.participant_id.clone() };
        let request = bearer(request, &duel.ann.token);
        let mut client = client.clone();
        attacks.spawn(async move { client.attack(request).await });
    }
    server.log.wait_for_appends(appends + 1).await;
    let shed = tokio::time::timeout(PATIENCE, async {
        loop {
            let answer = attacks.join_next().await.expect("somebody is shed").unwrap();
            if let Err(status) = answer
                && status.code() == Code::ResourceExhausted
            {
                return status;
            }
        }
    });
    let shed =
        refused::<()>(Err(shed.await.expect("nobody was shed")), Code::ResourceExhausted, "MAILBOX_FULL");
    passes(&shed);
    server.log.set(Fault::None);
    while let Some(answer) = attacks.join_next().await {
        if let Err(status) = answer.unwrap() {
            assert!(
                matches!(status.code(), Code::ResourceExhausted | Code::FailedPrecondition),
                "{status:?}"
            );
        }
    }
    client
        .finish_battle(admin(v1::FinishBattleRequest { command_id: id(), battle_id: duel.battle_id }))
        .await
        .unwrap();
}

#[tokio::test]
async fn no_more_battles_are_live_than_allowed() {
    let server = Server::with(Config { writers_max: 1, ..Config::default() }).await;
    server.create().await;
    let second = server.client.clone().create_battle(admin(battle())).await;
    passes(&refused(second, Code::ResourceExhausted, "WRITERS_FULL"));
}

#[tokio::test]
async fn whoever_makes_up_battles_takes_no_room() {
    let server = Server::with(Config { writers_max: 1, ..Config::default() }).await;
    for _ in 0..100 {
        refused(server.try_join(&id(), "Ann").await, Code::NotFound, "BATTLE_UNKNOWN");
        let mut invalid = battle();
        invalid.title = String::new();
        let answer = server.client.clone().create_battle(admin(invalid)).await;
        let status = answer.unwrap_err();
        assert!(matches!(status.code(), Code::InvalidArgument | Code::ResourceExhausted), "{status:?}");
    }
}

#[tokio::test]
async fn a_command_whose_caller_has_gone_is_not_carried_out() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.log.set(Fault::Hangs);
    let appends = server.log.appends();
    let first = server.attack(&duel.ann.token, &duel.bob.participant_id);
    let late = async {
        server.log.wait_for_appends(appends + 1).await;
        let request = v1::AttackRequest { command_id: id(), target_id: duel.ann.participant_id.clone() };
        let mut request = bearer(request, &duel.bob.token);
        request.metadata_mut().insert("grpc-timeout", "0n".parse().unwrap());
        let late = server.client.clone().attack(request).await;
        server.log.set(Fault::None);
        late
    };
    let (first, late) = tokio::join!(first, late);
    first.unwrap();
    refused(late, Code::DeadlineExceeded, "DEADLINE_PASSED");
    server.finish(&duel.battle_id).await;
    let types = server.event_types().await;
    assert_eq!(types[types.len() - 2..], ["AttackLanded", "BattleFinished"]);
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_to_be_tried_again_by_whoever_would_have_waited() {
    let server = Server::with(Config { command_timeout_ms: 3_000, ..Config::default() }).await;
    let duel = server.duel().await;
    server.log.set(Fault::Hangs);
    let request = v1::AttackRequest { command_id: id(), target_id: duel.bob.participant_id.clone() };
    let late = server.client.clone().attack(bearer(request.clone(), &duel.ann.token)).await;
    passes(&refused(late, Code::Unavailable, "COMMAND_TIMED_OUT"));
    server.log.set(Fault::None);
    // The first one may have been written, and is told then.
    let landed = async {
        loop {
            match server.client.clone().attack(bearer(request.clone(), &duel.ann.token)).await {
                Ok(landed) => return landed.into_inner(),
                Err(status) => passes(&status),
            }
        }
    };
    let landed = tokio::time::timeout(PATIENCE, landed).await.unwrap();
    // It was carried out once: the next one takes the next arrow.
    let next = server.attack(&duel.ann.token, &duel.bob.participant_id).await.unwrap();
    assert_eq!(next.balance.unwrap().arrows, landed.balance.unwrap().arrows - 1);
}

#[tokio::test]
async fn a_server_that_stops_finishes_what_it_took_and_takes_no_more() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.log.set(Fault::Hangs);
    let appends = server.log.appends();
    let first = server.attack(&duel.ann.token, &duel.bob.participant_id);
    let stop = async {
        server.log.wait_for_appends(appends + 1).await;
        server.request_stop();
        let mut ready = server.health.watch();
        tokio::time::timeout(PATIENCE, ready.wait_for(|ready| !*ready)).await.expect("still ready").unwrap();
        let refused_now = server.attack(&duel.bob.token, &duel.ann.participant_id).await;
        passes(&refused(refused_now, Code::Unavailable, "DRAINING"));
        server.log.set(Fault::None);
        server.stop().await;
    };
    let (first, ()) = tokio::join!(first, stop);
    first.unwrap();
    assert_eq!(server.event_types().await.last().unwrap(), "AttackLanded");
}

#[tokio::test]
async fn what_gathers_during_a_long_append_is_appended_however_much_it_is() {
    /// Together more bytes than one append takes, and fewer commands than are decided at a time.
    const PLAYERS: usize = 30;
    /// Each of them takes six bytes in the log.
    const CONTROL_CHARS: usize = 50 * 1024;
    let server = Server::with(Config { command_timeout_ms: 120_000, ..Config::default() }).await;
    let duel = server.duel().await;
    let mut players = Vec::new();
    for n in 0..PLAYERS {
        players.push(server.join(&duel.battle_id, &format!("Player {n}")).await);
    }
    server.log.set(Fault::Hangs);
    let appends = server.log.appends();
    let first = server.attack(&duel.ann.token, &duel.bob.participant_id);
    let gathered = async {
        server.log.wait_for_appends(appends + 1).await;
        let code = "\u{1}".repeat(CONTROL_CHARS);
        let answers = players.iter().map(|player| server.answer(&player.token, 3, &code));
        let heal = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            server.log.set(Fault::None);
        };
        tokio::join!(futures::future::join_all(answers), heal).0
    };
    let (first, answers) = tokio::join!(first, gathered);
    first.unwrap();
    for answer in answers {
        answer.unwrap();
    }
}

#[tokio::test]
async fn what_gathers_is_cut_into_appends_that_the_log_takes() {
    /// Attacks, each of an event of some 700 bytes.
    const MANY: usize = 45;
    let server = Server::start().await;
    let duel = server.duel().await;
    server.log.set_append_bytes_max(8 * 1024);
    server.log.set(Fault::Hangs);
    let appends = server.log.appends();
    let mut attacks = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let request = v1::AttackRequest { command_id: id(), target_id: duel.bob.participant_id.clone() };
        let (mut client, request) = (server.client.clone(), bearer(request, &duel.ann.token));
        attacks.spawn(async move { client.attack(request).await });
    }
    server.log.wait_for_appends(appends + 1).await;
    let before = server.log.groups().len();
    server.log.set(Fault::None);
    // In the order of the attacks: each left one arrow less than the one before.
    let mut arrows = Vec::new();
    while let Some(answer) = attacks.join_next().await {
        arrows.push(answer.unwrap().unwrap().into_inner().balance.unwrap().arrows);
    }
    arrows.sort_unstable();
    assert_eq!(arrows, (55..100).collect::<Vec<_>>());
    let groups = server.log.groups().split_off(before);
    assert_eq!(groups.iter().sum::<usize>(), MANY);
    assert!(groups.iter().any(|events| *events > 1), "{groups:?}");
    // A command that needs more than any append may have is refused, and the battle goes on.
    server.log.set_append_bytes_max(900);
    refused(
        server.attack(&duel.ann.token, &duel.bob.participant_id).await,
        Code::InvalidArgument,
        "COMMAND_TOO_LARGE",
    );
    server.log.set_append_bytes_max(8 * 1024);
    server.attack(&duel.ann.token, &duel.bob.participant_id).await.unwrap();
}
