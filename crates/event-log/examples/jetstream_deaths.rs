//! How long appends and a subscription stand still when a NATS server dies: each of three servers is killed in turn, started again after
//! a while, and the longest gap between two acknowledged appends and the longest way from an acknowledgement to the subscriber are
//! printed for each death.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a measurement")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nimaora_event_log::jetstream::{JetStreamConfig, JetStreamLog};
use nimaora_event_log::{
    Append, AppendError, EventLog, Expected, Filter, NewEvent, Position, ReadError, SubscriptionMessage,
};
use nimaora_local_servers::{NatsCluster, NatsOptions, scratch};
use nimaora_runtime::Clock;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Deaths; every server has as many.
const DEATHS: usize = 12;
/// How long a server stays away, and how long all are left in peace afterwards.
const AWAY: Duration = Duration::from_secs(12);
const PEACE: Duration = Duration::from_secs(5);
const APPEND_EVERY: Duration = Duration::from_millis(20);

/// The longest times since they were last looked at.
#[derive(Default)]
struct Longest {
    between_appends: Duration,
    to_subscriber: Duration,
}

#[tokio::main]
async fn main() {
    let dir = scratch().unwrap();
    let mut cluster = NatsCluster::start(dir.path(), NatsOptions::default()).await.unwrap();
    let (writer, reader) = (connect(&cluster).await, connect(&cluster).await);
    let longest = Arc::new(Mutex::new(Longest::default()));
    let (tell, told) = mpsc::channel(100_000);
    tokio::spawn(follow(reader, told, Arc::clone(&longest)));
    tokio::spawn(append(writer, tell, Arc::clone(&longest)));
    sleep(PEACE).await;
    for death in 0..DEATHS {
        let victim = death % cluster.nodes.len();
        *longest.lock().await = Longest::default();
        cluster.nodes[victim].process.kill().await;
        sleep(AWAY).await;
        let seen = std::mem::take(&mut *longest.lock().await);
        println!(
            "server {victim} dies: {:.2} s between two appends, {:.2} s to the subscriber",
            seen.between_appends.as_secs_f64(),
            seen.to_subscriber.as_secs_f64()
        );
        cluster.nodes[victim].start_again().await.unwrap();
        sleep(PEACE).await;
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

/// Appends for ever, and tells where and when each append was acknowledged.
async fn append(
    log: Arc<JetStreamLog>,
    tell: mpsc::Sender<(Position, Instant)>,
    longest: Arc<Mutex<Longest>>,
) {
    let mut acknowledged = Instant::now();
    loop {
        let event = NewEvent {
            id: Uuid::new_v4(),
            event_type: "Happened".into(),
            data: Bytes::from_static(b"1"),
            metadata: Bytes::new(),
        };
        let append = Append { stream: "battle-1".into(), expected: Expected::Any, events: vec![event] };
        match log.append(append).await {
            Ok(appended) => {
                let now = Instant::now();
                let mut longest = longest.lock().await;
                longest.between_appends = longest.between_appends.max(now - acknowledged);
                acknowledged = now;
                drop(longest);
                tell.send((appended.last_position, now)).await.unwrap();
            }
            Err(AppendError::Unavailable { .. } | AppendError::UnknownOutcome { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        sleep(APPEND_EVERY).await;
    }
}

/// Follows the log for ever, and notes how long each acknowledged append is on its way.
async fn follow(
    log: Arc<JetStreamLog>,
    mut told: mpsc::Receiver<(Position, Instant)>,
    longest: Arc<Mutex<Longest>>,
) {
    let mut after = 0;
    let mut waited_for = None;
    loop {
        let mut subscription = match log.subscribe(after, Filter::default()).await {
            Ok(subscription) => subscription,
            Err(ReadError::Unavailable { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        loop {
            match subscription.next().await {
                Ok(SubscriptionMessage::Events(events)) => after = events.last().unwrap().position,
                Ok(_) => continue,
                Err(ReadError::Unavailable { .. }) => break,
                Err(error) => panic!("{error}"),
            }
            let now = Instant::now();
            loop {
                let next = waited_for.take().or_else(|| told.try_recv().ok());
                let Some((position, acknowledged)) = next else { break };
                if position > after {
                    waited_for = Some((position, acknowledged));
                    break;
                }
                let mut longest = longest.lock().await;
                longest.to_subscriber =
                    longest.to_subscriber.max(now.saturating_duration_since(acknowledged));
            }
        }
    }
}
