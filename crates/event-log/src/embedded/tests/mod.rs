//! What only the embedded log promises.

mod contract;
mod damage;
mod disk;
mod limits;
mod look;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use nimaora_runtime::Clock;
use uuid::Uuid;

use super::{EmbeddedConfig, EmbeddedLog};
use crate::log::{EventLog, SubscriptionMessage};
use crate::types::{Append, Direction, Expected, Filter, NewEvent};

fn open(dir: &Path) -> Arc<EmbeddedLog> {
    EmbeddedLog::open(dir, EmbeddedConfig::new(Clock::manual(1_000))).unwrap()
}

fn small(segment_bytes: u32) -> EmbeddedConfig {
    EmbeddedConfig { segment_bytes, tail_bytes_max: 4 * 1024, ..EmbeddedConfig::new(Clock::manual(1_000)) }
}

async fn ids_of_all(log: &EmbeddedLog) -> Vec<Uuid> {
    let mut from = Some(1);
    let mut ids = Vec::new();
    while let Some(place) = from {
        let page = log.read_all(place, Direction::Forwards, 1_000, &Filter::default()).await.unwrap();
        ids.extend(page.events.iter().map(|event| event.id));
        from = page.next;
    }
    ids
}

fn event(n: u128) -> NewEvent {
    let data = Bytes::from(format!("data {n}"));
    NewEvent { id: Uuid::from_u128(n), event_type: "Happened".into(), data, metadata: Bytes::new() }
}

fn append(stream: &str, events: impl IntoIterator<Item = u128>) -> Append {
    let events = events.into_iter().map(event).collect();
    Append { stream: stream.into(), expected: Expected::Any, events }
}

#[tokio::test]
async fn positions_count_from_one_without_gaps_also_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let log = open(dir.path());
        for n in 0..10 {
            let id = 100 * round + 2 * n;
            let appended = log.append(append(&format!("s-{}", n % 3), [id, id + 1])).await.unwrap();
            assert_eq!(u128::from(appended.first_position), round * 20 + n * 2 + 1);
            assert_eq!(appended.last_position, appended.first_position + 1);
        }
        let page = log.read_all(1, Direction::Forwards, 1_000, &Filter::default()).await.unwrap();
        let positions: Vec<_> = page.events.iter().map(|event| event.position).collect();
        assert_eq!(positions, (1..=20 * (round as u64 + 1)).collect::<Vec<_>>());
        assert_eq!(page.events[0].created_ms, 1_000);
        let mut subscription = log.subscribe(5, Filter::default()).await.unwrap();
        let SubscriptionMessage::Events(events) = subscription.next().await.unwrap() else { panic!() };
        assert_eq!(events[0].position, 6);
        log.close().await;
    }
}
