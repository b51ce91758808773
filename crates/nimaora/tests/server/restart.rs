//! A server that starts again serves before its boards are made anew; what it serves is not of the past.

use futures::future::try_join_all;
use nimaora::client::{Connection, command_id, with_token};
use nimaora::serve::{self, Server};
use nimaora_api::v1::get_battle_request::Battle;
use nimaora_api::v1::{GetBattleRequest, GetLeaderboardRequest, JoinRequest};
use tempfile::TempDir;
use tonic::Code;

use crate::host::{Host, PATIENCE, config};

/// One event at a time, so that making the boards anew takes a while.
const SLOWLY: (&str, &str) = ("projection.batch_events_max", "1");

/// So many join that somebody who asks after the start asks before all are on the board again.
async fn crowd(connection: &Connection, battle_id: &str, players: usize) -> u64 {
    let join = |n| {
        let (mut commands, battle_id) = (connection.commands(), battle_id.to_owned());
        let request = JoinRequest { command_id: command_id(), battle_id, username: format!("player {n}") };
        async move { commands.join(with_token(request, None)).await }
    };
    let joined = try_join_all((0..players).map(join)).await.unwrap();
    joined.iter().map(|joined| joined.get_ref().position).max().unwrap()
}

/// Serves at once, before anything has caught up.
async fn restart(folder: &TempDir) -> (Server, Connection) {
    let config = config(folder.path(), &[SLOWLY]);
    let listener = serve::bind(config.listen).unwrap();
    let server = serve::start(config, listener).await.unwrap();
    let connection = Connection::open(&format!("http://{}", server.address())).await.unwrap();
    (server, connection)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_is_not_shown_as_it_was_on_the_way_there() {
    const PLAYERS: usize = 2_000;
    let host = Host::start(&[]).await;
    let connection = host.connection().await;
    let (battle_id, _) = host.battle(&connection).await;
    let last = crowd(&connection, &battle_id, PLAYERS - 1).await;
    let board = GetLeaderboardRequest { battle_id, limit: 1, ..GetLeaderboardRequest::default() };
    let fresh = GetLeaderboardRequest { min_position: last, wait_ms: 10_000, ..board.clone() };
    connection.queries().get_leaderboard(fresh).await.unwrap();
    let Host { folder, server } = host;
    server.stop().await;

    let (server, connection) = restart(&folder).await;
    let asking = async {
        loop {
            let shown = connection.queries().get_leaderboard(board.clone()).await.unwrap().into_inner();
            assert_eq!((shown.total as usize, shown.as_of), (PLAYERS, last));
        }
    };
    tokio::select! {
        () = asking => {}
        () = server.ready() => {}
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_battle_is_not_said_to_be_none_while_the_tables_are_built_anew() {
    let host = Host::start(&[]).await;
    let connection = host.connection().await;
    let (first, _) = host.battle(&connection).await;
    crowd(&connection, &first, 100).await;
    let (last, _) = host.battle(&connection).await;
    let Host { folder, server } = host;
    server.stop().await;
    std::fs::remove_file(folder.path().join("read-models.sqlite")).unwrap();

    let (server, connection) = restart(&folder).await;
    let asked = GetBattleRequest { battle: Some(Battle::BattleId(last)), ..GetBattleRequest::default() };
    let asking = async {
        while let Err(refused) = connection.queries().get_battle(asked.clone()).await {
            assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
    server.stop().await;
}
