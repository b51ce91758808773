//! The log is wiped under a node that runs.

use nimaora_api::details;
use nimaora_event_log::jetstream::config::STREAM;

use crate::support::{Cluster, PATIENCE, id};

#[tokio::test]
async fn a_node_whose_log_was_wiped_says_so_and_takes_no_command() {
    let mut cluster = Cluster::start_on_jetstream(1, "").await;
    let duel = cluster.duel(0).await;
    let health = cluster.nodes[0].health.clone();
    let mut ready = health.watch();
    tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await.expect("it is not ready").unwrap();

    let client = async_nats::connect(cluster.nats.as_ref().unwrap().url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    jetstream.delete_stream(STREAM).await.unwrap();
    tokio::time::timeout(2 * PATIENCE, ready.wait_for(|ready| !ready)).await.expect("it is ready").unwrap();
    let missing = health.missing();
    let (part, why) = missing.first().unwrap();
    assert!(*part == "commands" && why.contains("restore the stream from a copy"), "{missing:?}");

    let attacked = cluster.attack(0, &id(), &duel).await.unwrap_err();
    let created = cluster.create(0, "?").await.unwrap_err();
    for refused in [attacked, created] {
        let reason = details::reason(&refused);
        assert!(matches!(reason.as_deref(), Some("LOG_DAMAGED" | "LOG_UNAVAILABLE")), "{refused:?}");
        assert!(refused.message().contains("it is not there any more"), "{refused:?}");
    }
    // Nothing has made it anew.
    assert!(jetstream.get_stream(STREAM).await.is_err());
    cluster.stop().await;
}
