//! Groups in order from a place on, by a consumer that lives on a server only as long as it is pulled from.

use async_nats::jetstream::{
    self,
    consumer::{self, AckPolicy, DeliverPolicy, pull},
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::config::{CONSUMER_IDLE, PULL_BYTES_MAX, PULL_MESSAGES_MAX, PULL_WAIT};
use super::group::{self, Group};
use super::store::{Store, pause};
use crate::error::ReadError;
use crate::metrics::{self, Retried};

/// A consumer and what was asked of it.
struct Active {
    consumer: consumer::Consumer<pull::Config>,
    /// The pull that is under way; it is not left before it ends, for what it brings comes once.
    batch: Option<pull::Batch>,
    /// How many messages it delivered.
    delivered: u64,
}

/// Reads forwards. A consumer that is lost, or that leaves something out, is made again behind the last group seen.
pub(super) struct Puller {
    subject: String,
    /// Every group before this sequence was seen.
    next: u64,
    active: Option<Active>,
}

/// What a pull brought.
pub(super) struct Pulled {
    /// Groups in order; none when no news came in time.
    pub(super) groups: Vec<Group>,
    /// How many more there are, as the server believes.
    pub(super) pending: u64,
}

impl Puller {
    /// From this sequence on, what the subject filter lets through.
    pub(super) fn new(subject: String, next: u64) -> Self {
        Self { subject, next: next.max(1), active: None }
    }

    /// Where the next group may be.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Asks the server anew from [`Puller::next`] on, whatever it takes for delivered.
    pub(super) fn begin_again(&mut self) {
        self.active = None;
    }

    /// The next groups; waits for some up to [`PULL_WAIT`], and no longer than the deadline.
    pub(super) async fn pull(&mut self, store: &Store, deadline: Instant) -> Result<Pulled, ReadError> {
        let mut tries = 0;
        loop {
            match tokio::time::timeout_at(deadline, self.try_pull(store)).await {
                Ok(Ok(pulled)) => return Ok(pulled),
                Ok(Err(Failed::Read(damaged))) => return Err(damaged),
                Ok(Err(Failed::Consumer(reason))) => {
                    self.active = None;
                    metrics::retried(Retried::Consumer);
                    // A consumer also ends with its stream, and then no other one will do.
                    store.confirm(deadline).await?;
                    if !pause(tries, deadline).await {
                        return Err(ReadError::Unavailable { reason });
                    }
                }
                Err(_) => {
                    self.active = None;
                    return Err(ReadError::Unavailable { reason: "no answer in time".into() });
                }
            }
            tries += 1;
        }
    }

    async fn try_pull(&mut self, store: &Store) -> Result<Pulled, Failed> {
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.make(store).await?,
        };
        let mut batch = match active.batch.take() {
            Some(batch) => batch,
            None => active.ask().await?,
        };
        let mut pulled = Pulled { groups: Vec::new(), pending: 0 };
        loop {
            // Only the first message is waited for: who is live must not wait for a full batch. The rest is for the next call.
            let message = if pulled.groups.is_empty() {
                batch.next().await
            } else if let Some(ready) = batch.next().now_or_never() {
                ready
            } else {
                active.batch = Some(batch);
                break;
            };
            let Some(message) = message else { break };
            match active.take(message) {
                Ok((group, pending)) => {
                    self.next = group.sequence + 1;
                    pulled.pending = pending;
                    pulled.groups.push(group);
                }
                // What came before is good, and what comes next is asked for again.
                Err(Failed::Consumer(_)) if !pulled.groups.is_empty() => return Ok(pulled),
                Err(failed) => return Err(failed),
            }
        }
        self.active = Some(active);
        if !pulled.groups.is_empty() {
            metrics::pulled(pulled.pending);
        }
        Ok(pulled)
    }

    async fn make(&self, store: &Store) -> Result<Active, Failed> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.next },
            ack_policy: AckPolicy::None,
            filter_subject: self.subject.clone(),
            inactive_threshold: CONSUMER_IDLE,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer = store.stream.create_consumer(config).await.map_err(Failed::consumer)?;
        metrics::consumer_made();
        Ok(Active { consumer, batch: None, delivered: 0 })
    }

    /// Tells the server that the consumer is needed no more. It would find out by itself, only later.
    pub(super) async fn end(self, store: &Store) {
        if let Some(active) = self.active {
            let name = &active.consumer.cached_info().name;
            let subject = format!("$JS.API.CONSUMER.DELETE.{}.{name}", store.config.stream);
            // A consumer that is not deleted goes away after `CONSUMER_IDLE`.
            drop(store.client.publish(subject, Bytes::new()).await);
        }
    }
}

impl Active {
    async fn ask(&self) -> Result<pull::Batch, Failed> {
        let pull = self.consumer.batch().max_messages(PULL_MESSAGES_MAX).max_bytes(PULL_BYTES_MAX);
        pull.expires(PULL_WAIT).messages().await.map_err(Failed::consumer)
    }

    /// The group in a message, and how many more there are.
    fn take(
        &mut self,
        message: Result<jetstream::Message, async_nats::Error>,
    ) -> Result<(Group, u64), Failed> {
        let message = message.map_err(Failed::consumer)?;
        let info = message.info().map_err(Failed::consumer)?;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        if info.consumer_sequence != self.delivered + 1 {
            return Err(Failed::Consumer("a message was left out on the way".into()));
        }
        self.delivered += 1;
        let group = group::decode(sequence, message.message.payload.clone()).map_err(Failed::Read)?;
        Ok((group, pending))
    }
}

enum Failed {
    /// The consumer is lost; another may do.
    Consumer(String),
    /// What it brought is damaged.
    Read(ReadError),
}

impl Failed {
    fn consumer(error: impl std::fmt::Display) -> Self {
        Self::Consumer(error.to_string())
    }
}
