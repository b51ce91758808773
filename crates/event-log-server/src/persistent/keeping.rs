//! What a group keeps in the log beside its settings: how far it is, and which events it has parked.

use std::collections::BTreeSet;

use bytes::Bytes;
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{
    Append, AppendError, Direction, Expected, NewEvent, ReadError, RecordedEvent, Revision,
};
use serde_json::json;
use uuid::Uuid;

use super::deliveries::{Delivery, Origin};
use super::settings::{GroupId, Place};
use crate::links;
use crate::marks::Mark;
use crate::metrics;
use crate::standing::{self, Shown, Standing};
use crate::writing;

/// The type of events that hold a group's place.
const CHECKPOINT_TYPE: &str = "$SubscriptionCheckpoint";
/// How many parked events are taken from the log at once.
const PAGE_EVENTS: usize = 256;

/// How far a group is, as the log has it.
pub(super) struct Checkpoints {
    log: SharedLog,
    id: GroupId,
    stream: String,
    revision: Option<Revision>,
    pub(super) place: Option<Place>,
}

impl Checkpoints {
    pub(super) async fn load(log: SharedLog, id: &GroupId) -> Result<Self, ReadError> {
        let stream = id.checkpoints();
        let newest = standing::last(&log, &stream).await?;
        let place = newest.as_ref().and_then(|event| {
            let text: String = serde_json::from_slice(&event.data).ok()?;
            id.read_place(&text)
        });
        Ok(Self { log, id: id.clone(), stream, revision: newest.map(|event| event.revision), place })
    }

    /// Writes where the group is.
    ///
    /// # Errors
    /// The log refuses; because of its expectation where another server serves the group now.
    pub(super) async fn write(&mut self, place: Option<Place>) -> Result<(), AppendError> {
        let data = json!(self.id.write_place(place)).to_string();
        let events = vec![writing::event_of(CHECKPOINT_TYPE, Mark::Json, data.into())];
        let (stream, expected) = (self.stream.as_str().into(), writing::exactly(self.revision));
        let appended = self.log.append(Append { stream, expected, events }).await?;
        self.revision = Some(appended.last_revision);
        self.place = place;
        Ok(())
    }
}

/// The events that a group has parked.
pub(super) struct Parked {
    log: SharedLog,
    stream: String,
    /// The first that is still parked, and the next that will be.
    first: Revision,
    next: Revision,
    /// Up to here they are to be delivered again, and from here they are still to be read for it.
    replay: (Revision, Revision),
    /// Those that were read for it and are not done.
    out: BTreeSet<Revision>,
}

impl Parked {
    pub(super) async fn load(log: SharedLog, id: &GroupId, now_ms: i64) -> Result<Self, ReadError> {
        let stream = id.parked();
        let (first, next) = match Shown::look(&log, &stream, now_ms).await? {
            Shown::Nothing(next) => (next, next),
            Shown::Events { first, last } => (first.min(last + 1), last + 1),
            Shown::Ended => (Revision::MAX, Revision::MAX),
        };
        Ok(Self { log, stream, first, next, replay: (first, first), out: BTreeSet::new() })
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.next - self.first
    }

    /// Parks an event. Who does so again after a crash parks it once.
    pub(super) async fn park(
        &mut self,
        delivery: &Delivery,
        reason: &str,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let event = &delivery.event;
        let id = match delivery.origin {
            // Another one when the group was made anew: the log takes an id once, and what was parked before is hidden.
            Origin::Read(_) => Uuid::new_v5(&event.id, &self.first.to_be_bytes()),
            Origin::Parked(_) => standing::fresh_id(),
        };
        let data = format!("{}@{}", event.revision, event.stream).into();
        let why = json!({ "added": now_ms, "reason": reason, "tries": delivery.tries });
        let metadata = Mark::Binary.before(why.to_string().as_bytes());
        let event = NewEvent { id, event_type: links::LINK_TYPE.into(), data, metadata };
        let stream = self.stream.as_str().into();
        let append = Append { stream, expected: Expected::Any, events: vec![event] };
        let appended = self.log.append(append).await?;
        metrics::parked();
        self.next = self.next.max(appended.last_revision + 1);
        Ok(())
    }

    /// What is parked now, up to before `stop_at`, will be delivered again.
    pub(super) fn replay(&mut self, stop_at: Option<Revision>) {
        let until = stop_at.map_or(self.next, |stop_at| stop_at.min(self.next));
        self.replay.0 = self.replay.0.max(until);
    }

    pub(super) fn has_more(&self) -> bool {
        self.replay.1 < self.replay.0
    }

    /// The next ones that are to be delivered again.
    pub(super) async fn more(&mut self) -> Result<Vec<Delivery>, ReadError> {
        let (until, from) = self.replay;
        let limit = usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX).min(PAGE_EVENTS);
        let links = self.log.read_stream(&self.stream, from, Direction::Forwards, limit).await?;
        let mut found = Vec::with_capacity(links.len());
        for link in &links {
            self.replay.1 = link.revision + 1;
            self.out.insert(link.revision);
            match self.resolve(&link.data).await? {
                Some(event) => {
                    found.push(Delivery { event, origin: Origin::Parked(link.revision), tries: 0 })
                }
                // It can never be delivered, so it is done.
                None => drop(self.out.remove(&link.revision)),
            }
        }
        if links.is_empty() {
            self.replay.1 = until;
        }
        Ok(found)
    }

    async fn resolve(&self, link: &Bytes) -> Result<Option<RecordedEvent>, ReadError> {
        let Some((revision, stream)) = links::target(link) else { return Ok(None) };
        Ok(self.log.read_stream(stream, revision, Direction::Forwards, 1).await?.pop())
    }

    /// One that was delivered again is done. When nothing before it is left, it is parked no more.
    pub(super) async fn settle(&mut self, revision: Revision) -> Result<(), AppendError> {
        self.out.remove(&revision);
        let first = self.out.first().copied().unwrap_or(self.replay.1);
        if first <= self.first || (!self.out.is_empty() && first - self.first < PAGE_EVENTS as u64) {
            return Ok(());
        }
        self.truncate(first).await
    }

    /// Nothing before `first` is parked any more.
    pub(super) async fn truncate(&mut self, first: Revision) -> Result<(), AppendError> {
        let unavailable = |error: ReadError| AppendError::Unavailable { reason: error.to_string() };
        let standing = Standing::look(&self.log, &self.stream).await.map_err(unavailable)?;
        let (current, metadata) = (standing.metadata_revision, standing.metadata.truncated(first));
        writing::set(&self.log, &self.stream, current, Mark::Json, metadata).await?;
        self.first = first;
        Ok(())
    }

    /// Nothing is parked any more.
    pub(super) async fn clear(&mut self) -> Result<(), AppendError> {
        match self.first < self.next {
            true => self.truncate(self.next).await,
            false => Ok(()),
        }
    }
}
