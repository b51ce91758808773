//! `kill -9` in the middle of a load: what was acknowledged is there, and the players' own account agrees with the board.

use std::process::Stdio;

use nimaora_api::v1::{Balance, GetLeaderboardRequest, GetParticipantRequest};
use tokio::process::Command;

use crate::players::{attack, create_battle, join, start_battle, with_token};
use crate::server::{BINARY, PATIENCE, Server};

#[tokio::test]
async fn acknowledged_attacks_survive_kill_9() {
    const ATTACKS: u32 = 200;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let admin = server.admin_token();
    let mut commands = server.commands().await;
    let initial = Balance { points: 1_000, shields: 0, arrows: 1_000_000 };
    let battle_id = create_battle(&mut commands, &admin, initial).await;
    let attacker = join(&mut commands, &battle_id, "attacker").await;
    let target = join(&mut commands, &battle_id, "target").await;
    start_battle(&mut commands, &admin, &battle_id).await;

    // Attacks go on until the server is gone; every answer that arrived is counted.
    let (reached, enough) = tokio::sync::oneshot::channel();
    let attacks = tokio::spawn({
        let target_id = target.participant_id.clone();
        async move {
            let (mut acknowledged, mut last_position) = (0, 0);
            let mut reached = Some(reached);
            while let Ok(landed) = attack(&mut commands, &attacker, &target_id).await {
                acknowledged += 1;
                last_position = landed.position;
                if acknowledged == ATTACKS {
                    reached.take().unwrap().send(()).unwrap();
                }
            }
            (acknowledged, last_position)
        }
    });
    enough.await.unwrap();
    server.kill().await;
    let (acknowledged, last_position) = attacks.await.unwrap();
    assert!(acknowledged >= ATTACKS);

    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let mut queries = server.queries().await;
    let asked = GetParticipantRequest {
        battle_id: battle_id.clone(),
        participant_id: target.participant_id.clone(),
        min_position: last_position,
        wait_ms: 10_000,
    };
    let found = queries.get_participant(with_token(&target.token, asked)).await.unwrap().into_inner();
    let points = found.participant.unwrap().balance.unwrap().points;
    // One attack may have been on its way: written, its answer never received.
    let lost = initial.points - points;
    assert!(lost == acknowledged || lost == acknowledged + 1, "{lost} lost, {acknowledged} acknowledged");
    let asked = GetLeaderboardRequest { battle_id, min_position: found.as_of, ..Default::default() };
    let board = queries.get_leaderboard(asked).await.unwrap().into_inner();
    let entry = board.entries.iter().find(|e| e.participant_id == target.participant_id).unwrap();
    assert_eq!(entry.points, points);
}

#[tokio::test]
async fn a_load_verifies_although_the_server_is_killed_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let data = folder.path().join("data");
    let server = Server::start(&data, "127.0.0.1:0").await;
    let address = server.address.clone();
    let load = Command::new(BINARY)
        .args(["load", "--users", "60", "--rate", "120", "--duration", "8s", "--target", &server.url()])
        .arg("--admin-token-file")
        .arg(data.join("admin-token"))
        .arg("--json")
        .arg(&report)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // The server goes as soon as attacks land, and comes back at the same address.
    wait_for_attacks(&address).await;
    server.kill().await;
    let _server = Server::start(&data, &address).await;
    let ended = tokio::time::timeout(3 * PATIENCE, load.wait_with_output()).await.unwrap().unwrap();
    assert!(ended.status.success());
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["verified"], true, "{report:#}");
    assert!(report["by_operation"]["attack"]["count"].as_u64().unwrap() > 0, "{report:#}");
}

/// Waits until the server's metrics tell of published attack alerts.
async fn wait_for_attacks(address: &str) {
    let enough = async {
        loop {
            let (_, metrics) = crate::web::get(address, "/metrics").await;
            let alerts =
                metrics.lines().find_map(|line| line.strip_prefix("nimaora_realtime_alert_seconds_count "));
            if alerts.is_some_and(|count| count.trim() != "0") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, enough).await.unwrap();
}
