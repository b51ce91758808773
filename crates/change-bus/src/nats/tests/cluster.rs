//! Publisher and follower on different servers of a cluster, while servers die and hang.

use nimaora_local_servers::{NatsCluster, Program, scratch};

use super::support::{Projection, Reader, connect, options};
use crate::contract::battle;

/// Positions that are published before, while and after a server is away.
const SOME: u64 = 100;
const OF_PUBLISHER: usize = 0;
const OF_FOLLOWER: usize = 1;
const OF_NOBODY: usize = 2;

async fn survives_the_death_of(node: usize, program: Program) {
    let dir = scratch().unwrap();
    let mut cluster = NatsCluster::start(dir.path(), options(program)).await.unwrap();
    let projection = Projection::start(connect(&cluster.nodes[OF_PUBLISHER].url()).await, battle(1));
    let follower = connect(&cluster.nodes[OF_FOLLOWER].url()).await;
    projection.tables.grow_by(SOME).await;
    let mut reader = Reader::follow(&follower, battle(1), &projection.tables).await;
    let tables = projection.tables.clone();
    let reading = tokio::spawn(async move {
        tables.grow_by(SOME).await;
        cluster.nodes[node].process.kill().await;
        tables.grow_by(SOME).await;
        cluster.nodes[node].start_again().await.unwrap();
        tables.grow_by(SOME).await;
        (projection.stop().await, cluster)
    });
    // Until the last is known, although nothing follows it.
    while !reading.is_finished() {
        reader.next().await;
    }
    let (last, _cluster) = reading.await.unwrap();
    reader.until_known(last).await;
}

#[tokio::test]
async fn nothing_is_lost_unnoticed_when_the_publishers_server_dies() {
    survives_the_death_of(OF_PUBLISHER, Program::Nats).await;
}

#[tokio::test]
async fn nothing_is_lost_unnoticed_when_the_followers_server_dies() {
    survives_the_death_of(OF_FOLLOWER, Program::Nats).await;
}

#[tokio::test]
async fn nothing_is_lost_unnoticed_when_another_server_dies() {
    survives_the_death_of(OF_NOBODY, Program::Nats).await;
}

#[tokio::test]
async fn nothing_is_lost_unnoticed_when_a_server_of_debian_dies() {
    survives_the_death_of(OF_PUBLISHER, Program::NatsOfDebian).await;
}

async fn survives_the_pause_of(node: usize) {
    let dir = scratch().unwrap();
    let cluster = NatsCluster::start(dir.path(), options(Program::Nats)).await.unwrap();
    let projection = Projection::start(connect(&cluster.nodes[OF_PUBLISHER].url()).await, battle(1));
    let follower = connect(&cluster.nodes[OF_FOLLOWER].url()).await;
    projection.tables.grow_by(SOME).await;
    let mut reader = Reader::follow(&follower, battle(1), &projection.tables).await;
    cluster.nodes[node].process.pause();
    reader.until_told_of_a_loss().await;
    cluster.nodes[node].process.resume();
    let more = projection.tables.position() + SOME;
    reader.until_known(more).await;
    let last = projection.stop().await;
    reader.until_known(last).await;
}

#[tokio::test]
async fn a_publishers_server_that_hangs_is_noticed() {
    survives_the_pause_of(OF_PUBLISHER).await;
}

#[tokio::test]
async fn a_followers_server_that_hangs_is_noticed() {
    survives_the_pause_of(OF_FOLLOWER).await;
}
