//! Starting again, and stopping without losing anything.

use std::os::unix::fs::PermissionsExt;

use nimaora::client::{APP_KEY, PusherSocket, SocketError, with_token};
use nimaora::serve::{self, ServeError};
use nimaora_api::v1::{GetBattleRequest, WatchLeaderboardRequest, get_battle_request};
use tokio::net::TcpStream;

use crate::host::{Host, PATIENCE, config, start_in};

#[tokio::test]
async fn the_admin_token_is_for_its_owner_only_and_outlives_the_server() {
    let Host { folder, server } = Host::start(&[]).await;
    let token = server.admin_token().to_owned();
    let file = server.admin_token_file();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), token);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    server.stop().await;

    let server = start_in(folder.path(), &[]).await;
    assert_eq!(server.admin_token(), token);
    server.stop().await;
}

#[tokio::test]
async fn stopping_ends_sockets_and_streams_and_keeps_what_was_done() {
    let Host { folder, server } = Host::start(&[]).await;
    let host = Host { folder, server };
    let connection = host.connection().await;
    let (battle_id, ada) = host.battle(&connection).await;
    let asked = GetBattleRequest {
        battle: Some(get_battle_request::Battle::BattleId(battle_id.clone())),
        min_position: ada.position,
        wait_ms: 10_000,
    };
    let watch = WatchLeaderboardRequest { battle_id, limit: 0, min_position: ada.position, wait_ms: 10_000 };
    let mut watched = connection.queries().watch_leaderboard(watch).await.unwrap().into_inner();
    watched.message().await.unwrap();
    let mut socket = PusherSocket::connect(&host.authority(), APP_KEY).await.unwrap();

    let Host { folder, server } = host;
    let address = server.address();
    let listening = tokio::spawn(async move {
        loop {
            if let Err(error) = socket.next_event().await {
                return error;
            }
        }
    });
    assert!(tokio::time::timeout(PATIENCE, server.stop()).await.unwrap(), "something did not end in time");
    let ended = listening.await.unwrap();
    assert!(matches!(ended, SocketError::Closed { .. }), "{ended}");
    while let Ok(Some(_)) = watched.message().await {}
    assert!(TcpStream::connect(address).await.is_err(), "the port is still open");

    let server = start_in(folder.path(), &[]).await;
    let host = Host { folder, server };
    let found = host.connection().await.queries().get_battle(with_token(asked, None)).await.unwrap();
    assert_eq!(found.into_inner().battle.unwrap().participants, 1);
    host.server.stop().await;
}

#[tokio::test]
async fn a_folder_in_use_and_a_port_in_use_are_said() {
    let host = Host::start(&[]).await;
    let taken = serve::bind(host.server.address()).err().unwrap();
    assert!(taken.to_string().contains("choose another address with --listen"), "{taken}");

    let taken = host.server.address().to_string();
    let elsewhere = tempfile::tempdir().unwrap();
    let twice = config(elsewhere.path(), &[("event_store.listen", &taken)]);
    let listener = serve::bind(twice.listen).unwrap();
    let error = serve::start(twice, listener).await.err().unwrap().to_string();
    assert!(error.contains(&taken) && error.contains("with --event-store-listen"), "{error}");

    let config = config(host.folder.path(), &[]);
    let listener = serve::bind(config.listen).unwrap();
    let error = serve::start(config, listener).await.err().unwrap();
    assert!(matches!(error, ServeError::Log(_)), "{error}");
    host.server.stop().await;
}
