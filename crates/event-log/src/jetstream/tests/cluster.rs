//! Three servers, of which one is killed again and again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nimaora_local_servers::{NatsCluster, NatsOptions, scratch};
use tokio::sync::Notify;

use super::*;

const WRITERS: usize = 3;
const KILLS: u32 = 4;
/// Acknowledged appends that are waited for while a server is down, and again once it is back.
const APPENDS_BETWEEN: usize = 30;

/// What the writers have in common.
#[derive(Default)]
struct Progress {
    acknowledged: AtomicUsize,
    more: Notify,
    stop: AtomicBool,
}

impl Progress {
    async fn until_more(&self, appends: usize) {
        let wanted = self.acknowledged.load(Ordering::SeqCst) + appends;
        let reached = async {
            loop {
                let more = self.more.notified();
                if self.acknowledged.load(Ordering::SeqCst) >= wanted {
                    return;
                }
                more.await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), reached).await.expect("writing goes on");
    }
}

async fn connect(cluster: &NatsCluster) -> Arc<JetStreamLog> {
    let config = JetStreamConfig {
        replicas: 3,
        connect_timeout_ms: 30_000,
        ..JetStreamConfig::new(&cluster.url(), Clock::system())
    };
    JetStreamLog::connect(config).await.unwrap()
}

async fn write(log: Arc<JetStreamLog>, progress: Arc<Progress>, stream: String) -> Vec<Uuid> {
    let (mut written, mut last) = (Vec::new(), None);
    while !progress.stop.load(Ordering::SeqCst) {
        let append = append(&stream, behind(last), 1 + written.len() % 3);
        last = Some(persist(&log, &append).await.last_revision);
        written.extend(append.events.iter().map(|event| event.id));
        progress.acknowledged.fetch_add(1, Ordering::SeqCst);
        progress.more.notify_waiters();
    }
    written
}

async fn leader(log: &JetStreamLog) -> Option<usize> {
    let info = log.store.stream.get_info().await.ok()?;
    info.cluster?.leader?.strip_prefix("nats-")?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_while_servers_are_killed() {
    let seed = Uuid::new_v4().as_u128();
    println!("seed {seed}");
    let dir = scratch().unwrap();
    let mut cluster = NatsCluster::start(dir.path(), NatsOptions::default()).await.unwrap();
    let log = connect(&cluster).await;
    let progress = Arc::new(Progress::default());
    let (tell, until) = tokio::sync::oneshot::channel();
    let follower = tokio::spawn(follow(connect(&cluster).await, until));
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| tokio::spawn(write(Arc::clone(&log), Arc::clone(&progress), format!("battle-{n}"))))
        .collect();
    for kill in 0..KILLS {
        progress.until_more(APPENDS_BETWEEN).await;
        let chosen = (seed >> (8 * kill)) as usize % cluster.nodes.len();
        let victim = if kill % 2 == 0 { leader(&log).await.unwrap_or(chosen) } else { chosen };
        println!("killing server {victim}");
        cluster.nodes[victim].process.kill().await;
        progress.until_more(APPENDS_BETWEEN).await;
        cluster.nodes[victim].start_again().await.unwrap();
    }
    progress.stop.store(true, Ordering::SeqCst);
    let mut count = 0;
    for (n, writer) in writers.into_iter().enumerate() {
        let written = writer.await.unwrap();
        count += written.len();
        assert_eq!(ids_of(&log, &format!("battle-{n}")).await, written, "seed {seed}");
    }
    tell.send(count).unwrap();
    let seen = follower.await.unwrap();
    let (mut stored, mut from) = (Vec::new(), Some(1));
    while let Some(place) = from {
        let page = log.read_all(place, Direction::Forwards, 10_000, &Filter::default()).await.unwrap();
        stored.extend(page.events);
        from = page.next;
    }
    assert_eq!(seen.len(), stored.len(), "seed {seed}");
    assert!(seen == stored, "the subscription delivered something else than what is stored, seed {seed}");
}

/// What copies could break of the contract.
mod contract {
    use super::*;
    use crate::log::SharedLog;

    async fn fresh() -> (SharedLog, (NatsCluster, tempfile::TempDir)) {
        let dir = scratch().unwrap();
        let cluster = NatsCluster::start(dir.path(), NatsOptions::default()).await.unwrap();
        let log = connect(&cluster).await;
        (log, (cluster, dir))
    }

    crate::event_log_contract! { fresh =>
        a_repeat_answers_where_it_went_and_writes_nothing
        a_repeat_in_the_same_moment_is_written_once
        one_of_many_with_the_same_expectation_wins
        concurrent_appends_keep_every_streams_order
        what_is_at_the_limits_is_taken
        an_answered_append_is_readable_at_once
        no_event_appears_behind_a_reader
        a_subscription_turns_live_without_gap_or_repeat
        a_slow_subscriber_misses_nothing
    }
}
