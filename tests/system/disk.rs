//! A disk that takes nothing for a while: commands are turned away, nothing is acknowledged, and all of it heals by itself.

use std::fs::OpenOptions;
use std::process::Stdio;

use nimaora_api::v1::{Balance, GetParticipantRequest};
use tonic::Code;
use tonic_types::StatusExt;

use crate::players::{attack, create_battle, join, start_battle, with_token};
use crate::server::{PATIENCE, Server};
use crate::web;

#[tokio::test]
async fn a_full_disk_refuses_commands_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    // The log of a server often lies on the disk that is full.
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let server = Server::start_logging_to(Stdio::from(full), folder.path(), "127.0.0.1:0").await;
    let admin = server.admin_token();
    let mut commands = server.commands().await;
    let initial = Balance { points: 1_000, shields: 0, arrows: 1_000 };
    let battle_id = create_battle(&mut commands, &admin, initial).await;
    let attacker = join(&mut commands, &battle_id, "attacker").await;
    let target = join(&mut commands, &battle_id, "target").await;
    start_battle(&mut commands, &admin, &battle_id).await;
    let before = attack(&mut commands, &attacker, &target.participant_id).await.unwrap();

    server.limit_files("1").await;
    for _ in 0..3 {
        let refused = attack(&mut commands, &attacker, &target.participant_id).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "LOG_UNAVAILABLE");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
    }

    server.limit_files("unlimited").await;
    let healed = async {
        loop {
            if let Ok(landed) = attack(&mut commands, &attacker, &target.participant_id).await {
                return landed;
            }
        }
    };
    let after = tokio::time::timeout(PATIENCE, healed).await.unwrap();
    assert_eq!(after.balance.unwrap().arrows, before.balance.unwrap().arrows - 1);

    // What is read agrees, so the tables have healed as well.
    let asked = GetParticipantRequest {
        battle_id,
        participant_id: target.participant_id.clone(),
        min_position: after.position,
        wait_ms: 10_000,
    };
    let found = server.queries().await.get_participant(with_token(&target.token, asked)).await.unwrap();
    let points = found.into_inner().participant.unwrap().balance.unwrap().points;
    assert_eq!(points, initial.points - 2);
    assert_eq!(web::get(&server.address, "/readyz").await.0, 200);
}
