//! A server whose queries go to a standby of PostgreSQL first.

use nimaora::client::with_token;
use nimaora_api::v1::get_battle_request::Battle;
use nimaora_api::v1::{GetBattleRequest, GetLeaderboardRequest, GetParticipantRequest};
use nimaora_local_servers::{Postgres, scratch};

use crate::host::Host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_answered_with_a_standby_and_after_it_was_killed() {
    let dir = scratch().unwrap();
    let server = Postgres::start(&dir.path().join("server"), &["wal_keep_size=64MB"]).await.unwrap();
    let mut standby = server.start_standby(&dir.path().join("standby")).await.unwrap();
    let (tables, replica) = (server.url("postgres"), standby.url("postgres"));
    let host = Host::start(&[("stores.tables", &tables), ("stores.tables_replica", &replica)]).await;
    let connection = host.connection().await;
    for stands in [true, false] {
        if !stands {
            standby.process.kill().await;
        }
        let (battle_id, ada) = host.battle(&connection).await;
        let mut queries = connection.queries();
        let (min_position, wait_ms) = (ada.position, 10_000);
        let whole =
            GetBattleRequest { battle: Some(Battle::BattleId(battle_id.clone())), min_position, wait_ms };
        let whole = queries.get_battle(with_token(whole, None)).await.unwrap().into_inner();
        assert_eq!(whole.battle.unwrap().participants, 1);
        let board = GetLeaderboardRequest {
            battle_id: battle_id.clone(),
            min_position,
            wait_ms,
            ..GetLeaderboardRequest::default()
        };
        let board = queries.get_leaderboard(with_token(board, None)).await.unwrap().into_inner();
        assert_eq!((board.total, board.as_of), (1, ada.position));
        // Who has just joined is there, wherever the standby is.
        let somebody = GetParticipantRequest {
            battle_id,
            participant_id: ada.participant_id.clone(),
            ..GetParticipantRequest::default()
        };
        queries.get_participant(with_token(somebody, None)).await.unwrap();
    }
    host.server.stop().await;
}
