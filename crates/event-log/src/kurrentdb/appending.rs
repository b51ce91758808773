//! One append: one call, which the server carries out as a whole or not at all.
//!
//! A call whose answer does not come is repeated unchanged: the server knows it by the ids of its events, and answers where it went
//! the first time.

use std::time::Duration;

use ahash::RandomState;
use kurrentdb::{AppendToStreamOptions, EventData, StreamState, WriteResult};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::config::{STREAM_LOCKS, TRY_TIMEOUT_MS};
use super::event;
use super::fault::Fault;
use super::link::Link;
use super::{position, reading};
use crate::error::AppendError;
use crate::limits;
use crate::pause::pause;
use crate::types::{Append, Appended, Direction, Expected, Position, Revision};

/// Appends of this process.
pub(super) struct Appending {
    /// Who appends to a stream holds one of these, so that of two who append the same at once the second one is told that it repeats.
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Appending {
    fn default() -> Self {
        let locks = (0..STREAM_LOCKS).map(|_| Mutex::new(())).collect();
        Self { locks, hasher: RandomState::new() }
    }
}

impl Appending {
    /// Appends, and answers when the server says that it is durable.
    pub(super) async fn append(&self, link: &Link, append: Append) -> Result<Appended, AppendError> {
        limits::check(&append)?;
        refuse_twins(&append)?;
        let deadline = Instant::now() + Duration::from_millis(link.config.append_timeout_ms);
        let lock = self.hasher.hash_one(&append.stream) as usize % self.locks.len();
        let Ok(_alone) = timeout_at(deadline, self.locks[lock].lock()).await else {
            let reason = "appends to this stream before it took too long".into();
            return Err(AppendError::Unavailable { reason });
        };
        let run = Run { link, append: &append, deadline };
        let seen = link.newest();
        let (written, tries) = run.write().await?;
        let last_revision = written.next_expected_version;
        let scattered = run.positions(last_revision, position::of(written.position)).await?;
        let (Some(&first_position), Some(&last_position)) = (scattered.first(), scattered.last()) else {
            return Err(AppendError::UnknownOutcome {
                reason: "it is not known where the events are".into(),
            });
        };
        link.saw(last_position);
        Ok(Appended {
            last_revision,
            first_position,
            last_position,
            // Positions are given at commit. What an earlier try of this very call wrote is no repeat.
            repeated: last_position <= seen && tries == 0,
            scattered: (scattered.len() > 1).then(|| scattered.into()),
        })
    }
}

/// The server would write the same id twice.
fn refuse_twins(append: &Append) -> Result<(), AppendError> {
    let mut seen = ahash::AHashSet::with_capacity(append.events.len());
    match append.events.iter().find(|event| !seen.insert(event.id)) {
        Some(twin) => {
            Err(AppendError::Invalid { reason: format!("two of its events have the id {}", twin.id) })
        }
        None => Ok(()),
    }
}

struct Run<'a> {
    link: &'a Link,
    append: &'a Append,
    deadline: Instant,
}

impl Run<'_> {
    /// Sends until there is an answer; answers how many tries had an unknown outcome before.
    async fn write(&self) -> Result<(WriteResult, u32), AppendError> {
        let (mut tries, mut unknown) = (0, 0);
        loop {
            let (client, number) = self.link.client();
            let until = self.deadline.min(Instant::now() + Duration::from_millis(TRY_TIMEOUT_MS));
            let options = self.options(until.saturating_duration_since(Instant::now()));
            let events: Vec<EventData> = self.append.events.iter().map(event::proposed).collect();
            let sent =
                timeout_at(until, client.append_to_stream(&*self.append.stream, &options, events)).await;
            let fault = match sent {
                Ok(Ok(written)) => return Ok((written, unknown)),
                Ok(Err(error)) => Fault::from(error),
                // No append takes so long where a leader is at work: another one is looked for.
                Err(_) => Fault::Unknown("the server did not answer in time".into()),
            };
            self.link.mend(number, &fault);
            match &fault {
                Fault::WrongRevision(actual) => {
                    return Err(AppendError::WrongExpectedRevision { actual: *actual });
                }
                Fault::Refused(reason) | Fault::Damaged(reason) => {
                    return Err(AppendError::Invalid { reason: reason.clone() });
                }
                Fault::Denied if unknown == 0 => {
                    return Err(AppendError::Unavailable { reason: fault.reason().to_owned() });
                }
                Fault::Late | Fault::Unknown(_) => unknown += 1,
                Fault::Denied | Fault::Missing | Fault::Disconnected(_) | Fault::NotTaken(_) => {}
            }
            if !pause(tries, self.deadline).await {
                let reason = fault.reason().to_owned();
                return Err(match unknown {
                    0 => AppendError::Unavailable { reason },
                    _ => AppendError::UnknownOutcome { reason },
                });
            }
            tries += 1;
        }
    }

    fn options(&self, patience: Duration) -> AppendToStreamOptions {
        let expected = match self.append.expected {
            Expected::Any => StreamState::Any,
            Expected::NoStream => StreamState::NoStream,
            Expected::Exists => StreamState::StreamExists,
            Expected::Exact(revision) => StreamState::StreamRevision(revision),
        };
        AppendToStreamOptions::default().stream_state(expected).requires_leader(true).deadline(patience)
    }

    /// The positions of all events. The server tells that of the last one, or of a repeat none, which the client makes a 0; what it does
    /// not tell is read back.
    async fn positions(&self, last: Revision, told: Position) -> Result<Vec<Position>, AppendError> {
        let count = self.append.events.len();
        if count == 1 && position::is_of_event(told) {
            return Ok(vec![told]);
        }
        let unknown = |reason: String| AppendError::UnknownOutcome { reason };
        let first = (last + 1)
            .checked_sub(count as u64)
            .ok_or_else(|| unknown(format!("{count} events are said to end at revision {last}")))?;
        let stream = &self.append.stream;
        let read = reading::stream(self.link, stream, first, Direction::Forwards, count, self.deadline).await;
        let read = read.map_err(|error| unknown(error.to_string()))?;
        let same = read.iter().map(|event| event.id).eq(self.append.events.iter().map(|event| event.id));
        match same {
            true => Ok(read.iter().map(|event| event.position).collect()),
            false => Err(unknown("other events are where these are said to be".into())),
        }
    }
}
