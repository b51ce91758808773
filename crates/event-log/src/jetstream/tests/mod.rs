//! What the JetStream log promises, on real servers that the tests start.

mod cluster;
mod contract;
mod cut_off;
mod outage;
mod syncing;
mod wiped;

use std::sync::Arc;

use bytes::Bytes;
use nimaora_runtime::Clock;
use uuid::Uuid;

use super::{JetStreamConfig, JetStreamLog};
use crate::error::{AppendError, ReadError};
use crate::log::{EventLog, SubscriptionMessage};
use crate::types::{Append, Appended, Direction, Expected, Filter, NewEvent, RecordedEvent};

fn event() -> NewEvent {
    let data = Bytes::from_static(b"{}");
    NewEvent { id: Uuid::new_v4(), event_type: "Happened".into(), data, metadata: Bytes::new() }
}

fn append(stream: &str, expected: Expected, count: usize) -> Append {
    Append { stream: stream.into(), expected, events: (0..count).map(|_| event()).collect() }
}

fn behind(last: Option<u64>) -> Expected {
    last.map_or(Expected::NoStream, Expected::Exact)
}

/// Repeats an append unchanged for as long as the log says that this may help.
async fn persist(log: &JetStreamLog, append: &Append) -> Appended {
    loop {
        match log.append(append.clone()).await {
            Ok(appended) => return appended,
            Err(AppendError::Unavailable { .. } | AppendError::UnknownOutcome { .. }) => {}
            Err(refused) => panic!("{refused}"),
        }
    }
}

async fn ids_of(log: &JetStreamLog, stream: &str) -> Vec<Uuid> {
    let read = log.read_stream(stream, 0, Direction::Forwards, usize::MAX).await.unwrap();
    read.iter().map(|event| event.id).collect()
}

/// Follows the log until it has delivered `count` events, and begins again where it was when the connection is lost.
async fn follow(
    log: Arc<JetStreamLog>,
    mut until: tokio::sync::oneshot::Receiver<usize>,
) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    let mut count = None;
    loop {
        let after = seen.last().map_or(0, |event| event.position);
        let Ok(mut subscription) = log.subscribe(after, Filter::default()).await else { continue };
        loop {
            if count.is_some_and(|count| seen.len() >= count) {
                return seen;
            }
            tokio::select! {
                told = &mut until, if count.is_none() => count = Some(told.unwrap()),
                message = subscription.next() => match message {
                    Ok(SubscriptionMessage::Events(events)) => seen.extend(events),
                    Ok(_) => {}
                    Err(ReadError::Unavailable { .. }) => break,
                    Err(damaged) => panic!("{damaged}"),
                },
            }
        }
    }
}
