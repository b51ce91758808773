//! A leader that was cut off from the others and has not noticed.

use std::time::Duration;

use nimaora_local_servers::{NatsCluster, NatsOptions, scratch};

use super::*;

/// What a call may take, so that several fit into the time in which the old leader has not noticed.
const PATIENCE_MS: u64 = 1_500;

async fn connect(urls: &str) -> Arc<JetStreamLog> {
    let config = JetStreamConfig {
        replicas: 3,
        append_timeout_ms: PATIENCE_MS,
        read_timeout_ms: PATIENCE_MS,
        connect_timeout_ms: 60_000,
        ..JetStreamConfig::new(urls, Clock::system())
    };
    JetStreamLog::connect(config).await.unwrap()
}

/// Lets the first server lead.
async fn lead(log: &JetStreamLog) {
    let chosen = async {
        loop {
            let info = log.store.stream.get_info().await.ok().and_then(|info| info.cluster);
            match info.and_then(|cluster| cluster.leader) {
                Some(leader) if leader == "nats-0" => return,
                Some(_) => {
                    let subject = format!("$JS.API.STREAM.LEADER.STEPDOWN.{}", log.store.config.stream);
                    drop(log.store.client.request(subject, Bytes::new()).await);
                }
                None => {}
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), chosen).await.expect("the first server does not lead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_says_is_not_believed_in_the_cluster_without_it() {
    let dir = scratch().unwrap();
    let (cluster, wire) = NatsCluster::start_wired(dir.path(), NatsOptions::default()).await.unwrap();
    let others = connect(&format!("{},{}", cluster.nodes[1].url(), cluster.nodes[2].url())).await;
    let alone = connect(&cluster.nodes[0].url()).await;
    lead(&alone).await;
    let first = append("battle-1", Expected::NoStream, 2);
    persist(&others, &first).await;
    let mut promised: Vec<_> = first.events.iter().map(|event| event.id).collect();
    assert_eq!(ids_of(&alone, "battle-1").await, promised);

    wire.cut();
    let second = append("battle-1", Expected::Exact(1), 2);
    persist(&others, &second).await;
    promised.extend(second.events.iter().map(|event| event.id));
    persist(&others, &append("battle-2", Expected::NoStream, 1)).await;
    let head = others.status().await.unwrap().head;
    // The others have another leader. The old one would still answer with what it had.
    for _ in 0..3 {
        match alone.read_stream("battle-1", 0, Direction::Forwards, 10).await {
            Ok(read) => assert_eq!(read.iter().map(|event| event.id).collect::<Vec<_>>(), promised),
            Err(error) => assert!(matches!(error, ReadError::Unavailable { .. }), "{error}"),
        }
        let new = alone.read_stream("battle-2", 0, Direction::Forwards, 10).await;
        assert!(new.as_ref().map_or(true, |new| new.len() == 1), "{new:?}");
        let late = alone.append(append("battle-1", Expected::Exact(1), 1)).await;
        assert!(late.is_err(), "{late:?}");
        assert!(alone.status().await.map_or(true, |status| status.head >= head));
    }
    wire.mend();
    let healed = async {
        loop {
            match alone.read_stream("battle-1", 0, Direction::Forwards, 10).await {
                Ok(read) => return read.iter().map(|event| event.id).collect::<Vec<_>>(),
                Err(ReadError::Unavailable { .. }) => {}
                Err(damaged) => panic!("{damaged}"),
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(120), healed).await.expect("nothing is healed");
    assert_eq!(read, promised);
}
