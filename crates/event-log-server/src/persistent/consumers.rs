//! The consumers of a group, and which of them gets an event.

use std::hash::{DefaultHasher, Hash, Hasher};

use nimaora_event_log::RecordedEvent;
use serde_json::Value;
use tokio::sync::mpsc;
use tonic::Status;

use super::out;
use super::settings::Strategy;
use crate::access;
use crate::convert::IdForm;
use crate::marks::Mark;
use crate::metrics;
use crate::wire::client::persistent_subscriptions::ReadResp;

/// Where the answers of a consumer go.
pub(super) type Answers = mpsc::Sender<Result<ReadResp, Status>>;
/// Tells consumers of a group apart.
pub(super) type ConsumerId = u64;

/// One consumer.
pub(super) struct Consumer {
    pub(super) id: ConsumerId,
    pub(super) answers: Answers,
    pub(super) ids: IdForm,
    /// How many events it takes before it says what became of them.
    pub(super) room: usize,
    /// How many it has.
    pub(super) has: usize,
    pub(super) delivered: u64,
    pub(super) since_ms: i64,
    pub(super) name: String,
}

/// What to do with an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// This consumer gets it.
    One(ConsumerId),
    /// The one that must get it has no room.
    Later,
    /// Nobody has room.
    Nobody,
}

/// The consumers of a group.
pub(super) struct Consumers {
    strategy: Strategy,
    all: Vec<Consumer>,
    /// Whose turn it is.
    turn: usize,
}

impl Consumers {
    pub(super) fn new(strategy: Strategy) -> Self {
        Self { strategy, all: Vec::new(), turn: 0 }
    }

    pub(super) fn add(&mut self, consumer: Consumer) {
        self.all.push(consumer);
    }

    pub(super) fn remove(&mut self, id: ConsumerId) -> Option<Consumer> {
        let at = self.all.iter().position(|consumer| consumer.id == id)?;
        Some(self.all.remove(at))
    }

    pub(super) fn all(&self) -> &[Consumer] {
        &self.all
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Who gets the event.
    pub(super) fn pick(&mut self, event: &RecordedEvent) -> Pick {
        if self.all.iter().all(|consumer| consumer.has >= consumer.room) {
            return Pick::Nobody;
        }
        let picked = match self.strategy {
            Strategy::DispatchToSingle => self.all.iter().find(|consumer| consumer.has < consumer.room),
            Strategy::RoundRobin => self.next_in_turn(),
            Strategy::Pinned => self.pinned(&event.stream),
            Strategy::PinnedByCorrelation => match correlation(event) {
                Some(correlation) => self.pinned(&correlation),
                None => self.pinned(&event.stream),
            },
        };
        picked.map_or(Pick::Later, |consumer| Pick::One(consumer.id))
    }

    fn next_in_turn(&mut self) -> Option<&Consumer> {
        let count = self.all.len();
        let at = (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|at| self.all.get(*at).is_some_and(|consumer| consumer.has < consumer.room))?;
        self.turn = (at + 1) % count;
        self.all.get(at)
    }

    /// The consumer with the highest hash for the key: when one comes or goes, only its own keys move.
    fn pinned(&self, key: &str) -> Option<&Consumer> {
        let weight = |consumer: &&Consumer| {
            let mut hasher = DefaultHasher::new();
            (key, consumer.id).hash(&mut hasher);
            hasher.finish()
        };
        self.all.iter().max_by_key(weight).filter(|consumer| consumer.has < consumer.room)
    }

    /// Sends an event; false when the consumer is gone.
    pub(super) fn send(&mut self, id: ConsumerId, event: RecordedEvent, tries: u32) -> bool {
        let Some(consumer) = self.all.iter_mut().find(|consumer| consumer.id == id) else { return false };
        // There is a place for each event that it has room for.
        let sent = consumer.answers.try_send(Ok(out::event(event, tries, consumer.ids))).is_ok();
        if sent {
            metrics::sent(1);
            consumer.has += 1;
            consumer.delivered += 1;
        }
        sent
    }

    /// A consumer has said what became of one of its events.
    pub(super) fn freed(&mut self, id: ConsumerId) {
        if let Some(consumer) = self.all.iter_mut().find(|consumer| consumer.id == id) {
            consumer.has = consumer.has.saturating_sub(1);
        }
    }

    /// Cuts all off.
    pub(super) fn end(&mut self, status: &Status) {
        for consumer in self.all.drain(..) {
            // One that is full is told nothing but the end.
            let _ = consumer.answers.try_send(Err(status.clone()));
        }
    }
}

/// What the event's metadata says it belongs to.
fn correlation(event: &RecordedEvent) -> Option<String> {
    let custom = match access::is_battle(&event.stream) {
        true => event.metadata.clone(),
        false => Mark::split(&event.metadata).1,
    };
    let metadata: Value = serde_json::from_slice(&custom).ok()?;
    Some(metadata.get("$correlationId")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;

    type Told = mpsc::Receiver<Result<ReadResp, Status>>;

    fn consumers(strategy: Strategy, count: u64, room: usize) -> (Consumers, Vec<Told>) {
        let mut consumers = Consumers::new(strategy);
        let mut told = Vec::new();
        for id in 0..count {
            let (answers, receiver) = mpsc::channel(room + 1);
            told.push(receiver);
            let (ids, name) = (IdForm::Text, String::new());
            consumers.add(Consumer { id, answers, ids, room, has: 0, delivered: 0, since_ms: 0, name });
        }
        (consumers, told)
    }

    fn event(stream: &str, correlation: &str) -> RecordedEvent {
        RecordedEvent {
            position: 1,
            stream: stream.into(),
            revision: 0,
            id: Uuid::nil(),
            event_type: "Noted".into(),
            created_ms: 0,
            data: Bytes::new(),
            metadata: Mark::Json.before(format!(r#"{{"$correlationId":"{correlation}"}}"#).as_bytes()),
        }
    }

    /// Who gets each of the events.
    fn dealt(consumers: &mut Consumers, events: &[RecordedEvent]) -> Vec<Option<ConsumerId>> {
        let one = |event: &RecordedEvent| match consumers.pick(event) {
            Pick::One(id) => {
                assert!(consumers.send(id, event.clone(), 0));
                Some(id)
            }
            Pick::Later | Pick::Nobody => None,
        };
        events.iter().map(one).collect()
    }

    #[test]
    fn each_strategy_deals_as_its_name_says() {
        let events: Vec<_> = (0..6).map(|n| event(&format!("notes-{n}"), "one")).collect();
        let (mut single, _told) = consumers(Strategy::DispatchToSingle, 2, 2);
        let expected = [Some(0), Some(0), Some(1), Some(1), None, None];
        assert_eq!(dealt(&mut single, &events), expected);
        assert_eq!(single.pick(&event("notes", "one")), Pick::Nobody);
        let (mut round, _told) = consumers(Strategy::RoundRobin, 2, 2);
        assert_eq!(dealt(&mut round, &events), [Some(0), Some(1), Some(0), Some(1), None, None]);
        round.freed(1);
        assert_eq!(dealt(&mut round, &events), [Some(1), None, None, None, None, None]);
    }

    #[test]
    fn what_is_pinned_stays_with_one_consumer() {
        let (mut pinned, _told) = consumers(Strategy::Pinned, 3, 100);
        let events: Vec<_> = (0..60).map(|n| event(&format!("notes-{}", n % 20), "one")).collect();
        let dealt_to = dealt(&mut pinned, &events);
        for n in 0..20 {
            assert_eq!(dealt_to[n], dealt_to[n + 20]);
            assert_eq!(dealt_to[n], dealt_to[n + 40]);
        }
        assert_eq!(dealt_to.iter().collect::<BTreeSet<_>>().len(), 3);
        let (mut correlated, _told) = consumers(Strategy::PinnedByCorrelation, 3, 100);
        assert_eq!(dealt(&mut correlated, &events).iter().collect::<BTreeSet<_>>().len(), 1);
    }

    #[test]
    fn what_is_pinned_to_a_full_consumer_waits() {
        let (mut pinned, _told) = consumers(Strategy::Pinned, 2, 1);
        let note = event("notes", "one");
        assert!(matches!(dealt(&mut pinned, std::slice::from_ref(&note))[..], [Some(_)]));
        assert_eq!(pinned.pick(&note), Pick::Later);
    }

    #[test]
    fn nothing_is_sent_to_who_is_gone() {
        let (mut gone, told) = consumers(Strategy::RoundRobin, 1, 1);
        drop(told);
        assert!(!gone.send(0, event("notes", "one"), 0));
    }
}
