//! Of several projections one is at work; another takes over when it goes or dies.

use std::sync::Arc;
use std::time::Duration;

use nimaora_local_servers::{Nats, NatsCluster, NatsOptions, scratch};
use nimaora_projection_service::leadership::nats::NatsLeadership;
use nimaora_projection_service::leadership::{Leadership, Term};
use tokio::time::timeout;

/// Longer than any lease.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a lease that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

async fn candidate(nats: &Nats, name: &str) -> Arc<NatsLeadership> {
    Arc::new(NatsLeadership::connect(&nats.url(), 1, name).await.unwrap())
}

/// Waits to lead, in a task of its own.
fn waits(candidate: &Arc<NatsLeadership>) -> tokio::task::JoinHandle<Box<dyn Term>> {
    let candidate = Arc::clone(candidate);
    tokio::spawn(async move { candidate.lead().await })
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it comes in time")
}

/// Waits until the lease was seen refreshed so many times. Servers that do not answer are asked again.
async fn refreshes(servers: String, times: usize) {
    let client = async_nats::connect(servers.split(',').collect::<Vec<_>>()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() <= times {
        if let Ok(bucket) = context.get_key_value("nimaora-projection").await
            && let Ok(Some(lease)) = bucket.entry("leader").await
        {
            seen.insert(lease.revision);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn one_leads_and_the_other_follows_when_it_resigns() {
    let dir = scratch().unwrap();
    let nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let (one, other) = (candidate(&nats, "one").await, candidate(&nats, "other").await);
    let mut term = soon(one.lead()).await;
    let waiting = waits(&other);
    // As long as the first refreshes its lease, the second waits: longer than one lease.
    tokio::select! {
        () = term.over() => panic!("the lease was lost"),
        () = soon(refreshes(nats.url(), 6)) => {}
    }
    assert!(!waiting.is_finished());
    term.resign().await;
    soon(waiting).await.unwrap();
}

#[tokio::test]
async fn a_leader_that_vanished_is_followed_when_its_lease_has_run_out() {
    let dir = scratch().unwrap();
    let nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let (one, other) = (candidate(&nats, "one").await, candidate(&nats, "other").await);
    drop(soon(one.lead()).await);
    let mut term = soon(other.lead()).await;
    // The first may wait again, and leads when the second is gone.
    let waiting = waits(&one);
    tokio::select! {
        () = term.over() => panic!("the lease was lost"),
        () = soon(refreshes(nats.url(), 2)) => {}
    }
    term.resign().await;
    soon(waiting).await.unwrap();
}

#[tokio::test]
async fn a_leader_that_cannot_refresh_stops_believing_and_leads_again_later() {
    let dir = scratch().unwrap();
    let mut nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let one = candidate(&nats, "one").await;
    let mut term = soon(one.lead()).await;
    nats.process.kill().await;
    soon(term.over()).await;
    nats.start_again().await.unwrap();
    soon(one.lead()).await;
}

/// Which of three servers leads the bucket.
async fn leader_of_the_bucket(nats: &NatsCluster) -> usize {
    let client = async_nats::connect(nats.nodes[0].url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    loop {
        // A server that is busy may not answer, nor know the leader.
        if let Ok(bucket) = context.get_key_value("nimaora-projection").await
            && let Ok(info) = bucket.stream.get_info().await
            && let Some(leader) = info.cluster.and_then(|cluster| cluster.leader)
        {
            return leader.strip_prefix("nats-").unwrap().parse().unwrap();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn a_leader_goes_on_while_a_cluster_elects_another_leader_of_the_bucket() {
    let dir = scratch().unwrap();
    let mut nats = NatsCluster::start(dir.path(), NatsOptions::default()).await.unwrap();
    // Three servers of a machine that is busy elsewhere may take long to elect.
    let one = NatsLeadership::connect(&nats.url(), 3, "one").await.unwrap().believing_for(PATIENCE);
    let mut term = soon(one.lead()).await;
    let leader = soon(leader_of_the_bucket(&nats)).await;
    nats.nodes[leader].process.kill().await;
    let left = nats.nodes[(leader + 1) % 3].url();
    tokio::select! {
        () = term.over() => panic!("it believes that it leads no more"),
        () = soon(refreshes(left, 3)) => {}
    }
}
