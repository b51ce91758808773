//! A server that starts again serves before its boards are made anew; what it serves is not of the past.

use futures::future::try_join_all;
use nimaora::serve;
use nimaora_api::v1::{GetLeaderboardRequest, JoinRequest};

use crate::host::{Host, config};
use nimaora::client::{Connection, command_id, with_token};

/// One event at a time, so that making the boards anew takes a while.
const SLOWLY: (&str, &str) = ("projection.batch_events_max", "1");

/// So many join that somebody who asks after the start asks before all are on the board again.
const PLAYERS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_is_not_shown_as_it_was_on_the_way_there() {
    let host = Host::start(&[]).await;
    let connection = host.connection().await;
    let (battle_id, first) = host.battle(&connection).await;
    let join = |n| {
        let (mut commands, battle_id) = (connection.commands(), battle_id.clone());
        let request = JoinRequest { command_id: command_id(), battle_id, username: format!("player {n}") };
        async move { commands.join(with_token(request, None)).await }
    };
    let joined = try_join_all((1..PLAYERS).map(join)).await.unwrap();
    let last = joined.iter().map(|joined| joined.get_ref().position).max().unwrap_or(first.position);
    let board = GetLeaderboardRequest { battle_id, limit: 1, ..GetLeaderboardRequest::default() };
    let fresh = GetLeaderboardRequest { min_position: last, wait_ms: 10_000, ..board.clone() };
    connection.queries().get_leaderboard(fresh).await.unwrap();
    let Host { folder, server } = host;
    server.stop().await;

    let config = config(folder.path(), &[SLOWLY]);
    let listener = serve::bind(config.listen).unwrap();
    let server = serve::start(config, listener).await.unwrap();
    let connection = Connection::open(&format!("http://{}", server.address())).await.unwrap();
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
