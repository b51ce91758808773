//! The events that a group has read and not done yet: to be delivered, to be delivered again, and out with a consumer.

use std::collections::{HashMap, VecDeque};

use nimaora_event_log::{RecordedEvent, Revision};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::consumers::{ConsumerId, Consumers, Pick};
use super::settings::Place;

/// How far is looked for an event whose consumer has room.
const LOOKAHEAD_EVENTS: usize = 256;

/// Deadlines of events that are done already, beyond as many as are out. When it is reached, they are forgotten.
const STALE_DEADLINES_MAX: usize = 4_096;

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// What the group reads.
    Read(Place),
    /// What it had parked, at this revision of its parked events.
    Parked(Revision),
}

/// An event on its way.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) event: RecordedEvent,
    pub(super) origin: Origin,
    /// How often it was delivered before.
    pub(super) tries: u32,
}

struct Out {
    delivery: Delivery,
    consumer: ConsumerId,
    number: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Deliveries {
    fresh: VecDeque<Delivery>,
    again: VecDeque<Delivery>,
    out: HashMap<Uuid, Out>,
    /// When consumers run out of time, in order.
    deadlines: VecDeque<(Instant, Uuid, u64)>,
    number: u64,
    bytes: usize,
}

impl Deliveries {
    pub(super) fn add(&mut self, delivery: Delivery) {
        self.bytes += bytes_of(&delivery);
        match delivery.origin {
            Origin::Read(_) => self.fresh.push_back(delivery),
            Origin::Parked(_) => self.again.push_back(delivery),
        }
    }

    /// Will be delivered again, before what is new.
    pub(super) fn again(&mut self, delivery: Delivery) {
        self.bytes += bytes_of(&delivery);
        self.again.push_back(delivery);
    }

    /// Sends what consumers have room for. Answers a consumer that turned out to be gone.
    pub(super) fn deliver(
        &mut self,
        consumers: &mut Consumers,
        now: Instant,
        timeout: Option<Duration>,
    ) -> Option<ConsumerId> {
        if self.deadlines.len() > 2 * self.out.len() + STALE_DEADLINES_MAX {
            let out = &self.out;
            self.deadlines.retain(|(_, id, number)| out.get(id).is_some_and(|out| out.number == *number));
        }
        for from_again in [true, false] {
            let mut at = 0;
            while at < LOOKAHEAD_EVENTS {
                let queue = if from_again { &mut self.again } else { &mut self.fresh };
                let Some(next) = queue.get(at) else { break };
                // The same id may be in two streams; clients could not tell which one they mean.
                if self.out.contains_key(&next.event.id) {
                    at += 1;
                    continue;
                }
                let consumer = match consumers.pick(&next.event) {
                    Pick::One(consumer) => consumer,
                    Pick::Later => {
                        at += 1;
                        continue;
                    }
                    Pick::Nobody => return None,
                };
                if !consumers.send(consumer, next.event.clone(), next.tries) {
                    return Some(consumer);
                }
                let Some(delivery) = queue.remove(at) else { break };
                self.number += 1;
                if let Some(timeout) = timeout {
                    self.deadlines.push_back((now + timeout, delivery.event.id, self.number));
                }
                self.out.insert(delivery.event.id, Out { delivery, consumer, number: self.number });
            }
        }
        None
    }

    /// Takes back an event that is out with this consumer.
    pub(super) fn take(&mut self, id: Uuid, consumer: ConsumerId) -> Option<Delivery> {
        if self.out.get(&id)?.consumer != consumer {
            return None;
        }
        self.taken(id).map(|(delivery, _)| delivery)
    }

    fn taken(&mut self, id: Uuid) -> Option<(Delivery, ConsumerId)> {
        let Out { delivery, consumer, .. } = self.out.remove(&id)?;
        self.bytes -= bytes_of(&delivery);
        Some((delivery, consumer))
    }

    /// Takes back an event for which its consumer has no time left.
    pub(super) fn take_late(&mut self, now: Instant) -> Option<(Delivery, ConsumerId)> {
        while let Some((deadline, id, number)) = self.deadlines.front().copied() {
            let is_out = self.out.get(&id).is_some_and(|out| out.number == number);
            if is_out && deadline > now {
                return None;
            }
            self.deadlines.pop_front();
            if is_out {
                return self.taken(id);
            }
        }
        None
    }

    /// When the next consumer runs out of time, or did not and will be forgotten.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, ..)| *deadline)
    }

    /// What the consumer had is delivered again, first of all and in its order.
    pub(super) fn return_from(&mut self, consumer: ConsumerId) {
        let ids = self.out.iter().filter(|(_, out)| out.consumer == consumer);
        let mut ids: Vec<(u64, Uuid)> = ids.map(|(id, out)| (out.number, *id)).collect();
        ids.sort_unstable();
        for (_, id) in ids.into_iter().rev() {
            if let Some(Out { delivery, .. }) = self.out.remove(&id) {
                self.again.push_front(delivery);
            }
        }
    }

    /// Bytes of all events here.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn fresh_len(&self) -> usize {
        self.fresh.len()
    }

    pub(super) fn again_len(&self) -> usize {
        self.again.len()
    }

    pub(super) fn out_len(&self) -> usize {
        self.out.len()
    }
}

fn bytes_of(delivery: &Delivery) -> usize {
    delivery.event.data.len() + delivery.event.metadata.len()
}
