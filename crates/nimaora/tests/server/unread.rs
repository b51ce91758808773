//! Clients that do not read their answers.

use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nimaora_api::v1::{GetBattleRequest, JoinRequest, WatchLeaderboardRequest, get_battle_request};
use prost::Message;
use prost::bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::host::{Host, PATIENCE};
use crate::http1::get;
use nimaora::client::{command_id, with_token};

const TIMEOUT: (&str, &str) = ("limits.answer_write_timeout_ms", "200");

#[tokio::test]
async fn a_connection_on_which_answers_pile_up_is_closed() {
    let host = Host::start(&[TIMEOUT]).await;
    // An answer with a body, and one without.
    for path in ["/metrics", "/no/such/page"] {
        let mut stream = TcpStream::connect(host.authority()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(100);
        let ask = async { while stream.write_all(request.as_bytes()).await.is_ok() {} };
        assert!(tokio::time::timeout(PATIENCE, ask).await.is_ok(), "{path}: the connection stayed open");
    }
    assert!(get(&host.authority(), "/metrics").await.contains("nimaora_connections_cut_off_total"));
    host.server.stop().await;
}

#[tokio::test]
async fn who_opens_no_window_is_cut_off_and_who_waits_for_news_is_not() {
    let host = Host::start(&[TIMEOUT]).await;
    let connection = host.connection().await;
    let (battle_id, ada) = host.battle(&connection).await;
    let watch = WatchLeaderboardRequest {
        battle_id: battle_id.clone(),
        limit: 0,
        min_position: ada.position,
        wait_ms: 10_000,
    };
    let mut watched = connection.queries().watch_leaderboard(watch).await.unwrap().into_inner();
    let mut participants = 0;
    while participants < 1 {
        participants = watched.message().await.unwrap().unwrap().entries.len();
    }

    // Nothing happens on that stream for as long as this client does not read.
    let stream = TokioIo::new(TcpStream::connect(host.authority()).await.unwrap());
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let (mut sender, client) = builder.initial_stream_window_size(0).handshake(stream).await.unwrap();
    let client = tokio::spawn(client);
    let message = GetBattleRequest {
        battle: Some(get_battle_request::Battle::BattleId(battle_id.clone())),
        ..Default::default()
    };
    let mut body = vec![0];
    body.extend_from_slice(&u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    message.encode(&mut body).unwrap();
    let request = http::Request::post("http://x/nimaora.v1.QueryService/GetBattle")
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let mut answer = sender.send_request(request).await.unwrap();
    let cut = tokio::time::timeout(PATIENCE, answer.frame()).await.unwrap();
    assert!(cut.unwrap().is_err(), "something arrived");
    // How a client of HTTP/2 takes it is its own affair.
    let _ = client.await.unwrap();

    let join = JoinRequest { command_id: command_id(), battle_id, username: "bob".to_owned() };
    connection.commands().join(with_token(join, None)).await.unwrap();
    while participants < 2 {
        participants = watched.message().await.unwrap().unwrap().entries.len();
    }
    drop(watched);
    host.server.stop().await;
}

#[tokio::test]
async fn past_the_bound_of_unread_answers_a_page_is_told_to_try_again() {
    let host = Host::start(&[("limits.unsent_answer_bytes_per_connection_max", "1")]).await;
    // Now there are more figures than the 4 KiB that are always sent.
    host.battle(&host.connection().await).await;
    let answer = get(&host.authority(), "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 2"), "{answer}");
    assert!(answer.contains("read them, then send the request again"), "{answer}");
    host.server.stop().await;
}
