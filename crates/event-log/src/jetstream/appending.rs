//! Appends: one message, fenced by the last sequence of the stream's subject.
//!
//! A try whose answer does not come may be repeated: it names the same last sequence, so at most one of the two is written, and
//! the stream's last groups tell which. Message ids, which the server forgets after a while, are not needed for that.

use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::response::Response;
use serde::Deserialize;
use tokio::time::Instant;

use super::config::{SEARCHED_IDS_MAX, TRY_TIMEOUT};
use super::group::{self, Place};
use super::reading;
use super::store::{Store, pause};
use super::subject;
use super::tails::{Ids, StreamTail, Tail, Tails};
use crate::error::{AppendError, ReadError};
use crate::limits;
use crate::metrics::{self, Retried};
use crate::types::{APPEND_BYTES_MAX, Append, Appended, Direction, Expected, RecordedEvent, Revision};

/// What headers and subject of a message may take, in bytes; the server counts the headers.
const HEADERS_BYTES_MAX: usize = 256;

/// What the server says of a message that it took.
#[derive(Debug, Deserialize)]
struct Taken {
    seq: u64,
}

/// What became of a try.
enum Tried {
    Written(u64),
    /// Another message is the subject's last; nothing was written.
    Fenced,
    /// Nothing was written, and it may be tried again.
    NotTaken(&'static str),
    /// Nothing was written, and never will be.
    Invalid(String),
    Unknown(String),
}

/// What the stream says of an append.
enum Judged {
    /// It may be written here.
    New(Place),
    Repeat(Appended),
    Wrong(Option<Revision>),
}

/// How large an append may be, in bytes as the port counts them, so that its message is no larger than the server takes.
pub(super) fn bytes_max(store: &Store) -> usize {
    let message = store.client.max_payload().saturating_sub(HEADERS_BYTES_MAX);
    message.saturating_sub(group::BESIDES_EVENTS_BYTES_MAX).min(APPEND_BYTES_MAX)
}

/// Appends, and answers when the message is acknowledged.
pub(super) async fn append(store: &Store, tails: &Tails, append: Append) -> Result<Appended, AppendError> {
    limits::check(&append)?;
    let (bytes, most) = (group::encoded_bytes(&append), store.client.max_payload());
    if bytes + HEADERS_BYTES_MAX > most {
        let reason = format!("its message has {bytes} bytes, and the server takes {most}; raise max_payload");
        return Err(AppendError::Invalid { reason });
    }
    let deadline = Instant::now() + Duration::from_millis(store.config.append_timeout_ms);
    let entry = tails.of(&append.stream);
    let locked = tokio::time::timeout_at(deadline, entry.lock()).await;
    let Ok(mut state) = locked else {
        return Err(unavailable("appends to this stream before it took too long"));
    };
    let subject = subject::of_stream(&store.config.subject_prefix, &append.stream);
    Run { store, append: &append, subject, deadline, unknown: None }.run(&mut state).await
}

struct Run<'a> {
    store: &'a Store,
    append: &'a Append,
    subject: String,
    deadline: Instant,
    /// Why the outcome of an earlier try is unknown.
    unknown: Option<String>,
}

impl Run<'_> {
    async fn run(&mut self, state: &mut StreamTail) -> Result<Appended, AppendError> {
        let created_ms = self.store.config.clock.now_ms();
        let mut tries = 0;
        loop {
            let judged = match self.judge(state).await {
                Ok(judged) => judged,
                Err(error) => return Err(self.gave_up(&error.to_string())),
            };
            let place = match judged {
                Judged::New(place) => place,
                // What an earlier try of this very call wrote is no repeat.
                Judged::Repeat(appended) => {
                    return Ok(Appended {
                        repeated: appended.repeated && self.unknown.is_none(),
                        ..appended
                    });
                }
                Judged::Wrong(actual) => return Err(AppendError::WrongExpectedRevision { actual }),
            };
            if let Err(error) = self.store.confirm(self.deadline).await {
                return Err(self.gave_up(&error.to_string()));
            }
            let began = Instant::now();
            let hindered = match self.publish(place, created_ms).await {
                Tried::Written(sequence) => {
                    let bytes = group::encoded_bytes(self.append);
                    metrics::acknowledged(self.append.events.len(), bytes, began.elapsed());
                    return Ok(self.written(state, place, sequence));
                }
                Tried::Fenced => "others wrote to the stream all the time".to_owned(),
                Tried::NotTaken(reason) => reason.to_owned(),
                Tried::Invalid(reason) => return Err(AppendError::Invalid { reason }),
                Tried::Unknown(reason) => self.unknown.insert(reason).clone(),
            };
            state.tail = None;
            if !pause(tries, self.deadline).await {
                return Err(self.gave_up(&hindered));
            }
            metrics::retried(Retried::Append);
            tries += 1;
        }
    }

    fn gave_up(&self, reason: &str) -> AppendError {
        match &self.unknown {
            Some(unknown) => AppendError::UnknownOutcome { reason: format!("{unknown}; {reason}") },
            None => unavailable(reason),
        }
    }

    /// Compares the expectation with the stream. A mismatch is believed only of the leader, not of what is remembered.
    async fn judge(&self, state: &mut StreamTail) -> Result<Judged, ReadError> {
        let mut fresh = state.tail.is_none();
        loop {
            let tail = match state.tail {
                Some(tail) => tail,
                None => self.ask_tail().await?,
            };
            state.tail = Some(tail);
            let met = match self.append.expected {
                Expected::Any => true,
                Expected::Exists => tail.last_revision.is_some(),
                Expected::NoStream => tail.last_revision.is_none(),
                Expected::Exact(revision) => tail.last_revision == Some(revision),
            };
            if !met && !fresh {
                state.tail = None;
                fresh = true;
                continue;
            }
            return match self.append.expected {
                Expected::Any | Expected::Exists if met => self.judge_by_ids(state, tail).await,
                Expected::Exact(_) | Expected::NoStream if met => Ok(new(tail)),
                Expected::Exact(revision) => self.judge_at(revision.saturating_add(1), tail).await,
                Expected::NoStream => self.judge_at(0, tail).await,
                _ => Ok(Judged::Wrong(tail.last_revision)),
            };
        }
    }

    async fn ask_tail(&self) -> Result<Tail, ReadError> {
        let last = self.store.last(&self.subject, self.deadline).await?;
        Ok(last.map_or(Tail { sequence: 0, last_revision: None }, |group| Tail {
            sequence: group.sequence,
            last_revision: Some(group.last_revision()),
        }))
    }

    /// Whether the events are in the stream from this revision on, where they would be if this is a repeat.
    async fn judge_at(&self, first: Revision, tail: Tail) -> Result<Judged, ReadError> {
        let count = self.append.events.len();
        if tail.last_revision.is_none_or(|last| first > last) {
            return Ok(Judged::Wrong(tail.last_revision));
        }
        let stored = self.read(first, count).await?;
        let same = stored.len() == count
            && stored.iter().zip(&self.append.events).all(|(stored, event)| stored.id == event.id);
        let ends = stored.first().zip(stored.last()).filter(|_| same);
        Ok(ends.map_or(Judged::Wrong(tail.last_revision), |(first, last)| {
            Judged::Repeat(Appended {
                last_revision: last.revision,
                first_position: first.position,
                last_position: last.position,
                repeated: true,
                scattered: None,
            })
        }))
    }

    /// Whether all, none or some of the ids are among the stream's newest.
    async fn judge_by_ids(&self, state: &mut StreamTail, tail: Tail) -> Result<Judged, ReadError> {
        let end = tail.last_revision.map_or(0, |last| last + 1);
        let ids = state.ids.get_or_insert_with(|| Ids::from(end.saturating_sub(SEARCHED_IDS_MAX)));
        while ids.next < end {
            let read = self.read(ids.next, READ_EVENTS).await?;
            if read.is_empty() {
                let reason = "the stream's newest events did not come".into();
                return Err(ReadError::Unavailable { reason });
            }
            read.iter().for_each(|event| ids.push(event.id, event.position));
        }
        let places: Vec<_> = self.append.events.iter().filter_map(|event| ids.place(event.id)).collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(new(tail)) };
        if places.len() < self.append.events.len() {
            return Ok(Judged::Wrong(tail.last_revision));
        }
        let (last_revision, first_position, last_position) = (last.0, first.1, last.1);
        Ok(Judged::Repeat(Appended {
            last_revision,
            first_position,
            last_position,
            repeated: true,
            scattered: None,
        }))
    }

    async fn read(&self, from: Revision, limit: usize) -> Result<Vec<RecordedEvent>, ReadError> {
        reading::stream(self.store, &self.append.stream, from, Direction::Forwards, limit).await
    }

    fn written(&self, state: &mut StreamTail, place: Place, sequence: u64) -> Appended {
        let appended = group::appended(sequence, place.first_revision, self.append.events.len(), false);
        state.tail = Some(Tail { sequence, last_revision: Some(appended.last_revision) });
        if let Some(ids) = state.ids.as_mut().filter(|ids| ids.next == place.first_revision) {
            for (index, event) in self.append.events.iter().enumerate() {
                ids.push(event.id, group::position(sequence, index));
            }
        }
        appended
    }

    async fn publish(&self, place: Place, created_ms: i64) -> Tried {
        if !self.store.is_connected() {
            return Tried::NotTaken("the connection to NATS is lost");
        }
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, place.previous.to_string());
        let seen_before = self.store.standing.last_sequence();
        let left = self.deadline.saturating_duration_since(Instant::now()).min(TRY_TIMEOUT);
        let request = Request::new()
            .headers(headers)
            .payload(group::encode(self.append, place, created_ms))
            .timeout(Some(left));
        let asked = self.store.client.send_request(self.subject.clone(), request);
        let answer = match tokio::time::timeout(left, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return match error.kind() {
                    RequestErrorKind::NoResponders => Tried::NotTaken("the stream has no leader"),
                    RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::InvalidSubject => {
                        Tried::Invalid(error.to_string())
                    }
                    _ => Tried::Unknown(error.to_string()),
                };
            }
            Err(_) => return Tried::Unknown("the server did not answer in time".into()),
        };
        match serde_json::from_slice::<Response<Taken>>(&answer.payload) {
            Ok(Response::Ok(taken)) if self.store.standing.appended(taken.seq, seen_before) => {
                Tried::Written(taken.seq)
            }
            Ok(Response::Ok(_)) => {
                Tried::Unknown("the message went to another stream than was opened".into())
            }
            Ok(Response::Err { error }) => match error.error_code() {
                ErrorCode::STREAM_WRONG_LAST_SEQUENCE | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT => {
                    Tried::Fenced
                }
                _ => Tried::Unknown(error.to_string()),
            },
            Err(error) => Tried::Unknown(format!("the server's answer cannot be read: {error}")),
        }
    }
}

/// Events that are read at a time to learn a stream's ids.
const READ_EVENTS: usize = 8_192;

fn new(tail: Tail) -> Judged {
    let first_revision = tail.last_revision.map_or(0, |last| last + 1);
    Judged::New(Place { previous: tail.sequence, first_revision })
}

fn unavailable(reason: &str) -> AppendError {
    AppendError::Unavailable { reason: reason.to_owned() }
}
