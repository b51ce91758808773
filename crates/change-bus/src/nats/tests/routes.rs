//! What comes between servers that all live, and between a server and a client that does not read.

use std::time::Duration;

use nimaora_local_servers::{Nats, NatsCluster, Program, Wire, scratch};
use tokio::time::{Instant, sleep};

use super::support::{Projection, Reader, connect, options, soon};
use crate::contract::battle;

/// For how long the servers are cut off from each other.
const CUT: Duration = Duration::from_secs(10);
/// Positions that are published before, while and after something is between.
const SOME: u64 = 100;

async fn survives_a_cut_between_servers(publisher: usize, follower: usize) {
    let dir = scratch().unwrap();
    let (cluster, wire) = NatsCluster::start_wired(dir.path(), options(Program::Nats)).await.unwrap();
    let projection = Projection::start(connect(&cluster.nodes[publisher].url()).await, battle(1));
    let bus = connect(&cluster.nodes[follower].url()).await;
    projection.tables.grow_by(SOME).await;
    let mut reader = Reader::follow(&bus, battle(1), &projection.tables).await;
    // The servers may not all have found each other yet, and whoever was never heard cannot fall silent.
    while !bus.inner.hub.hears_somebody() {
        reader.next().await;
    }
    wire.cut();
    // The publisher is not hindered by it.
    projection.tables.grow_by(SOME).await;
    reader.until_told_of_a_loss().await;
    sleep(CUT).await;
    wire.mend();
    let more = projection.tables.position() + SOME;
    reader.until_known(more).await;
    // Until the last is known, although nothing follows it.
    let last = projection.stop().await;
    reader.until_known(last).await;
}

#[tokio::test]
async fn nothing_is_lost_unnoticed_when_the_followers_server_is_cut_off_from_the_others() {
    survives_a_cut_between_servers(1, 0).await;
}

#[tokio::test]
async fn nothing_is_lost_unnoticed_when_the_publishers_server_is_cut_off_from_the_others() {
    survives_a_cut_between_servers(0, 1).await;
}

#[tokio::test]
async fn what_a_server_drops_of_a_follower_that_does_not_read_is_told() {
    /// For how long the follower's client stays without an answer to its pings.
    const HELD: Duration = Duration::from_secs(2);
    let dir = scratch().unwrap();
    let lines = "max_payload: 65536\nmax_pending: 131072\n";
    let server = Nats::start_with(dir.path(), options(Program::Nats), lines).await.unwrap();
    let wire = Wire::to(server.port()).await.unwrap();
    let bus = connect(&format!("nats://127.0.0.1:{}", wire.port())).await;
    let projection = Projection::start_large(connect(&server.url()).await, battle(1), 32 * 1024);
    projection.tables.grow_by(SOME).await;
    let mut reader = Reader::follow(&bus, battle(1), &projection.tables).await;
    soon(async {
        while server.slow_consumers().await.unwrap() == 0 {
            wire.hold();
            let until = Instant::now() + HELD;
            while Instant::now() < until && server.slow_consumers().await.unwrap() == 0 {
                sleep(Duration::from_millis(20)).await;
            }
            wire.mend();
        }
    })
    .await;
    reader.until_told_of_a_loss().await;
    let last = projection.stop().await;
    reader.until_known(last).await;
}
