//! The log fails: nothing is acknowledged that is not durable, and nothing is lost that is.

use tonic::Code;

use crate::support::faulty_log::Fault;
use crate::support::{Server, id, passes, refused};

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_passes() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let events = server.events().await;
    server.log.set(Fault::Unavailable);
    let command_id = id();
    for _ in 0..3 {
        let attack = server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id).await;
        passes(&refused(attack, Code::Unavailable, "LOG_UNAVAILABLE"));
    }
    assert_eq!(server.events().await, events);
    server.log.set(Fault::None);
    let attacked = healed(&server, &command_id, &duel.ann.token, &duel.bob.participant_id).await;
    // The failed attacks have left no trace in the state: the shield is still there.
    assert!(attacked.blocked);
    assert_eq!(server.events().await.len(), events.len() + 1);
}

#[tokio::test]
async fn a_command_that_was_written_after_all_is_acknowledged() {
    let server = Server::start().await;
    let duel = server.duel().await;
    server.log.set(Fault::UnknownButWritten);
    let command_id = id();
    let attacked = server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id).await.unwrap();
    server.log.set(Fault::None);
    let again = healed(&server, &command_id, &duel.ann.token, &duel.bob.participant_id).await;
    assert_eq!(again, attacked);
    let attacks = server.event_types().await.iter().filter(|name| *name == "AttackLanded").count();
    assert_eq!(attacks, 1);
}

#[tokio::test]
async fn a_command_that_was_lost_is_not_acknowledged() {
    let server = Server::start().await;
    let duel = server.duel().await;
    for fault in [Fault::UnknownAndLost, Fault::WrongRevision] {
        let events = server.events().await;
        server.log.set(fault);
        let command_id = id();
        let attack = server.attack_as(&command_id, &duel.ann.token, &duel.bob.participant_id).await;
        passes(&refused(attack, Code::Unavailable, "LOG_UNAVAILABLE"));
        assert_eq!(server.events().await, events);
        server.log.set(Fault::None);
        healed(&server, &command_id, &duel.ann.token, &duel.bob.participant_id).await;
    }
}

#[tokio::test]
async fn a_refusal_that_rests_on_what_is_not_durable_waits_for_it() {
    let server = Server::start().await;
    let battle_id = server.create().await;
    let appends = server.log.appends();
    server.log.set(Fault::Hangs);
    let first = server.try_join(&battle_id, "Ann");
    let second = async {
        server.log.wait_for_appends(appends + 1).await;
        let second = server.try_join(&battle_id, "ann");
        let fail = async {
            // Long enough for an answer that does not wait to come first.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            server.log.set(Fault::UnknownAndLost);
        };
        tokio::join!(second, fail).0
    };
    let (first, second) = tokio::join!(first, second);
    refused(first, Code::Unavailable, "LOG_UNAVAILABLE");
    // Nobody is called Ann, so it must not be told that the name is taken.
    refused(second, Code::Unavailable, "LOG_UNAVAILABLE");
}

/// Sends the command until the outage is over. It must not come to anything else.
async fn healed(
    server: &Server,
    command_id: &str,
    token: &str,
    target_id: &str,
) -> nimaora_api::v1::AttackResponse {
    let attack = async {
        loop {
            match server.attack_as(command_id, token, target_id).await {
                Ok(answer) => return answer,
                Err(status) => passes(&refused::<()>(Err(status), Code::Unavailable, "LOG_UNAVAILABLE")),
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, attack).await.expect("the outage did not pass")
}
