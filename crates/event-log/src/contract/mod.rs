//! The suite that every event log passes: a function for each promise of [`EventLog`](crate::EventLog).
//!
//! Each takes a log that others may be using, keeps to streams of its own, and answers with the [`Violation`] it found.
//! [`event_log_contract!`](crate::event_log_contract) makes a test of each.

mod appending;
mod reading;
mod subscribing;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

pub use appending::*;
pub use reading::*;
pub use subscribing::*;

use crate::error::{AppendError, ReadError};
use crate::log::SharedLog;
use crate::types::{Append, Appended, Direction, Expected, Filter, NewEvent, RecordedEvent};

/// Makes a test of each promise. `$open` is called as `$open().await` and answers a log and what keeps it alive.
#[macro_export]
macro_rules! event_log_contract {
    ($open:expr) => {
        $crate::event_log_contract! { $open =>
            a_missing_stream_meets_any_and_no_stream_only
            an_existing_stream_meets_any_exists_and_its_last_revision_only
            a_refused_append_writes_nothing
            a_batch_is_at_consecutive_revisions_and_increasing_positions
            a_repeat_answers_where_it_went_and_writes_nothing
            a_repeat_in_the_same_moment_is_written_once
            the_same_ids_in_another_stream_are_no_repeat
            a_partial_overlap_is_refused
            one_of_many_with_the_same_expectation_wins
            concurrent_appends_keep_every_streams_order
            what_is_outside_the_limits_is_refused
            what_is_at_the_limits_is_taken
            an_append_as_large_as_the_log_says_is_taken
            a_stream_may_have_any_name
            an_answered_append_is_readable_at_once
            status_tells_the_head
            an_event_is_read_as_it_was_written
            a_stream_is_read_from_any_place_in_both_directions
            a_missing_stream_has_no_events
            the_whole_log_is_read_page_by_page_in_both_directions
            filters_let_through_what_they_name
            no_event_appears_behind_a_reader
            a_subscription_delivers_what_is_there_and_then_what_comes
            a_subscription_begins_after_its_position
            a_subscription_turns_live_without_gap_or_repeat
            a_slow_subscriber_misses_nothing
            many_subscribers_get_the_same
            a_filtered_subscription_says_how_far_it_looked
            a_wait_that_is_cancelled_loses_nothing
        }
    };
    ($open:expr => $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (log, _keep) = $open().await;
                $crate::contract::$promise(log).await.unwrap();
            }
        )*
    };
}

/// A promise that was not kept.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// Something else came than was promised.
    #[error("{0}")]
    Broken(String),
    /// An append failed that should not.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A read failed that should not.
    #[error(transparent)]
    Read(#[from] ReadError),
}

type Kept = Result<(), Violation>;

/// The longest wait for anything. A log that needs longer is taken for one that hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// Streams that nobody else uses.
struct Streams {
    log: SharedLog,
    prefix: String,
}

impl Streams {
    fn new(log: SharedLog) -> Self {
        // A log may take streams of battles only.
        Self { log, prefix: format!("battle-contract-{}-", Uuid::new_v4().simple()) }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn filter(&self) -> Filter {
        Filter::stream_prefix(&self.prefix)
    }

    async fn append(
        &self,
        stream: &str,
        expected: Expected,
        events: &[NewEvent],
    ) -> Result<Appended, AppendError> {
        let stream = self.name(stream).into();
        within(self.log.append(Append { stream, expected, events: events.to_vec() }))
            .await
            .unwrap_or_else(|_| Err(AppendError::UnknownOutcome { reason: "no answer in time".into() }))
    }

    async fn ids(&self, stream: &str) -> Result<Vec<Uuid>, Violation> {
        let events = self.log.read_stream(&self.name(stream), 0, Direction::Forwards, usize::MAX).await?;
        Ok(ids(&events))
    }

    /// All events of these streams, page by page.
    async fn all(&self, direction: Direction, limit: usize) -> Result<Vec<RecordedEvent>, Violation> {
        let mut from = match direction {
            Direction::Forwards => Some(1),
            Direction::Backwards => Some(u64::MAX),
        };
        let mut events = Vec::new();
        while let Some(place) = from {
            let page = self.log.read_all(place, direction, limit, &self.filter()).await?;
            ensure(page.events.len() <= limit, || format!("a page of {} events", page.events.len()))?;
            events.extend(page.events);
            from = page.next;
        }
        Ok(events)
    }
}

/// `count` new events, each with an id of its own.
fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| typed("Happened", n)).collect()
}

fn typed(event_type: &str, n: usize) -> NewEvent {
    NewEvent {
        id: Uuid::new_v4(),
        event_type: event_type.into(),
        data: Bytes::from(format!("{{\"n\":{n}}}")),
        metadata: Bytes::from_static(b"{}"),
    }
}

fn ids(events: &[RecordedEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

fn new_ids(events: &[NewEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

/// Positions strictly increase, and each stream's revisions count on by one.
fn in_order(events: &[RecordedEvent]) -> Kept {
    let mut next: ahash::AHashMap<&Arc<str>, u64> = ahash::AHashMap::new();
    for pair in events.windows(2) {
        ensure(pair[0].position < pair[1].position, || {
            format!("position {} comes before {}", pair[0].position, pair[1].position)
        })?;
    }
    for event in events {
        let revision = next.entry(&event.stream).or_default();
        equal("the next revision of a stream", &event.revision, revision)?;
        *revision += 1;
    }
    Ok(())
}

fn ensure(kept: bool, broken: impl FnOnce() -> String) -> Kept {
    if kept { Ok(()) } else { Err(Violation::Broken(broken())) }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, promised: &T) -> Kept {
    ensure(found == promised, || format!("{what}: found {found:?}, promised {promised:?}"))
}

fn is_wrong(answer: &Result<Appended, AppendError>, promised: Option<u64>) -> Kept {
    match answer {
        Err(AppendError::WrongExpectedRevision { actual }) => {
            equal("the stream's actual revision", actual, &promised)
        }
        other => Err(Violation::Broken(format!("found {other:?}, promised a wrong revision"))),
    }
}

async fn within<T>(future: impl Future<Output = T>) -> Result<T, Violation> {
    tokio::time::timeout(DEADLINE, future)
        .await
        .map_err(|_| Violation::Broken(format!("nothing came within {DEADLINE:?}")))
}
