//! Webhooks: the application's own server is told what happens in its channels, signed, and again until it answers.
//!
//! Each event is told by one node: the one on which it happened, or for a node that died, and for channels that are empty, the one with
//! the smallest id. Two nodes on which the same begins in one moment may both tell of it.

mod delivery;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::metrics;

/// Events that wait for one receiver. When it is reached, further ones are dropped and counted.
const WAITING_EVENTS_MAX: usize = 10_000;

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
}

impl Occurred {
    /// In this channel.
    pub(crate) fn new(name: WebhookEvent, channel: &Arc<str>) -> Self {
        Self { name, channel: Arc::clone(channel), user_id: None, event: None, data: None, socket_id: None }
    }
}

/// The receivers, each with a queue of its own.
#[derive(Default)]
pub(crate) struct Webhooks {
    queues: Vec<(Webhook, mpsc::Sender<Arc<Occurred>>)>,
}

/// A receiver and what waits for it.
pub(crate) type Waiting = Vec<(Webhook, mpsc::Receiver<Arc<Occurred>>)>;

pub(crate) use self::delivery::run;

impl Webhooks {
    /// Queues for the receivers that the settings name.
    pub(crate) fn new(config: &Config) -> (Self, Waiting) {
        let (mut queues, mut waiting) = (Vec::new(), Vec::new());
        for webhook in &config.webhooks {
            let (sender, receiver) = mpsc::channel(WAITING_EVENTS_MAX);
            queues.push((webhook.clone(), sender));
            waiting.push((webhook.clone(), receiver));
        }
        (Self { queues }, waiting)
    }

    /// Whether anybody is told anything.
    pub(crate) fn are_there(&self) -> bool {
        !self.queues.is_empty()
    }

    /// Tells those who want to know. Never waits.
    pub(crate) fn tell(&self, occurred: impl FnOnce() -> Occurred) {
        if self.queues.is_empty() {
            return;
        }
        let occurred = Arc::new(occurred());
        for (webhook, queue) in &self.queues {
            let is_wanted = webhook.events.is_empty() || webhook.events.contains(&occurred.name);
            if is_wanted && queue.try_send(Arc::clone(&occurred)).is_err() {
                metrics::webhook_events_dropped(1);
            }
        }
    }
}
