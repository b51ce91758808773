//! Leases in a bucket that was wiped, of nodes that crashed, and on a cluster that loses a server.

use std::time::Duration;

use async_nats::jetstream::kv;
use nimaora_command_service::{NatsOwnership, Owner, Ownership};
use nimaora_domain::BattleId;
use nimaora_local_servers::{Nats, NatsCluster, NatsOptions, scratch};
use uuid::Uuid;

use crate::support::{BUCKET, leases, leases_at};

/// Long enough for elections on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(nats: &Nats, number: usize) -> NatsOwnership {
    NatsOwnership::connect(leases(nats, number, url(number))).await.unwrap()
}

fn url(number: usize) -> String {
    format!("http://127.0.0.1:{number}")
}

fn battle() -> BattleId {
    BattleId(Uuid::new_v4())
}

/// Waits until it is so. It is asked again and again, because what changes it comes over the network.
async fn until<F: Future<Output = bool>>(what: &str, so: impl Fn() -> F) {
    let asked = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

async fn until_known(node: &NatsOwnership, battle_id: BattleId, owner: Option<&str>) {
    until("the owner is known", || async {
        match (node.known(battle_id), owner) {
            (Some(Owner::Me), Some(owner)) => owner == "me",
            (Some(Owner::Other(peer)), Some(owner)) => *peer.node == *owner,
            (None, owner) => owner.is_none(),
            (Some(_), None) => false,
        }
    })
    .await;
}

async fn bucket(nats: &Nats) -> Option<kv::Store> {
    let client = async_nats::connect(nats.url()).await.unwrap();
    async_nats::jetstream::new(client).get_key_value(BUCKET).await.ok()
}

#[tokio::test]
async fn a_bucket_that_was_wiped_is_made_anew_and_one_node_owns_a_battle() {
    let folder = scratch().unwrap();
    let nats = Nats::start(folder.path(), NatsOptions::default()).await.unwrap();
    let (first, second) = (connect(&nats, 1).await, connect(&nats, 2).await);
    // Revisions of this bucket are higher than those of the next one for a long time.
    let wiped = bucket(&nats).await.unwrap();
    for number in 0..500 {
        wiped.put("other", number.to_string().into()).await.unwrap();
    }
    let battle_id = battle();
    assert_eq!(first.owner(battle_id).await.unwrap(), Owner::Me);
    until_known(&second, battle_id, Some("node-1")).await;

    let client = async_nats::connect(nats.url()).await.unwrap();
    async_nats::jetstream::new(client).delete_key_value(BUCKET).await.unwrap();
    until("the bucket is there again", || async { bucket(&nats).await.is_some() }).await;
    let anew = bucket(&nats).await.unwrap();
    let heartbeat = || async { anew.get("node.node-2").await.ok().flatten() };
    until("the second node lives", || async { heartbeat().await.is_some() }).await;
    // The second node claims the battle in the new bucket, where nobody owns it.
    let record: serde_json::Value = serde_json::from_slice(&heartbeat().await.unwrap()).unwrap();
    let lease = serde_json::json!({ "node": "node-2", "incarnation": record["incarnation"] });
    anew.put(format!("battle.{battle_id}"), lease.to_string().into()).await.unwrap();
    until_known(&second, battle_id, Some("me")).await;
    until_known(&first, battle_id, Some("node-2")).await;
    first.leave().await;
    second.leave().await;
}

#[tokio::test]
async fn after_a_purge_whoever_claims_a_battle_has_it_alone() {
    let folder = scratch().unwrap();
    let nats = Nats::start(folder.path(), NatsOptions::default()).await.unwrap();
    let first = connect(&nats, 1).await;
    let battle_id = battle();
    assert_eq!(first.owner(battle_id).await.unwrap(), Owner::Me);
    // Nothing tells that the lease is gone.
    bucket(&nats).await.unwrap().stream.purge().await.unwrap();
    let second = connect(&nats, 2).await;
    until("the battle can be claimed", || async { second.owner(battle_id).await == Ok(Owner::Me) }).await;
    until_known(&first, battle_id, Some("node-2")).await;
    first.leave().await;
    second.leave().await;
}

#[tokio::test]
async fn what_a_crashed_node_left_in_the_bucket_is_removed() {
    let folder = scratch().unwrap();
    let nats = Nats::start(folder.path(), NatsOptions::default()).await.unwrap();
    let survivor = connect(&nats, 1).await;
    let crashed = connect(&nats, 2).await;
    let (kept, left) = (battle(), battle());
    assert_eq!(survivor.owner(kept).await.unwrap(), Owner::Me);
    for battle_id in [left, battle(), battle()] {
        assert_eq!(crashed.owner(battle_id).await.unwrap(), Owner::Me);
    }
    until_known(&survivor, left, Some("node-2")).await;
    // It ends without giving anything up.
    drop(crashed);
    let bucket = bucket(&nats).await.unwrap();
    until("only what lives is in the bucket", || async {
        // Entries that were deleted leave a trace, and that goes too.
        let info = bucket.stream.get_info().await.unwrap();
        info.state.messages == 2
    })
    .await;
    assert!(bucket.get("node.node-1").await.unwrap().is_some());
    assert!(bucket.get(format!("battle.{kept}")).await.unwrap().is_some());
    until("the survivor knows its own", || async { survivor.known(kept) == Some(Owner::Me) }).await;
    survivor.leave().await;
}

#[tokio::test]
async fn leases_outlive_any_server_of_three() {
    let folder = scratch().unwrap();
    let mut cluster = NatsCluster::start(folder.path(), NatsOptions::default()).await.unwrap();
    let connect = |number| NatsOwnership::connect(leases_at(cluster.url(), 3, number, url(number)));
    let (first, second) = (connect(1).await.unwrap(), connect(2).await.unwrap());
    for victim in 0..cluster.nodes.len() {
        let before = battle();
        agree(&first, &second, before).await;
        cluster.nodes[victim].process.kill().await;
        // What was owned is still owned, and what is new can be claimed, with two servers.
        agree(&first, &second, before).await;
        agree(&first, &second, battle()).await;
        cluster.nodes[victim].start_again().await.unwrap();
    }
    let battle_id = battle();
    agree(&first, &second, battle_id).await;
    let (winner, loser) = match first.known(battle_id) {
        Some(Owner::Me) => (first, second),
        _ => (second, first),
    };
    winner.leave().await;
    until("what was given up can be claimed", || async {
        matches!(loser.owner(battle_id).await, Ok(Owner::Me))
    })
    .await;
    loser.leave().await;
}

/// Waits until exactly one of the two owns the battle, and the other one says so.
async fn agree(first: &NatsOwnership, second: &NatsOwnership, battle_id: BattleId) {
    until("two nodes agree who owns a battle", || async {
        match tokio::join!(first.owner(battle_id), second.owner(battle_id)) {
            (Ok(Owner::Me), Ok(Owner::Other(peer))) => *peer.node == *"node-1",
            (Ok(Owner::Other(peer)), Ok(Owner::Me)) => *peer.node == *"node-2",
            _ => false,
        }
    })
    .await;
}
