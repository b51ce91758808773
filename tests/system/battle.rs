//! A battle from its creation to its final standings, over every protocol of the one port.

use nimaora_api::v1::{
    Balance, BattlePhase, FinishBattleRequest, GetBattleRequest, GetLeaderboardRequest,
    GetLeaderboardResponse, GetParticipantRequest, Verdict, get_battle_request,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::players::{answer, attack, command_id, create_battle, join, start_battle, with_token};
use crate::pusher::Pusher;
use crate::server::Server;
use crate::web;

#[tokio::test]
async fn a_battle_is_played_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let admin = server.admin_token();
    let mut commands = server.commands().await;
    let battle_id = create_battle(&mut commands, &admin, Balance::default()).await;
    let sara = join(&mut commands, &battle_id, "sara_coder").await;
    let ali = join(&mut commands, &battle_id, "ali_programmer").await;

    // Sara listens to the board and to what happens to her.
    let mut socket = Pusher::connect(&server.address).await;
    socket.subscribe(&format!("battle.{battle_id}"), None).await;
    let private = format!("private-participant.{}", sara.participant_id);
    socket.subscribe(&private, Some(&sara.token)).await;

    // Nothing is answered before the start.
    let early = answer(&mut commands, &sara, 1, "2").await.unwrap_err();
    assert_eq!(early.code(), Code::FailedPrecondition);
    assert_eq!(early.get_error_details().error_info().unwrap().reason, "BATTLE_NOT_STARTED");
    start_battle(&mut commands, &admin, &battle_id).await;
    socket.expect("battle.started").await;

    // Both answer, one of them wrong first.
    let right = answer(&mut commands, &sara, 1, "2").await.unwrap();
    assert_eq!(right.verdict(), Verdict::Correct);
    assert_eq!(right.balance, Some(Balance { points: 10, shields: 0, arrows: 2 }));
    let wrong = answer(&mut commands, &ali, 2, "cobol").await.unwrap();
    assert_eq!(wrong.verdict(), Verdict::Wrong);
    answer(&mut commands, &ali, 2, "rust").await.unwrap();

    // Ali attacks; Sara hears of it.
    let landed = attack(&mut commands, &ali, &sara.participant_id).await.unwrap();
    assert_eq!((landed.blocked, landed.points_deducted), (false, 1));
    let alert = socket.expect("attack.received").await;
    assert_eq!(alert.channel.as_deref(), Some(private.as_str()));
    assert_eq!(alert.data["attacker"], "ali_programmer");
    assert_eq!(alert.data["blocked"], false);
    assert_eq!(alert.data["points_lost"], 1);
    assert_eq!(alert.data["position"], landed.position);
    assert!(alert.data["timestamp"].as_str().unwrap().ends_with('Z'));

    // The board says so over gRPC-web and on the socket.
    let asked = GetLeaderboardRequest {
        battle_id: battle_id.clone(),
        min_position: landed.position,
        ..GetLeaderboardRequest::default()
    };
    let board: GetLeaderboardResponse =
        web::call(&server.address, "/nimaora.v1.QueryService/GetLeaderboard", &asked).await.unwrap();
    let standings: Vec<_> = board.entries.iter().map(|e| (e.rank, e.username.as_str(), e.points)).collect();
    assert_eq!(standings, [(1, "ali_programmer", 10), (2, "sara_coder", 9)]);
    assert!(board.as_of >= landed.position);
    loop {
        let update = socket.expect("leaderboard.updated").await;
        if update.data["as_of"].as_u64().unwrap() >= landed.position {
            assert_eq!(update.data["entries"][1]["points"], 9);
            break;
        }
    }

    // The end is final.
    let finish = FinishBattleRequest { command_id: command_id(), battle_id: battle_id.clone() };
    let finished = commands.finish_battle(with_token(&admin, finish)).await.unwrap().into_inner();
    socket.expect("battle.finished").await;
    let late = attack(&mut commands, &ali, &sara.participant_id).await.unwrap_err();
    assert_eq!(late.get_error_details().error_info().unwrap().reason, "BATTLE_FINISHED");
    let asked = GetBattleRequest {
        battle: Some(get_battle_request::Battle::BattleId(battle_id)),
        min_position: finished.position,
        wait_ms: 0,
    };
    let battle = server.queries().await.get_battle(asked).await.unwrap().into_inner().battle.unwrap();
    assert_eq!(battle.phase(), BattlePhase::Finished);
    assert_eq!(battle.participants, 2);
    assert_eq!(server.terminate().await, 0);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let admin = server.admin_token();
    let mut commands = server.commands().await;
    let initial = Balance { points: 3, shields: 1, arrows: 1 };
    let battle_id = create_battle(&mut commands, &admin, initial).await;
    let mina = join(&mut commands, &battle_id, "mina_tech").await;
    assert_eq!(server.terminate().await, 0);

    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let asked = GetParticipantRequest {
        battle_id,
        participant_id: mina.participant_id.clone(),
        min_position: mina.position,
        wait_ms: 10_000,
    };
    let asked = with_token(&mina.token, asked);
    let found = server.queries().await.get_participant(asked).await.unwrap().into_inner();
    let participant = found.participant.unwrap();
    assert_eq!(participant.username, "mina_tech");
    assert_eq!(participant.balance, Some(initial));
}

#[tokio::test]
async fn probes_and_metrics_are_on_the_same_port() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    for path in ["/healthz", "/readyz", "/app/websocket-health"] {
        assert_eq!(web::get(&server.address, path).await.0, 200, "{path}");
    }
    let (_, metrics) = web::get(&server.address, "/metrics").await;
    assert!(metrics.contains("process_cpu_seconds_total"), "{metrics}");
    assert!(metrics.contains("nimaora_"), "{metrics}");
}
