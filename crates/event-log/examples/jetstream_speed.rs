//! How fast the JetStream log is on one server that syncs before each acknowledgement: appends by group size, and reading a stream.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::time::Instant;

use bytes::Bytes;
use nimaora_event_log::jetstream::{JetStreamConfig, JetStreamLog};
use nimaora_event_log::{Append, Direction, EventLog, Expected, NewEvent};
use nimaora_local_servers::{Nats, NatsOptions, scratch};
use nimaora_runtime::Clock;
use uuid::Uuid;

const EVENT_BYTES: usize = 256;
const APPENDS: usize = 300;
const READ_EVENTS: usize = 100_000;

#[tokio::main]
async fn main() {
    let dir = scratch().unwrap();
    let nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let log = JetStreamLog::connect(JetStreamConfig::new(&nats.url(), Clock::system())).await.unwrap();
    for group in [1, 64, 512] {
        let took = write(&log, &format!("battle-{group}"), group, APPENDS).await;
        let appends = APPENDS as f64 / took;
        println!("groups of {group}: {appends:.0} appends/s, {:.0} events/s", appends * group as f64);
    }
    write(&log, "battle-read", 100, READ_EVENTS / 100).await;
    let begun = Instant::now();
    let read = log.read_stream("battle-read", 0, Direction::Forwards, usize::MAX).await.unwrap();
    println!("read {} events at {:.0}/s", read.len(), read.len() as f64 / begun.elapsed().as_secs_f64());
}

/// Appends one after the other, and answers how many seconds it took.
async fn write(log: &JetStreamLog, stream: &str, group: usize, appends: usize) -> f64 {
    let data = Bytes::from(vec![b'1'; EVENT_BYTES]);
    let mut expected = Expected::NoStream;
    let begun = Instant::now();
    for _ in 0..appends {
        let events = (0..group).map(|_| NewEvent {
            id: Uuid::new_v4(),
            event_type: "Happened".into(),
            data: data.clone(),
            metadata: Bytes::new(),
        });
        let append = Append { stream: stream.into(), expected, events: events.collect() };
        expected = Expected::Exact(log.append(append).await.unwrap().last_revision);
    }
    begun.elapsed().as_secs_f64()
}
