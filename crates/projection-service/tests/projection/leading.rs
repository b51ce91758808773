//! Of several projections one is at work; another takes over when it goes or dies.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use nimaora_local_servers::{Nats, NatsOptions, scratch};
use nimaora_projection_service::leadership::nats::NatsLeadership;
use nimaora_projection_service::leadership::{Leadership, Term};
use tokio::time::timeout;

/// Longer than any lease.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// Waits until the lease was refreshed so many times.
async fn refreshes(nats: &Nats, times: usize) {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let bucket = async_nats::jetstream::new(client).get_key_value("nimaora-projection").await.unwrap();
    let watch = bucket.watch("leader").await.unwrap();
    watch.take(times).for_each(|entry| async { drop(entry.unwrap()) }).await;
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
        () = soon(refreshes(&nats, 6)) => {}
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
        () = soon(refreshes(&nats, 2)) => {}
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
