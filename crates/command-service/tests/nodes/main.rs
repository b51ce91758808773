//! Several nodes that share battles: real gRPC between them, one log, leases in a real NATS server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite of assertions")]

mod by_themselves;
mod groups;
mod leases;
mod leases_on_bad_days;
mod support;
mod wiped;

use support::{Cluster, id};

#[tokio::test]
async fn a_command_is_answered_whichever_node_it_is_sent_to() {
    let mut cluster = Cluster::start(3).await;
    let duel = cluster.duel(0).await;
    let mut arrows = Vec::new();
    for node in 0..3 {
        arrows.push(cluster.attack(node, &id(), &duel).await.unwrap());
    }
    assert_eq!(arrows, [99, 98, 97]);
    let refused = cluster.attack(1, "no id", &duel).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(!refused.details().is_empty());
    cluster.stop().await;
}

#[tokio::test]
async fn no_command_fails_while_a_node_hands_its_battles_over() {
    let mut cluster = Cluster::start(2).await;
    let duel = cluster.duel(0).await;
    let attacks = async {
        let mut arrows = Vec::new();
        for _ in 0..40 {
            // Both nodes take commands all the time.
            let node = arrows.len() % 2;
            arrows.push(cluster.attack(node, &id(), &duel).await.unwrap());
        }
        arrows
    };
    let drain = cluster.nodes[0].service.drain();
    let (arrows, ()) = tokio::join!(attacks, drain);
    assert_eq!(arrows, (60..100).rev().collect::<Vec<_>>());
    assert_eq!(cluster.owner_seen_by(1, &duel).await, "node-1");
    cluster.stop().await;
}

#[tokio::test]
async fn a_command_of_a_node_that_crashed_is_answered_the_same_by_the_next_one() {
    let mut cluster = Cluster::start(2).await;
    let duel = cluster.duel(0).await;
    let command_id = id();
    let before = cluster.attack(0, &command_id, &duel).await.unwrap();
    cluster.crash(0);
    let after = cluster.attack(1, &command_id, &duel).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(cluster.attack(1, &id(), &duel).await.unwrap(), before - 1);
    cluster.stop().await;
}

#[tokio::test]
async fn two_nodes_that_both_believe_to_own_a_battle_harm_nobody() {
    let mut cluster = Cluster::start_alone(2).await;
    let duel = cluster.duel(0).await;
    let mut accepted = 0;
    for turn in 0..40 {
        // Whoever writes on what the other has overtaken is turned away, forgets the battle, and reads it again.
        if let Ok(arrows) = cluster.attack(turn % 2, &id(), &duel).await {
            accepted += 1;
            assert_eq!(arrows, 100 - accepted);
        }
    }
    assert!(accepted > 0);
    cluster.stop().await;
}

#[tokio::test]
async fn a_node_goes_on_with_its_battles_while_the_leases_are_away() {
    let mut cluster = Cluster::start(2).await;
    let duel = cluster.duel(0).await;
    cluster.nats.as_mut().unwrap().process.kill().await;
    assert_eq!(cluster.attack(0, &id(), &duel).await.unwrap(), 99);
    assert_eq!(cluster.attack(1, &id(), &duel).await.unwrap(), 98);
    cluster.nats.as_mut().unwrap().start_again().await.unwrap();
    assert_eq!(cluster.attack(1, &id(), &duel).await.unwrap(), 97);
    cluster.stop().await;
}
