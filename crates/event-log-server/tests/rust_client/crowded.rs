//! What clients get when others hold more than they need: connections, and regular expressions.

use futures::future::join_all;
use kurrentdb::{
    AppendToStreamOptions, Error, StreamPosition, SubscribeToAllOptions, SubscriptionEvent,
    SubscriptionFilter,
};
use nimaora_event_log_server::ConnectionBounds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Stage, note, soon};

/// Connections of the server at a time.
const CONNECTIONS: usize = 8;
/// How an HTTP/2 connection begins: the preface and empty settings.
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_holds_connections_keeps_nobody_out() {
    let bounds = ConnectionBounds { connections_max: CONNECTIONS, ..ConnectionBounds::default() };
    let stage = Stage::with_bounds(bounds).await;
    let listening = stage.client();
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
    let mut listener = listening.subscribe_to_all(&options).await;
    while !matches!(soon(listener.next_subscription_event()).await.unwrap(), SubscriptionEvent::CaughtUp(_)) {
    }

    let mut idle = Vec::new();
    for n in 0..4 * CONNECTIONS {
        let mut one = TcpStream::connect(stage.address).await.unwrap();
        // Some say nothing at all.
        if n % 2 == 0 {
            one.write_all(BEGIN).await.unwrap();
        }
        idle.push(one);
    }
    let client = stage.client();
    let written = soon(client.append_to_stream("notes", &AppendToStreamOptions::default(), note(1))).await;
    assert_eq!(written.unwrap().next_expected_version, 0);
    // Who listens is not idle, however long nothing comes.
    let heard = soon(listener.next()).await.unwrap();
    assert_eq!(heard.get_original_event().stream_id(), "notes");
    // The first of those who only hold a connection had to go.
    let mut said = Vec::new();
    drop(soon(idle.remove(0).read_to_end(&mut said)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_expressions_are_in_use_at_a_time() {
    let stage = Stage::new().await;
    let client = stage.client();
    let follow = |expression: String| {
        let filter = SubscriptionFilter::on_stream_name().regex(&expression);
        let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter);
        let client = client.clone();
        async move {
            let mut listener = client.subscribe_to_all(&options).await;
            soon(listener.next_subscription_event()).await.map(|_| listener)
        }
    };
    let held = join_all((0..128).map(|n| follow(format!("^notes-{n}$")))).await;
    assert!(held.iter().all(Result::is_ok));
    let refused = follow("^other$".to_owned()).await.err();
    assert!(matches!(refused, Some(Error::Grpc { code, .. }) if code as i32 == 8), "{refused:?}");
    // What somebody uses already may be used by others.
    follow("^notes-3$".to_owned()).await.unwrap();
    drop(held);
    while let Err(error) = follow("^other$".to_owned()).await {
        assert!(matches!(error, Error::Grpc { code, .. } if code as i32 == 8), "{error:?}");
    }
}
