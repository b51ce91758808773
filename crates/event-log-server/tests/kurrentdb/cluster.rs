//! Several servers: which one is asked, and what a follower says.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri};
use nimaora_event_log::Expected;
use nimaora_event_log::kurrentdb::KurrentDbLog;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::stage::{PASSWORD, Server, anywhere, append, config, ids_of, persist};

/// A server of a cluster that is not its leader: it answers every question about streams with where the leader is.
async fn follower_of(leader: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    async fn answer(State(leader): State<SocketAddr>, uri: Uri) -> HeaderMap {
        let streams = uri.path().starts_with("/event_store.client.streams.Streams/");
        // NOT_FOUND, or UNIMPLEMENTED for what a server has no need of.
        let mut answer = vec![("grpc-status", if streams { "5" } else { "12" }.to_owned())];
        if streams {
            answer.push(("grpc-message", "Leader info available".into()));
            answer.push(("exception", "not-leader".into()));
            answer.push(("leader-endpoint-host", leader.ip().to_string()));
            answer.push(("leader-endpoint-port", leader.port().to_string()));
        }
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        for (name, value) in answer {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(leader);
    (address, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_a_follower_is_led_to_the_leader() {
    let dir = tempfile::tempdir().unwrap();
    let leader = Server::start(dir.path(), anywhere()).await;
    let (follower, serving) = follower_of(leader.address).await;
    let url = format!("kurrentdb://node:{PASSWORD}@{follower}?tls=false");
    let log = KurrentDbLog::connect(config(&url)).await.unwrap();
    let battle = append("battle-1", Expected::NoStream, 2);
    persist(&log, &battle).await;
    assert_eq!(ids_of(&log, "battle-1").await.len(), 2);
    assert_eq!(leader.ids("battle-1").await.len(), 2);
    serving.abort();
    leader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_of_the_cluster_is_found_when_the_one_in_use_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path(), anywhere()).await;
    // Another port that is free now, and stays so as far as the system can help it.
    let second = TcpListener::bind(anywhere()).await.unwrap().local_addr().unwrap();
    let hosts = format!("{},{second}", first.address);
    let log = KurrentDbLog::connect(config(&format!("kurrentdb://node:{PASSWORD}@{hosts}?tls=false")));
    let log = log.await.unwrap();
    let before = append("battle-1", Expected::NoStream, 2);
    persist(&log, &before).await;

    first.stop().await;
    let second = Server::start(dir.path(), second).await;
    let after = append("battle-1", Expected::Exact(1), 2);
    persist(&log, &after).await;
    let promised: Vec<_> = before.events.iter().chain(&after.events).map(|event| event.id).collect();
    assert_eq!(ids_of(&log, "battle-1").await, promised);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_found_by_the_name_that_stands_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), anywhere()).await;
    let url = format!("kurrentdb+discover://node:{PASSWORD}@{}?tls=false", server.address);
    let log = KurrentDbLog::connect(config(&url)).await.unwrap();
    persist(&log, &append("battle-1", Expected::NoStream, 1)).await;
    assert_eq!(ids_of(&log, "battle-1").await.len(), 1);
    server.stop().await;
}
