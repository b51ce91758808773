//! Webhooks: the application's own server is told what happens in its channels, signed, and again until it answers.
//!
//! Each event is told by one node: the one on which it happened, or for a node that died, and for channels that are empty, the one with
//! the smallest id. Two nodes on which the same begins in one moment may both tell of it.

mod delivery;
mod sender;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bounded::{self, Weighed};
use crate::config::Config;
use crate::metrics;

/// Events that wait for one receiver. When it is reached, further ones are dropped and counted.
const WAITING_EVENTS_MAX: usize = 10_000;
/// Bytes of them, about. When it is reached, further ones are dropped and counted as well.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What an event takes besides what a client says in it: names, ids.
const EVENT_BYTES: usize = 512;

/// A receiver of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where events are sent, `http://` or `https://`.
    pub url: String,
    /// Which events; all when there are none.
    #[serde(default)]
    pub events: Vec<WebhookEvent>,
}

impl Webhook {
    fn wants(&self, event: WebhookEvent) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }
}

/// What a receiver can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// A channel has its first socket.
    ChannelOccupied,
    /// A channel has lost its last socket.
    ChannelVacated,
    /// Somebody came to a presence channel.
    MemberAdded,
    /// Somebody went from a presence channel.
    MemberRemoved,
    /// A client has sent an event to others.
    ClientEvent,
    /// Somebody came to a cache channel that has no last event.
    CacheMiss,
    /// So many sockets listen to a channel. Told where `realtime.subscription_counts` is on, as often as those who listen are.
    SubscriptionCount,
}

/// Something that has happened, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Occurred {
    pub(crate) name: WebhookEvent,
    pub(crate) channel: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) socket_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscription_count: Option<usize>,
}

impl Weighed for Occurred {
    fn bytes(&self) -> usize {
        EVENT_BYTES + self.data.as_ref().map_or(0, |data| data.len())
    }
}

impl Occurred {
    /// In this channel.
    pub(crate) fn new(name: WebhookEvent, channel: &Arc<str>) -> Self {
        Self {
            name,
            channel: Arc::clone(channel),
            user_id: None,
            event: None,
            data: None,
            socket_id: None,
            subscription_count: None,
        }
    }
}

/// The receivers, each with a queue of its own.
#[derive(Default)]
pub(crate) struct Webhooks {
    queues: Vec<(Webhook, bounded::Sender<Arc<Occurred>>)>,
}

/// What waits for a receiver.
pub(crate) type Waiting = bounded::Receiver<Arc<Occurred>>;

pub(crate) use self::delivery::run;

impl Webhooks {
    /// Queues for the receivers that the settings name.
    pub(crate) fn new(config: &Config) -> (Self, Vec<(Webhook, Waiting)>) {
        let (mut queues, mut waiting) = (Vec::new(), Vec::new());
        for webhook in &config.webhooks {
            let (sender, receiver) = bounded::queue(WAITING_EVENTS_MAX, WAITING_BYTES_MAX);
            queues.push((webhook.clone(), sender));
            waiting.push((webhook.clone(), receiver));
        }
        (Self { queues }, waiting)
    }

    /// Whether anybody is told anything.
    pub(crate) fn are_there(&self) -> bool {
        !self.queues.is_empty()
    }

    /// Whether anybody is told this.
    pub(crate) fn want(&self, event: WebhookEvent) -> bool {
        self.queues.iter().any(|(webhook, _)| webhook.wants(event))
    }

    /// Tells those who want to know. Never waits.
    pub(crate) fn tell(&self, occurred: impl FnOnce() -> Occurred) {
        if self.queues.is_empty() {
            return;
        }
        let occurred = Arc::new(occurred());
        for (webhook, queue) in &self.queues {
            if webhook.wants(occurred.name) && queue.try_send(Arc::clone(&occurred)).is_err() {
                metrics::webhook_events_dropped(1);
            }
        }
    }
}
