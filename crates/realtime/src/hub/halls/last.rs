//! The last event of each cache channel, whether or not somebody listens: who comes later is told it first.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::Mutex;

use crate::cluster::Event;

/// Cache channels whose last event is kept. When there are more, the one that was told longest ago is forgotten.
const CHANNELS_MAX: usize = 5_000;
/// Bytes of events that are kept, about. When there are more, those that were told longest ago are forgotten.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long an event is kept, in milliseconds; as long as the reference does.
const KEPT_MS: u64 = 30 * 60 * 1_000;

/// Events by channel.
#[derive(Default)]
pub(super) struct Lasts {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_channel: AHashMap<Arc<str>, Last>,
    /// The channels, by when their event was told.
    in_order: BTreeMap<u64, Arc<str>>,
    next: u64,
    bytes: usize,
}

struct Last {
    number: u64,
    at_ms: u64,
    event: Arc<Event>,
}

impl Lasts {
    /// This was the last now.
    pub(super) fn keep(&self, event: &Arc<Event>, now_ms: u64) {
        let mut inner = self.inner.lock();
        inner.remove(&event.channel);
        let number = inner.next;
        inner.next += 1;
        inner.bytes += event.bytes();
        inner.in_order.insert(number, Arc::clone(&event.channel));
        inner
            .by_channel
            .insert(Arc::clone(&event.channel), Last { number, at_ms: now_ms, event: Arc::clone(event) });
        while inner.bytes > BYTES_MAX || inner.by_channel.len() > CHANNELS_MAX || inner.is_oldest_over(now_ms)
        {
            let Some((_, oldest)) = inner.in_order.first_key_value() else { return };
            let oldest = Arc::clone(oldest);
            inner.remove(&oldest);
        }
    }

    /// The channel's last event.
    pub(super) fn get(&self, channel: &str, now_ms: u64) -> Option<Arc<Event>> {
        let inner = self.inner.lock();
        let last = inner.by_channel.get(channel)?;
        (!last.is_over(now_ms)).then(|| Arc::clone(&last.event))
    }
}

impl Inner {
    fn remove(&mut self, channel: &str) {
        if let Some(last) = self.by_channel.remove(channel) {
            self.in_order.remove(&last.number);
            self.bytes -= last.event.bytes();
        }
    }

    fn is_oldest_over(&self, now_ms: u64) -> bool {
        let oldest = self.in_order.first_key_value().and_then(|(_, channel)| self.by_channel.get(channel));
        oldest.is_some_and(|last| last.is_over(now_ms))
    }
}

impl Last {
    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.at_ms) >= KEPT_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(channel: &str, data: &str) -> Arc<Event> {
        Arc::new(Event {
            channel: channel.into(),
            name: "news".into(),
            data: data.into(),
            user_id: None,
            except: None,
        })
    }

    #[test]
    fn the_last_is_kept_for_a_while() {
        let lasts = Lasts::default();
        lasts.keep(&event("cache-a", "1"), 0);
        lasts.keep(&event("cache-a", "2"), 10);
        assert_eq!(lasts.get("cache-a", 20).map(|event| event.data.clone()), Some("2".into()));
        assert_eq!(lasts.get("cache-a", KEPT_MS + 10), None);
        assert_eq!(lasts.get("cache-b", 20), None);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let lasts = Lasts::default();
        for n in 0..(CHANNELS_MAX + 5) {
            lasts.keep(&event(&format!("cache-{n}"), "1"), 0);
        }
        assert_eq!(lasts.inner.lock().by_channel.len(), CHANNELS_MAX);
        let large = "x".repeat(BYTES_MAX / 2);
        for n in 0..3 {
            lasts.keep(&event(&format!("cache-large-{n}"), &large), 0);
        }
        assert!(lasts.inner.lock().bytes <= BYTES_MAX);
    }
}
