//! Reads. Each first asks the leader how far it has to go, and goes there: so it sees what was answered before it began.

use tokio::time::Instant;

use super::config::{PAGE_MESSAGES_MAX, SINGLE_GETS_MAX};
use super::group::{self, Group};
use super::puller::Puller;
use super::store::Store;
use super::subject;
use crate::error::ReadError;
use crate::log::AllPage;
use crate::types::{Direction, Filter, Position, RecordedEvent, Revision};

/// Groups on a subject from a sequence on, in order: the first ones one by one, then by a consumer.
struct Forwards<'a> {
    store: &'a Store,
    subject: String,
    next: u64,
    /// The last sequence of interest.
    until: u64,
    singles: usize,
    puller: Option<Puller>,
    waiting: std::vec::IntoIter<Group>,
    deadline: Instant,
}

impl<'a> Forwards<'a> {
    fn new(store: &'a Store, subject: String, next: u64, until: u64, deadline: Instant) -> Self {
        let waiting = Vec::new().into_iter();
        Self { store, subject, next, until, singles: 0, puller: None, waiting, deadline }
    }

    async fn next(&mut self) -> Result<Option<Group>, ReadError> {
        loop {
            if let Some(group) = self.waiting.next() {
                self.next = group.sequence + 1;
                return Ok(Some(group).filter(|group| group.sequence <= self.until));
            }
            if self.next > self.until {
                return Ok(None);
            }
            if self.singles < SINGLE_GETS_MAX {
                self.singles += 1;
                let found = self.store.next(&self.subject, self.next.max(1), self.deadline).await?;
                // The last one of interest is there, so a server that knows of none is behind.
                let Some(group) = found else {
                    let reason = "the server does not have yet what is there".into();
                    return Err(ReadError::Unavailable { reason });
                };
                self.next = group.sequence + 1;
                return Ok(Some(group).filter(|group| group.sequence <= self.until));
            }
            let puller = self.puller.get_or_insert_with(|| Puller::new(self.subject.clone(), self.next));
            self.waiting = puller.pull(self.store, self.deadline).await?.groups.into_iter();
            if self.waiting.len() == 0 && Instant::now() >= self.deadline {
                return Err(ReadError::Unavailable { reason: "what is there did not come in time".into() });
            }
        }
    }

    async fn end(self) {
        if let Some(puller) = self.puller {
            puller.end(self.store).await;
        }
    }
}

/// Up to `limit` events of a stream.
pub(super) async fn stream(
    store: &Store,
    stream: &str,
    from: Revision,
    direction: Direction,
    limit: usize,
) -> Result<Vec<RecordedEvent>, ReadError> {
    let deadline = store.read_deadline();
    let subject = subject::of_stream(&store.config.subject_prefix, stream);
    let Some(last) = store.last(&subject, deadline).await? else { return Ok(Vec::new()) };
    if limit == 0 {
        return Ok(Vec::new());
    }
    match direction {
        Direction::Forwards => stream_forwards(store, subject, last, from, limit, deadline).await,
        Direction::Backwards => stream_backwards(store, &subject, last, from, limit, deadline).await,
    }
}

async fn stream_forwards(
    store: &Store,
    subject: String,
    last: Group,
    from: Revision,
    limit: usize,
    deadline: Instant,
) -> Result<Vec<RecordedEvent>, ReadError> {
    if from > last.last_revision() {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    let until = last.sequence;
    let start = if from == 0 { 1 } else { holder(store, &subject, last, from, deadline).await?.sequence };
    let mut forwards = Forwards::new(store, subject, start, until, deadline);
    let mut expected = None;
    while events.len() < limit {
        let Some(group) = forwards.next().await? else { break };
        if expected.is_some_and(|expected| expected != group.first_revision) {
            return Err(gap(&group));
        }
        expected = Some(group.last_revision() + 1);
        let wanted = group.events.into_iter().filter(|event| event.revision >= from);
        events.extend(wanted.take(limit - events.len()));
    }
    forwards.end().await;
    Ok(events)
}

async fn stream_backwards(
    store: &Store,
    subject: &str,
    last: Group,
    from: Revision,
    limit: usize,
    deadline: Instant,
) -> Result<Vec<RecordedEvent>, ReadError> {
    let mut events = Vec::new();
    let mut group = holder(store, subject, last, from, deadline).await?;
    loop {
        let previous = group.previous;
        let wanted = group.events.into_iter().rev().filter(|event| event.revision <= from);
        events.extend(wanted.take(limit - events.len()));
        if previous == 0 || events.len() == limit {
            return Ok(events);
        }
        group = at(store, previous, deadline).await?;
    }
}

/// The group that holds this revision, by halving what may hold it. `last` is the stream's last, and is it for what is behind it.
pub(super) async fn holder(
    store: &Store,
    subject: &str,
    last: Group,
    revision: Revision,
    deadline: Instant,
) -> Result<Group, ReadError> {
    if revision >= last.first_revision {
        return Ok(last);
    }
    let previous = at(store, last.previous, deadline).await?;
    if revision >= previous.first_revision {
        return Ok(previous);
    }
    // The revision is in a group from `low` on and before `high`.
    let (mut low, mut high) = (1, previous.sequence);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = store.next(subject, middle, deadline).await?;
        let found = found.ok_or_else(|| missing(middle))?;
        if found.first_revision > revision {
            high = middle;
        } else if found.last_revision() >= revision {
            return Ok(found);
        } else {
            low = found.sequence + 1;
        }
    }
    Err(missing(low))
}

async fn at(store: &Store, sequence: u64, deadline: Instant) -> Result<Group, ReadError> {
    store.at(sequence, deadline).await?.ok_or_else(|| missing(sequence))
}

fn missing(sequence: u64) -> ReadError {
    ReadError::Damaged {
        place: format!("message {sequence} of the JetStream stream"),
        reason: "a group that a later one names is not there".into(),
    }
}

fn gap(group: &Group) -> ReadError {
    ReadError::Damaged {
        place: format!("message {} of the JetStream stream", group.sequence),
        reason: "its revision does not follow the one before".into(),
    }
}

/// A page of the whole log.
pub(super) async fn all(
    store: &Store,
    from: Position,
    direction: Direction,
    limit: usize,
    filter: &Filter,
) -> Result<AllPage, ReadError> {
    if limit == 0 {
        return Ok(AllPage { events: Vec::new(), next: Some(from) });
    }
    match direction {
        Direction::Forwards => all_forwards(store, from, limit, filter).await,
        Direction::Backwards => all_backwards(store, from, limit, filter).await,
    }
}

async fn all_forwards(
    store: &Store,
    from: Position,
    limit: usize,
    filter: &Filter,
) -> Result<AllPage, ReadError> {
    let deadline = store.read_deadline();
    let subject = subject::of_filter(&store.config.subject_prefix, filter);
    let mut page = AllPage { events: Vec::new(), next: None };
    let Some(last) = store.last(&subject, deadline).await? else { return Ok(page) };
    let mut forwards = Forwards::new(store, subject, group::sequence_of(from), last.sequence, deadline);
    for _ in 0..PAGE_MESSAGES_MAX {
        let Some(group) = forwards.next().await? else {
            forwards.end().await;
            page.next = None;
            return Ok(page);
        };
        for event in group.events {
            if event.position < from || !filter.lets_through(&event.stream, &event.event_type) {
                continue;
            }
            if page.events.len() == limit {
                page.next = Some(event.position);
                forwards.end().await;
                return Ok(page);
            }
            page.events.push(event);
        }
        page.next = Some(group::position(group.sequence + 1, 0));
    }
    forwards.end().await;
    Ok(page)
}

async fn all_backwards(
    store: &Store,
    from: Position,
    limit: usize,
    filter: &Filter,
) -> Result<AllPage, ReadError> {
    let deadline = store.read_deadline();
    let (head, _) = store.head(deadline).await?;
    let mut page = AllPage { events: Vec::new(), next: None };
    let newest = group::sequence_of(from).min(head);
    let oldest = newest.saturating_sub(PAGE_MESSAGES_MAX as u64);
    for sequence in ((oldest + 1)..=newest).rev() {
        let Some(group) = store.at(sequence, deadline).await? else { continue };
        for event in group.events.into_iter().rev() {
            if event.position > from || !filter.lets_through(&event.stream, &event.event_type) {
                continue;
            }
            if page.events.len() == limit {
                page.next = Some(event.position);
                return Ok(page);
            }
            page.events.push(event);
        }
    }
    // The last place that a group can have.
    page.next = (oldest > 0).then(|| group::position(oldest + 1, 0) - 1);
    Ok(page)
}
