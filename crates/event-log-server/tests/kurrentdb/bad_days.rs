//! Servers that stop, hang and refuse.

use std::sync::Arc;

use nimaora_event_log::kurrentdb::KurrentDbLog;
use nimaora_event_log::{
    AppendError, Direction, EventLog, Expected, Filter, ReadError, RecordedEvent, SubscriptionMessage,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::stage::{PASSWORD, PATIENCE, Server, anywhere, append, config, ids_of, persist};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_and_following_go_on_when_the_server_was_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), anywhere()).await;
    let log = KurrentDbLog::connect(server.config()).await.unwrap();
    let follower = tokio::spawn(follow(Arc::clone(&log), 21));
    let mut written = Vec::new();
    let mut expected = Expected::NoStream;
    for _ in 0..3 {
        for _ in 0..2 {
            let append = append("battle-1", expected, 3);
            expected = Expected::Exact(persist(&log, &append).await.last_revision);
            written.extend(append.events.iter().map(|event| event.id));
        }
        let address = server.address;
        server.stop().await;
        server = Server::start(dir.path(), address).await;
    }
    let append = append("battle-1", expected, 3);
    persist(&log, &append).await;
    written.extend(append.events.iter().map(|event| event.id));
    assert_eq!(ids_of(&log, "battle-1").await, written);
    let seen = tokio::time::timeout(PATIENCE, follower).await.unwrap().unwrap();
    assert_eq!(seen.iter().map(|event| event.id).collect::<Vec<_>>(), written);
    server.stop().await;
}

/// Follows the log until it has delivered `count` events, and begins again where it was when the connection is lost.
async fn follow(log: Arc<KurrentDbLog>, count: usize) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    while seen.len() < count {
        let after = seen.last().map_or(0, |event| event.position);
        let Ok(mut subscription) = log.subscribe(after, Filter::default()).await else { continue };
        while seen.len() < count {
            match subscription.next().await {
                Ok(SubscriptionMessage::Events(events)) => seen.extend(events),
                Ok(_) => {}
                Err(ReadError::Unavailable { .. }) => break,
                Err(damaged) => panic!("{damaged}"),
            }
        }
    }
    seen
}

/// A way to the server on which nothing moves while it is blocked.
async fn way_to(server: &Server) -> (std::net::SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let (address, target) = (listener.local_addr().unwrap(), server.address);
    let (block, blocked) = watch::channel(false);
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let mut blocked = blocked.clone();
            connections.spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                loop {
                    if blocked.wait_for(|blocked| !blocked).await.is_err() {
                        return;
                    }
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => return,
                        _ = async { blocked.clone().wait_for(|blocked| *blocked).await.is_ok() } => {}
                    }
                }
            });
        }
    });
    (address, block)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_told_in_time_and_nothing_is_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), anywhere()).await;
    let (address, block) = way_to(&server).await;
    let mut settings = config(&format!("kurrentdb://node:{PASSWORD}@{address}?tls=false"));
    (settings.append_timeout_ms, settings.read_timeout_ms) = (1_500, 1_500);
    let log = KurrentDbLog::connect(settings).await.unwrap();
    let first = append("battle-1", Expected::NoStream, 2);
    persist(&log, &first).await;

    block.send(true).unwrap();
    let second = append("battle-1", Expected::Exact(1), 2);
    let answer = log.append(second.clone()).await;
    assert!(matches!(answer, Err(AppendError::UnknownOutcome { .. })), "{answer:?}");
    let read = log.read_stream("battle-1", 0, Direction::Forwards, 10).await;
    assert!(matches!(read, Err(ReadError::Unavailable { .. })), "{read:?}");
    let subscribed = log.subscribe(0, Filter::default()).await.err();
    assert!(matches!(subscribed, Some(ReadError::Unavailable { .. })), "{subscribed:?}");

    block.send(false).unwrap();
    assert_eq!(persist(&log, &second).await.last_revision, 3);
    let promised: Vec<_> = first.events.iter().chain(&second.events).map(|event| event.id).collect();
    assert_eq!(ids_of(&log, "battle-1").await, promised);
    assert_eq!(server.ids("battle-1").await, promised);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_not_taken_where_nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), anywhere()).await;
    let log = KurrentDbLog::connect(server.config()).await.unwrap();
    server.stop().await;
    let answer = log.append(append("battle-1", Expected::NoStream, 1)).await;
    let outcome = matches!(answer, Err(AppendError::Unavailable { .. } | AppendError::UnknownOutcome { .. }));
    assert!(outcome, "{answer:?}");
    let status = log.status().await;
    assert!(matches!(status, Err(ReadError::Unavailable { .. })), "{status:?}");
}

#[tokio::test]
async fn opening_a_log_that_is_not_there_ends() {
    let mut settings = config("kurrentdb://node:s3cret@127.0.0.1:1?tls=false");
    settings.connect_timeout_ms = 300;
    assert!(!format!("{settings:?}").contains("s3cret"));
    let opened = KurrentDbLog::connect(settings).await.err().unwrap().to_string();
    assert!(opened.contains("cannot be used now") && !opened.contains("s3cret"), "{opened}");
}
