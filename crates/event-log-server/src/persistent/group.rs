//! A group at work: one task that reads, deals events out to consumers, hears what became of them, and keeps the group's place.
//!
//! It begins with its first consumer and ends with its last. On beginning it writes the group's place anew; a server that served the
//! group before then finds its own next write refused, and cuts its consumers off.

use std::convert::Infallible;
use std::time::Duration;

use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{AppendError, ReadError, Revision};
use nimaora_runtime::{Clock, Shutdown};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use uuid::Uuid;

use super::consumers::{Answers, Consumer, ConsumerId, Consumers};
use super::deliveries::{Deliveries, Delivery, Origin};
use super::info::Numbers;
use super::keeping::{Checkpoints, Parked};
use super::out;
use super::progress::Progress;
use super::settings::{Group, GroupId};
use super::source::{Chunk, Source};
use crate::convert::IdForm;
use crate::filter::Wanted;
use crate::refusal;

/// What waits for a group's task. When it is reached, consumers' words are not read on.
pub(super) const COMMANDS_MAX: usize = 64;
/// Bytes of events that a group holds. When it is reached, it reads no more until consumers have taken some.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Events that a group reads beyond the first that is not done. When it is reached, it reads no more until that one is.
const UNDONE_EVENTS_MAX: usize = 262_144;
/// How long nothing is looked after when nothing is due.
const REST: Duration = Duration::from_secs(60);

/// What a consumer says of its events.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Done,
    Again,
    /// Keep it aside, and why.
    Park(String),
}

/// What a group's task is told.
pub(super) enum Command {
    Join {
        answers: Answers,
        ids: IdForm,
        room: usize,
        name: String,
        joined: oneshot::Sender<Result<ConsumerId, Status>>,
    },
    Leave(ConsumerId),
    Settle {
        consumer: ConsumerId,
        ids: Vec<Uuid>,
        verdict: Verdict,
    },
    Describe(oneshot::Sender<Numbers>),
    Replay {
        stop_at: Option<Revision>,
        begun: oneshot::Sender<()>,
    },
    /// Everybody is cut off.
    End(Status),
}

/// Why a group's task ended.
enum End {
    /// Nobody is left.
    Idle,
    /// Everybody is told this.
    Because(Status),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        Self::Because(Status::unavailable(error.to_string()))
    }
}

impl From<AppendError> for End {
    fn from(error: AppendError) -> Self {
        Self::Because(match error {
            AppendError::WrongExpectedRevision { .. } => {
                Status::unavailable("another server serves this group now; subscribe again")
            }
            other => Status::unavailable(other.to_string()),
        })
    }
}

/// A group at work.
pub(super) struct AtWork {
    id: GroupId,
    group: Group,
    clock: Clock,
    shutdown: Shutdown,
    commands: mpsc::Receiver<Command>,
    consumers: Consumers,
    deliveries: Deliveries,
    progress: Progress,
    checkpoints: Checkpoints,
    parked: Parked,
    source: Source,
    next_consumer: ConsumerId,
    delivered: u64,
    since_ms: i64,
    written_at: Instant,
}

impl AtWork {
    /// Loads the group's state and takes the group over from whoever served it.
    pub(super) async fn begin(
        log: SharedLog,
        clock: Clock,
        shutdown: Shutdown,
        group: Group,
        wanted: Wanted,
        commands: mpsc::Receiver<Command>,
    ) -> Result<Self, Status> {
        let id = group.id.clone();
        let cannot_read = |error: ReadError| refusal::read(&error);
        let mut checkpoints = Checkpoints::load(log.clone(), &id).await.map_err(cannot_read)?;
        let done = checkpoints.place;
        checkpoints.write(done).await.map_err(|error| Status::unavailable(error.to_string()))?;
        let now_ms = clock.now_ms();
        let parked = Parked::load(log.clone(), &id, now_ms).await.map_err(cannot_read)?;
        let source = match id.is_all() {
            true => Source::all(log, wanted, done),
            false => {
                Source::stream(log, wanted, id.source.clone(), done, now_ms).await.map_err(cannot_read)?
            }
        };
        Ok(Self {
            consumers: Consumers::new(group.settings.strategy),
            id,
            group,
            clock,
            shutdown,
            commands,
            deliveries: Deliveries::default(),
            progress: Progress::new(done),
            checkpoints,
            parked,
            source,
            next_consumer: 0,
            delivered: 0,
            since_ms: now_ms,
            written_at: Instant::now(),
        })
    }

    /// Works until nobody is left or something fails.
    pub(super) async fn run(mut self) {
        let status = match self.work().await {
            Err(End::Idle) => return,
            Err(End::Because(status)) => status,
        };
        tracing::debug!(group = %self.id.subscription(), %status, "consumers of a group are cut off");
        self.consumers.end(&status);
    }

    async fn work(&mut self) -> Result<Infallible, End> {
        loop {
            self.deliver();
            self.write_if_due().await?;
            let reads = self.reads();
            if reads && self.parked.has_more() {
                self.parked.more().await?.into_iter().for_each(|delivery| self.deliveries.add(delivery));
                continue;
            }
            let duty = self.next_duty();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await?,
                    None => return Err(End::Idle),
                },
                chunk = self.source.next(), if reads => self.take(chunk?),
                () = sleep_until(duty) => self.look_after_the_late().await?,
                () = self.shutdown.requested() => {
                    self.write_done().await?;
                    return Err(End::Because(refusal::stopping()));
                }
            }
        }
    }

    /// Whether there is room for more events.
    fn reads(&self) -> bool {
        let held = self.deliveries.fresh_len() + self.deliveries.again_len();
        !self.consumers.is_empty()
            && held < self.group.settings.ahead_max()
            && self.deliveries.bytes() < HELD_BYTES_MAX
            && self.progress.len() < UNDONE_EVENTS_MAX
    }

    fn take(&mut self, chunk: Chunk) {
        for (place, event) in chunk.events {
            self.progress.read(place);
            self.deliveries.add(Delivery { event, origin: Origin::Read(place), tries: 0 });
        }
        if let Some(passed) = chunk.passed {
            self.progress.passed(passed);
        }
    }

    fn deliver(&mut self) {
        let timeout = match self.group.settings.message_timeout_ms {
            0 => None,
            millis => Some(Duration::from_millis(millis.into())),
        };
        while let Some(gone) = self.deliveries.deliver(&mut self.consumers, Instant::now(), timeout) {
            self.forget(gone);
        }
    }

    fn forget(&mut self, consumer: ConsumerId) {
        if let Some(consumer) = self.consumers.remove(consumer) {
            self.delivered += consumer.delivered;
        }
        self.deliveries.return_from(consumer);
    }

    async fn obey(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Join { answers, ids, room, name, joined } => {
                // Nobody waits for the answer of a client that is gone.
                let _ = joined.send(self.join(answers, ids, room, name));
                if self.consumers.is_empty() {
                    return self.rest().await;
                }
            }
            Command::Leave(consumer) => {
                self.forget(consumer);
                if self.consumers.is_empty() {
                    return self.rest().await;
                }
            }
            Command::Settle { consumer, ids, verdict } => {
                for id in ids {
                    if let Some(delivery) = self.deliveries.take(id, consumer) {
                        self.consumers.freed(consumer);
                        self.judge(delivery, verdict.clone()).await?;
                    }
                }
            }
            Command::Describe(told) => drop(told.send(self.numbers())),
            Command::Replay { stop_at, begun } => {
                self.parked.replay(stop_at);
                let _ = begun.send(());
            }
            Command::End(status) => return Err(End::Because(status)),
        }
        Ok(())
    }

    fn join(
        &mut self,
        answers: Answers,
        ids: IdForm,
        room: usize,
        name: String,
    ) -> Result<ConsumerId, Status> {
        if self.consumers.len() >= self.group.settings.consumers_max() {
            return Err(refusal::too_many_consumers(&self.id.source, &self.id.name));
        }
        // The first place of an empty channel.
        let _ = answers.try_send(Ok(out::confirmation(&self.id)));
        self.next_consumer += 1;
        let (id, since_ms) = (self.next_consumer, self.clock.now_ms());
        self.consumers.add(Consumer { id, answers, ids, room, has: 0, delivered: 0, since_ms, name });
        Ok(id)
    }

    /// Nobody is left: what is done is written, and what is parked and was to be delivered again stays parked.
    async fn rest(&mut self) -> Result<(), End> {
        self.write_done().await?;
        Err(End::Idle)
    }

    async fn write_done(&mut self) -> Result<(), AppendError> {
        match self.progress.done() {
            done if done == self.checkpoints.place => Ok(()),
            done => self.checkpoints.write(done).await,
        }
    }

    async fn judge(&mut self, mut delivery: Delivery, verdict: Verdict) -> Result<(), End> {
        let reason = match verdict {
            Verdict::Done => return self.settle(delivery.origin).await,
            Verdict::Again if delivery.tries < self.group.settings.max_retry_count => {
                delivery.tries += 1;
                self.deliveries.again(delivery);
                return Ok(());
            }
            Verdict::Again => "Reached the most retries".to_owned(),
            Verdict::Park(reason) => reason,
        };
        self.parked.park(&delivery, &reason, self.clock.now_ms()).await?;
        self.settle(delivery.origin).await
    }

    async fn settle(&mut self, origin: Origin) -> Result<(), End> {
        match origin {
            Origin::Read(place) => self.progress.settle(place),
            Origin::Parked(revision) => self.parked.settle(revision).await?,
        }
        Ok(())
    }

    async fn look_after_the_late(&mut self) -> Result<(), End> {
        while let Some((delivery, consumer)) = self.deliveries.take_late(Instant::now()) {
            self.consumers.freed(consumer);
            self.judge(delivery, Verdict::Again).await?;
        }
        Ok(())
    }

    fn write_due_at(&self) -> Instant {
        self.written_at + Duration::from_millis(self.group.settings.checkpoint_after_ms.into())
    }

    /// Whether enough is done for the group's place to be written some time.
    fn is_enough_done(&self) -> bool {
        let unwritten = self.progress.unwritten();
        unwritten > 0 && unwritten >= self.group.settings.min_checkpoint_count.into()
    }

    async fn write_if_due(&mut self) -> Result<(), End> {
        let much = self.progress.unwritten() >= u64::from(self.group.settings.max_checkpoint_count.max(1));
        let due = much || (self.is_enough_done() && Instant::now() >= self.write_due_at());
        if due && self.progress.done() != self.checkpoints.place {
            self.checkpoints.write(self.progress.done()).await?;
            self.progress.written();
            self.written_at = Instant::now();
        }
        Ok(())
    }

    fn next_duty(&self) -> Instant {
        let resting = Instant::now() + REST;
        let late = self.deliveries.next_deadline().unwrap_or(resting);
        let is_behind = self.progress.done() != self.checkpoints.place;
        let write = if is_behind && self.is_enough_done() { self.write_due_at() } else { resting };
        late.min(write).min(resting)
    }

    fn numbers(&self) -> Numbers {
        let consumers = self.consumers.all();
        Numbers {
            now_ms: self.clock.now_ms(),
            since_ms: self.since_ms,
            delivered: self.delivered + consumers.iter().map(|consumer| consumer.delivered).sum::<u64>(),
            checkpoint: self.checkpoints.place,
            last_read: self.progress.last_read(),
            waiting: self.deliveries.fresh_len(),
            again: self.deliveries.again_len(),
            out: self.deliveries.out_len(),
            parked: self.parked.count(),
            consumers: consumers.iter().map(super::info::ConsumerNumbers::of).collect(),
        }
    }
}
