//! The ids of the service's own commands: anybody can work them out, and nobody can use them up.

use nimaora_api::v1;
use nimaora_domain::event::ParticipantJoined;
use nimaora_domain::{Balance, BattleId, CommandId, Event, ParticipantId, SessionId, Username};
use nimaora_event_log::envelope;
use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::support::{Server, admin, at, battle, bearer, id, refused};

fn scheduled() -> v1::CreateBattleRequest {
    let schedule = v1::Schedule { starts_at: at(60_000), ends_at: at(120_000) };
    v1::CreateBattleRequest { schedule: Some(schedule), ..battle() }
}

/// The ids under which a battle that this request creates starts and ends by itself, as a server uses them.
async fn ids_of_the_schedule(request: v1::CreateBattleRequest) -> [CommandId; 2] {
    let server = Server::start().await;
    server.create_with(request).await;
    let mut ids = Vec::new();
    for count in [2, 3] {
        server.clock.advance(60_000);
        let events = server.wait_for_events(count).await;
        ids.push(envelope::peek(&events[count - 1]).unwrap().command_id);
    }
    ids.try_into().unwrap()
}

#[tokio::test]
async fn nobody_keeps_a_battle_from_starting_or_ending_by_using_its_timers_ids() {
    let request = scheduled();
    let ids = ids_of_the_schedule(request.clone()).await;
    let server = Server::start().await;
    let battle_id = server.create_with(request).await.battle_id;
    let join = |command_id: Uuid, username: &str| v1::JoinRequest {
        command_id: command_id.to_string(),
        battle_id: battle_id.clone(),
        username: username.into(),
    };
    for CommandId(taken) in ids {
        let status =
            refused(server.join_as(join(taken, "Mallory")).await, Code::InvalidArgument, "INVALID_FIELD");
        let details = status.get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(violation.field, "command_id");
        assert!(violation.description.contains("use version 4 or 7"), "{}", violation.description);
    }
    // What such ids were made of once is an id like any other.
    let namespace: Uuid = battle_id.parse().unwrap();
    for name in ["start", "end"] {
        server.join_as(join(Uuid::new_v5(&namespace, name.as_bytes()), name)).await.unwrap();
    }
    server.clock.advance(60_000);
    server.wait_for_events(4).await;
    server.clock.advance(60_000);
    server.wait_for_events(5).await;
    let types = server.event_types().await;
    assert_eq!(types[3..], ["BattleStarted", "BattleFinished"]);
}

#[tokio::test]
async fn no_kind_of_command_takes_an_id_of_the_system() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let events = server.events().await.len();
    let command_id = || Uuid::new_v8(*Uuid::new_v4().as_bytes()).to_string();
    let attack = server.attack_as(&command_id(), &duel.ann.token, &duel.bob.participant_id).await;
    refused(attack, Code::InvalidArgument, "INVALID_FIELD");
    let leave = bearer(v1::LeaveRequest { command_id: command_id() }, &duel.ann.token);
    refused(server.client.clone().leave(leave).await, Code::InvalidArgument, "INVALID_FIELD");
    let create = v1::CreateBattleRequest { command_id: command_id(), ..battle() };
    refused(server.client.clone().create_battle(admin(create)).await, Code::InvalidArgument, "INVALID_FIELD");
    let finish = v1::FinishBattleRequest { command_id: command_id(), battle_id: duel.battle_id };
    refused(server.client.clone().finish_battle(admin(finish)).await, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(server.events().await.len(), events);
}

#[tokio::test]
async fn a_battle_starts_and_ends_also_where_its_timers_ids_are_in_the_log_for_something_else() {
    let request = scheduled();
    let ids = ids_of_the_schedule(request.clone()).await;
    let server = Server::start().await;
    let battle_id: BattleId = server.create_with(request).await.battle_id.parse().unwrap();
    for (number, command_id) in ids.into_iter().enumerate() {
        let joined = Event::ParticipantJoined(ParticipantJoined {
            participant_id: ParticipantId(id().parse().unwrap()),
            username: Username::new(&format!("Mallory {number}")).unwrap(),
            session_id: SessionId(id().parse().unwrap()),
            balance: Balance::default(),
        });
        server.plant(battle_id, command_id, &joined).await;
    }
    let server = server.restart().await;
    server.clock.advance(60_000);
    let events = server.wait_for_events(4).await;
    assert_eq!(&*events[3].event_type, "BattleStarted");
    server.clock.advance(60_000);
    let events = server.wait_for_events(5).await;
    assert_eq!(&*events[4].event_type, "BattleFinished");
}
