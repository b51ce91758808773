//! Following the log: a task pulls ahead by a bounded number of messages, and the subscriber takes them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::config::PULL_WAIT;
use super::group::{self, Group};
use super::puller::Puller;
use super::store::Store;
use super::subject;
use crate::error::ReadError;
use crate::log::{SUBSCRIPTION_BATCH_EVENTS_MAX, Subscription, SubscriptionMessage};
use crate::types::{Filter, Position, RecordedEvent};

/// Messages that wait for a slow subscriber. When it is reached, the server is asked for no more.
const WAITING_MESSAGES_MAX: usize = 2;
/// A checkpoint is sent after so many events that the filter did not let through.
const CHECKPOINT_EVENTS: usize = 4_096;

type Message = Result<SubscriptionMessage, ReadError>;

/// A running subscription.
pub(super) struct JetStreamSubscription {
    messages: mpsc::Receiver<Message>,
    task: AbortHandle,
}

impl JetStreamSubscription {
    /// Follows the log from behind `after`.
    pub(super) fn new(store: Arc<Store>, after: Position, filter: Filter) -> Self {
        let (to, messages) = mpsc::channel(WAITING_MESSAGES_MAX);
        let task = tokio::spawn(async move {
            let mut follower = Follower::new(store, after, filter, to);
            // A subscriber that went away needs no error.
            if let Err(Ended::Failed(error)) = follower.run().await {
                drop(follower.to.send(Err(error)).await);
            }
        });
        Self { messages, task: task.abort_handle() }
    }
}

impl Drop for JetStreamSubscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Subscription for JetStreamSubscription {
    async fn next(&mut self) -> Message {
        let over = || Err(ReadError::Unavailable { reason: "the subscription is over".into() });
        self.messages.recv().await.unwrap_or_else(over)
    }
}

enum Ended {
    Failed(ReadError),
    Dropped,
}

impl From<ReadError> for Ended {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

struct Follower {
    store: Arc<Store>,
    after: Position,
    filter: Filter,
    subject: String,
    puller: Puller,
    to: mpsc::Sender<Message>,
    /// Everything up to here was looked at.
    reached: Position,
    /// The last position that the subscriber was told.
    told: Position,
    foreign: usize,
    live: bool,
}

impl Follower {
    fn new(store: Arc<Store>, after: Position, filter: Filter, to: mpsc::Sender<Message>) -> Self {
        let subject = subject::of_filter(&store.config.subject_prefix, &filter);
        let puller = Puller::new(subject.clone(), group::sequence_of(after.saturating_add(1)));
        let (reached, told) = (after, after);
        Self { store, after, filter, subject, puller, to, reached, told, foreign: 0, live: false }
    }

    async fn run(&mut self) -> Result<(), Ended> {
        self.look_around().await?;
        loop {
            // A wait without news ends well before the deadline.
            let deadline =
                Instant::now() + PULL_WAIT + Duration::from_millis(self.store.config.read_timeout_ms);
            let pulled = self.puller.pull(&self.store, deadline).await?;
            let nothing = pulled.groups.is_empty();
            self.deliver(pulled.groups).await?;
            if nothing || (!self.live && pulled.pending == 0) {
                let was_all = self.look_around().await?;
                if nothing && !was_all {
                    // There is more, and the server takes it for delivered: it was lost on its way here.
                    self.puller.begin_again();
                }
            }
        }
    }

    async fn deliver(&mut self, groups: Vec<Group>) -> Result<(), Ended> {
        let mut events = Vec::new();
        for group in groups {
            let last = group.last_position();
            for event in group.events {
                if event.position <= self.after {
                    continue;
                }
                if self.filter.lets_through(&event.stream, &event.event_type) {
                    events.push(event);
                } else {
                    self.foreign += 1;
                }
                if events.len() == SUBSCRIPTION_BATCH_EVENTS_MAX {
                    self.send_events(std::mem::take(&mut events)).await?;
                }
            }
            self.reached = self.reached.max(last);
            if events.is_empty() && self.foreign >= CHECKPOINT_EVENTS {
                self.tell(SubscriptionMessage::Checkpoint(self.reached), self.reached).await?;
            }
        }
        if events.is_empty() { Ok(()) } else { self.send_events(events).await }
    }

    /// Asks the leader whether there is more; if not, everything up to the head was looked at, and the answer is true.
    async fn look_around(&mut self) -> Result<bool, Ended> {
        let deadline = self.store.read_deadline();
        let (_, head) = self.store.head(deadline).await?;
        let last = self.store.last(&self.subject, deadline).await?;
        if last.is_some_and(|last| last.sequence >= self.puller.next() && last.last_position() > self.after) {
            return Ok(false);
        }
        self.reached = self.reached.max(head);
        let reached = self.reached;
        if !self.live {
            self.live = true;
            self.tell(SubscriptionMessage::CaughtUp(reached), reached).await?;
        } else if reached > self.told {
            self.tell(SubscriptionMessage::Checkpoint(reached), reached).await?;
        }
        Ok(true)
    }

    async fn send_events(&mut self, events: Vec<RecordedEvent>) -> Result<(), Ended> {
        let last = events.last().map_or(self.told, |event| event.position);
        self.tell(SubscriptionMessage::Events(events), last).await
    }

    async fn tell(&mut self, message: SubscriptionMessage, reached: Position) -> Result<(), Ended> {
        self.foreign = 0;
        self.told = reached;
        self.to.send(Ok(message)).await.map_err(|_| Ended::Dropped)
    }
}
