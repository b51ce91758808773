//! A server whose log another one keeps, and reaches over the EventStoreDB protocol.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use nimaora::client::{Connection, command_id, with_token};
use nimaora_api::v1::{GetLeaderboardRequest, JoinRequest};

use crate::host::{Host, start_in};

const PASSWORD: &str = "between-nodes-only";
const PLAYERS: usize = 100;

/// So many join at once that several of their events go into one append.
async fn crowd(connection: &Connection, battle_id: &str) -> BTreeSet<u64> {
    let join = |n| {
        let (mut commands, battle_id) = (connection.commands(), battle_id.to_owned());
        let request = JoinRequest { command_id: command_id(), battle_id, username: format!("player {n}") };
        async move { commands.join(with_token(request, None)).await }
    };
    let joined = try_join_all((1..PLAYERS).map(join)).await.unwrap();
    joined.iter().map(|joined| joined.get_ref().position).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn battles_that_another_server_keeps_are_played_and_outlive_the_one_that_played_them() {
    let keeper = Host::start(&[
        ("roles", "[\"event-store\"]"),
        ("event_store.listen", "127.0.0.1:0"),
        ("event_store.node_password", PASSWORD),
    ])
    .await;
    let address = keeper.server.event_store_address().unwrap();
    let log = format!("kurrentdb://node:{PASSWORD}@{address}?tls=false");
    let settings = [("stores.log", log.as_str())];
    let host = Host::start(&settings).await;
    let connection = host.connection().await;
    let (battle_id, _) = host.battle(&connection).await;
    let positions = crowd(&connection, &battle_id).await;
    assert_eq!(positions.len(), PLAYERS - 1, "each answer has the position of its own event");
    let last = *positions.last().unwrap();
    let board =
        GetLeaderboardRequest { battle_id, min_position: last, wait_ms: 10_000, ..Default::default() };
    let shown = connection.queries().get_leaderboard(board.clone()).await.unwrap().into_inner();
    assert_eq!((shown.total as usize, shown.as_of), (PLAYERS, last));

    // Another one takes over with nothing but the log: no tables, no snapshots.
    let secrets = host.folder.path().join("secrets").display().to_string();
    host.server.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let next = start_in(folder.path(), &[settings[0], ("secrets_dir", &secrets)]).await;
    let connection = Connection::open(&format!("http://{}", next.address())).await.unwrap();
    let shown = connection.queries().get_leaderboard(board).await.unwrap().into_inner();
    assert_eq!((shown.total as usize, shown.as_of), (PLAYERS, last));
    assert!(next.stop().await);
    assert!(keeper.server.stop().await);
}
