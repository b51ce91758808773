//! Groups in order from a place on, by a consumer that lives on a server only as long as it is pulled from.
//!
//! A consumer lives on one server and goes with it, and another is made by whoever leads all servers, which may have gone too and is
//! elected anew within some seconds. Meanwhile groups are asked for one by one, which needs only the stream's own leader, as appends do.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    consumer::{self, AckPolicy, DeliverPolicy, pull},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use super::config::{CONSUMER_IDLE, PULL_BYTES_MAX, PULL_MESSAGES_MAX, PULL_SILENCE, PULL_WAIT};
use super::group::{self, Group};
use super::store::{Store, pause};
use crate::error::ReadError;
use crate::metrics::{self, Retried};

/// How long making a consumer may take before groups are asked for one by one.
const MAKE_PATIENCE: Duration = Duration::from_millis(250);
/// How often is asked whether there is one more group while there is no consumer.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Groups that are asked for one by one before they are handed on.
const ASKED_GROUPS_MAX: usize = 64;

type Consumer = consumer::Consumer<pull::Config>;

/// A consumer and what was asked of it.
struct Active {
    consumer: Consumer,
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
    /// A consumer that is being made. It may begin before [`Puller::next`].
    making: Option<BoxFuture<'static, Result<Consumer, Failed>>>,
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
        Self { subject, next: next.max(1), active: None, making: None }
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
            match tokio::time::timeout_at(deadline, self.try_pull(store, deadline)).await {
                Ok(Ok(pulled)) => return Ok(pulled),
                Ok(Err(Failed::Read(error))) => return Err(error),
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

    async fn try_pull(&mut self, store: &Store, deadline: Instant) -> Result<Pulled, Failed> {
        if self.active.is_none()
            && let Some(pulled) = self.make(store, deadline).await?
        {
            return Ok(pulled);
        }
        let Some(mut active) = self.active.take() else { return Err(Failed::consumer("it is not there")) };
        let mut batch = match active.batch.take() {
            Some(batch) => batch,
            None => active.ask().await?,
        };
        let mut pulled = Pulled { groups: Vec::new(), pending: 0 };
        loop {
            // Only the first message is waited for: who is live must not wait for a full batch. The rest is for the next call.
            let message = if pulled.groups.is_empty() {
                // Without news the server ends the pull in time. When it is silent, the consumer is gone, or the server is.
                let silent = |_| Failed::consumer("the server is silent");
                timeout(PULL_WAIT + PULL_SILENCE, batch.next()).await.map_err(silent)?
            } else if let Some(ready) = batch.next().now_or_never() {
                ready
            } else {
                active.batch = Some(batch);
                break;
            };
            let Some(message) = message else { break };
            match active.take(message) {
                // The consumer began before what was asked for one by one.
                Ok((group, _)) if group.sequence < self.next => {}
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

    /// Makes a consumer. As long as that takes, the next groups are asked for one by one; when there are some, they come first.
    async fn make(&mut self, store: &Store, deadline: Instant) -> Result<Option<Pulled>, Failed> {
        let (subject, next) = (self.subject.clone(), self.next);
        let patience = if self.making.is_none() { MAKE_PATIENCE } else { Duration::ZERO };
        let making = self.making.get_or_insert_with(|| begin(store, subject.clone(), next));
        let asking = async {
            sleep(patience).await;
            loop {
                let groups = ask_one_by_one(store, &subject, next, deadline).await.map_err(Failed::Read)?;
                if !groups.is_empty() {
                    return Ok(groups);
                }
                sleep(ASK_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            made = making => {
                self.making = None;
                let consumer = made?;
                metrics::consumer_made();
                self.active = Some(Active { consumer, batch: None, delivered: 0 });
                Ok(None)
            }
            groups = asking => {
                let groups: Vec<Group> = groups?;
                self.next = groups.last().map_or(self.next, |last| last.sequence + 1);
                // There may be more, as far as one can know.
                Ok(Some(Pulled { groups, pending: 1 }))
            }
        }
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

fn begin(store: &Store, subject: String, next: u64) -> BoxFuture<'static, Result<Consumer, Failed>> {
    let stream = store.stream.clone();
    let config = pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: next },
        ack_policy: AckPolicy::None,
        filter_subject: subject,
        inactive_threshold: CONSUMER_IDLE,
        num_replicas: 1,
        memory_storage: true,
        ..pull::Config::default()
    };
    async move { stream.create_consumer(config).await.map_err(Failed::consumer) }.boxed()
}

/// The next groups, up to [`ASKED_GROUPS_MAX`]; none when there is no more.
async fn ask_one_by_one(
    store: &Store,
    subject: &str,
    mut next: u64,
    deadline: Instant,
) -> Result<Vec<Group>, ReadError> {
    let mut groups = Vec::new();
    while groups.len() < ASKED_GROUPS_MAX
        && let Some(group) = store.next(subject, next, deadline).await?
    {
        next = group.sequence + 1;
        groups.push(group);
    }
    Ok(groups)
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
    /// What was to be read is damaged, or did not come by any way in time.
    Read(ReadError),
}

impl Failed {
    fn consumer(error: impl std::fmt::Display) -> Self {
        Self::Consumer(error.to_string())
    }
}
