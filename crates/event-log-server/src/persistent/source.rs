//! What a group reads: a stream from a revision on, or the whole log from behind a position.

use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{
    Direction, Position, ReadError, RecordedEvent, Revision, Subscription, SubscriptionMessage,
};

use super::registry::CATALOG;
use super::settings::{Place, STREAMS};
use crate::filter::Wanted;
use crate::standing::Shown;

/// How many events of a stream are taken from the log at once.
const PAGE_EVENTS: usize = 512;

/// Where a group reads.
pub(super) struct Source {
    log: SharedLog,
    wanted: Wanted,
    /// The stream, and the next revision of it; none for the whole log.
    stream: Option<(String, Revision)>,
    /// Everything up to here was looked at.
    position: Position,
    /// Once the stream was read up to where the log was.
    subscription: Option<Box<dyn Subscription>>,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) events: Vec<(Place, RecordedEvent)>,
    /// Up to where everything was looked at, for the whole log.
    pub(super) passed: Option<Place>,
}

impl Source {
    /// Reads what comes behind `done`.
    pub(super) async fn stream(
        log: SharedLog,
        wanted: Wanted,
        stream: String,
        done: Option<Place>,
        now_ms: i64,
    ) -> Result<Self, ReadError> {
        let first = match Shown::look(&log, &stream, now_ms).await? {
            Shown::Nothing(next) => next,
            Shown::Events { first, .. } => first,
            Shown::Ended => Revision::MAX,
        };
        let next = done.map_or(0, |done| done.saturating_add(1)).max(first);
        let position = log.status().await?.head;
        Ok(Self { log, wanted, stream: Some((stream, next)), position, subscription: None })
    }

    /// Reads what comes behind `done`.
    pub(super) fn all(log: SharedLog, wanted: Wanted, done: Option<Place>) -> Self {
        Self { log, wanted, stream: None, position: done.unwrap_or(0), subscription: None }
    }

    /// Waits for what comes next. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Chunk, ReadError> {
        if self.subscription.is_none() {
            if let Some(chunk) = self.page().await? {
                return Ok(chunk);
            }
            self.subscription = Some(self.log.subscribe(self.position, self.wanted.in_log.clone()).await?);
        }
        let Some(subscription) = &mut self.subscription else { return Ok(Chunk::default()) };
        let message = subscription.next().await?;
        Ok(self.chunk(message))
    }

    /// A page of the stream; none when it was read up to where the log was.
    async fn page(&mut self) -> Result<Option<Chunk>, ReadError> {
        let Some((stream, next)) = &mut self.stream else { return Ok(None) };
        if *next == Revision::MAX {
            return Ok(None);
        }
        let page = self.log.read_stream(stream, *next, Direction::Forwards, PAGE_EVENTS).await?;
        let Some(last) = page.last() else { return Ok(None) };
        *next = last.revision + 1;
        self.position = self.position.max(last.position);
        let events = page.into_iter().map(|event| (event.revision, event)).collect();
        Ok(Some(Chunk { events, passed: None }))
    }

    fn chunk(&mut self, message: SubscriptionMessage) -> Chunk {
        let events = match message {
            SubscriptionMessage::Checkpoint(position) | SubscriptionMessage::CaughtUp(position) => {
                let passed = (self.stream.is_none() && position > self.position).then_some(position);
                self.position = self.position.max(position);
                return Chunk { events: Vec::new(), passed };
            }
            SubscriptionMessage::Events(events) => events,
        };
        let last = events.last().map_or(self.position, |event| event.position);
        self.position = self.position.max(last);
        let Some((stream, next)) = &mut self.stream else {
            let wanted = |event: &RecordedEvent| !is_own(&event.stream) && self.wanted.lets_through(event);
            let events = events.into_iter().filter(wanted).map(|event| (event.position, event)).collect();
            let chunk: Vec<(Place, RecordedEvent)> = events;
            let all_wanted = chunk.last().is_some_and(|(place, _)| *place == last);
            return Chunk { events: chunk, passed: (!all_wanted).then_some(last) };
        };
        let mut found = Vec::new();
        for event in events {
            if *event.stream == **stream && event.revision >= *next {
                *next = event.revision + 1;
                found.push((event.revision, event));
            }
        }
        Chunk { events: found, passed: None }
    }
}

/// Whether groups write the stream themselves: they would hear of their own progress for ever.
fn is_own(stream: &str) -> bool {
    stream.starts_with(STREAMS) || stream == CATALOG
}
