//! Writes what was folded, parks what cannot be projected, and hands on what followers are told.

use std::sync::Arc;
use std::time::Instant;

use nimaora_read_models::{Checkpoints, Position};
use nimaora_runtime::{Health, Shutdown};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::backlog::BoardJob;
use crate::boards::Boards;
use crate::config::{Config, DECODED_MESSAGES_MAX, UNPUBLISHED_BATCHES_MAX};
use crate::fold::Marks;
use crate::healing::as_store_error;
use crate::inbox::{Batch, Inbox};
use crate::metrics;
use crate::names::Names;
use crate::noted::Noted;
use crate::projection::{Deps, PART};
use crate::publisher::{Publisher, Written};
use crate::rebuild::{PROJECTION_VERSION, version_of};
use crate::retry::Backoff;
use crate::source::Source;
use crate::status::Status;
use crate::stores::{End, Stores};
use crate::writing::{Delivery, Downstream, TableWriter};

/// Where a batch goes after the tables.
struct Out {
    boards: Boards,
    to_publish: mpsc::Sender<Written>,
}

impl Downstream for Out {
    async fn take(&mut self, delivery: Delivery, marks: &mut Marks) -> Result<(), End> {
        let Delivery { folded, parked, upto, patience } = delivery;
        if upto > marks.boards {
            let job = BoardJob { batches: folded.boards, parked, upto };
            self.boards.write(job, patience).await?;
            marks.boards = upto;
        }
        if upto > marks.changes {
            let written = Written { changes: folded.changes, position: upto };
            // The publisher ends before this task only when the server stops.
            self.to_publish.send(written).await.map_err(|_| End::Stopping)?;
        }
        Ok(())
    }
}

/// The writing task.
pub(crate) struct Applying {
    deps: Deps,
    config: Config,
    shutdown: Shutdown,
    health: Health,
    status: watch::Sender<Status>,
    writer: TableWriter,
    /// Between two beginnings.
    backoff: Backoff,
    /// Whether the leaderboard starts empty with each process and is made by the replay.
    boards_are_replayed: bool,
}

impl Applying {
    pub(crate) fn new(
        deps: Deps,
        config: Config,
        shutdown: Shutdown,
        health: Health,
        status: watch::Sender<Status>,
    ) -> Self {
        let stores = Stores::new(&config, shutdown.clone(), health.clone());
        let tables = Arc::clone(&deps.read_models);
        let writer = TableWriter::new(tables, config.clone(), stores, status.clone());
        let backoff = Backoff::new(&config, 4);
        Self { deps, config, shutdown, health, status, writer, backoff, boards_are_replayed: false }
    }

    /// Projects until the server stops or something is broken for good.
    pub(crate) async fn run(mut self) {
        let reason = loop {
            match self.project().await {
                Ok(()) | Err(End::Stopping) => break "the server stops".to_owned(),
                Err(End::Overtaken(error)) => {
                    tracing::warn!(%error, "the projection begins again where the tables are");
                    metrics::retried("tables");
                    if self.backoff.wait(&self.shutdown).await.is_err() {
                        break "the server stops".to_owned();
                    }
                }
                Err(End::Failed(reason)) => {
                    tracing::error!(reason, "the projection has stopped");
                    break reason;
                }
            }
        };
        self.health.not_ready(PART, reason.clone());
        self.status.send_modify(|status| status.stopped = Some(reason));
    }

    async fn project(&mut self) -> Result<(), End> {
        self.prepare().await?;
        let mut inbox = self.follow_log();
        let (to_publish, queue) = mpsc::channel(UNPUBLISHED_BATCHES_MAX);
        let publisher = self.start_publisher(queue);
        let mut out = Out { boards: self.start_boards(), to_publish };
        let _noted = Noted::start(&self.deps, &self.config);
        let projected = self.apply_all(&mut inbox, &mut out).await;
        drop(out.to_publish);
        tokio::join!(out.boards.end(), self.end_publishing(publisher));
        projected
    }

    /// Reads where the stores stand, and from where changes are news.
    async fn prepare(&mut self) -> Result<(), End> {
        let tables = Arc::clone(&self.deps.read_models);
        let boards = Arc::clone(&self.deps.leaderboard);
        let found = self.writer.stores.call("tables", false, || tables.checkpoints()).await??;
        self.writer.marks.tables = found.tables;
        let boards_at = self.writer.stores.call("leaderboard", false, || boards.checkpoint()).await??;
        self.writer.marks.boards = boards_at.min(found.tables);
        self.boards_are_replayed = boards_at < Position::MAX;
        self.writer.marks.changes = found.changes;
        let head = self.log_head().await?;
        if found.tables > head {
            return Err(End::Failed(format!(
                "the tables are at position {}, ahead of the log, which ends at {head}: they are of another log",
                found.tables
            )));
        }
        if !found.begun {
            let version = PROJECTION_VERSION;
            self.writer.stores.call("tables", false, || tables.save_version(version)).await??;
            // New tables: what is in the log by now is history, and nobody waits to be told of it. Before they hold it, they are
            // not whole, and this is how others know.
            self.writer.marks.changes = head;
            self.writer.stores.call("tables", false, || tables.save_changes_checkpoint(head)).await??;
        }
        tell_version(&found);
        self.writer.changes_saved = self.writer.marks.changes;
        self.writer.names = Names::default();
        self.writer.parked.clear();
        self.writer.load_parked().await?;
        let (applied, published) =
            (self.writer.marks.tables.min(self.writer.marks.boards), self.writer.marks.changes);
        let parked = self.writer.parked.len();
        self.status.send_modify(|status| {
            *status = Status { applied, published, parked, ..Status::default() };
        });
        Ok(())
    }

    async fn log_head(&mut self) -> Result<Position, End> {
        let log = Arc::clone(&self.deps.log);
        let head = || async { log.status().await.map(|status| status.head).map_err(as_store_error) };
        Ok(self.writer.stores.call("log", false, head).await??)
    }

    fn follow_log(&self) -> Inbox {
        let (steps, received) = mpsc::channel(DECODED_MESSAGES_MAX);
        let source = Source {
            log: Arc::clone(&self.deps.log),
            after: self.writer.marks.tables.min(self.writer.marks.boards).min(self.writer.marks.changes),
            steps,
            backoff: Backoff::new(&self.config, 2),
            shutdown: self.shutdown.clone(),
        };
        self.shutdown.spawn(source.run());
        Inbox::new(received, self.config.batch_events_max)
    }

    fn start_boards(&self) -> Boards {
        let (upto, replayed, parked) =
            (self.writer.marks.boards, self.boards_are_replayed, self.writer.parked.clone());
        Boards::start(&self.deps, &self.config, upto, replayed, parked, &self.shutdown)
    }

    fn start_publisher(&self, queue: mpsc::Receiver<Written>) -> JoinHandle<()> {
        let publisher = Publisher {
            bus: Arc::clone(&self.deps.bus),
            queue,
            status: self.status.clone(),
            timeout: self.config.publish_timeout,
            backoff: Backoff::new(&self.config, 3),
            shutdown: self.shutdown.clone(),
        };
        self.shutdown.spawn(publisher.run())
    }

    async fn apply_all(&mut self, inbox: &mut Inbox, out: &mut Out) -> Result<(), End> {
        loop {
            let batch = tokio::select! {
                batch = inbox.next() => batch,
                () = self.shutdown.requested() => return Ok(()),
                () = self.quiet_after_publishing() => {
                    self.save_changes_checkpoint().await?;
                    continue;
                }
            };
            let Some(batch) = batch else { return Err(self.without_source()) };
            self.apply(&batch, out).await?;
            if let Some(reason) = batch.failed {
                return Err(End::Failed(reason));
            }
            if inbox.is_empty() {
                self.status.send_modify(|status| status.pending_since_ms = None);
            }
        }
    }

    /// Nothing more comes from the log: it is no longer followed when the server stops, and never before.
    fn without_source(&self) -> End {
        match self.shutdown.is_requested() {
            true => End::Stopping,
            false => End::Failed("the log's follower has ended".to_owned()),
        }
    }

    /// Waits until something is published and not saved yet, and then for the quiet time.
    async fn quiet_after_publishing(&self) {
        let unsaved = |status: &Status| status.published > self.writer.changes_saved;
        // The sender is this task's own, so the wait cannot fail.
        let _ = self.status.subscribe().wait_for(unsaved).await;
        tokio::time::sleep(self.config.quiet_time).await;
    }

    /// Everything that was written is given a last chance to be published, so that a restart has little to repeat.
    async fn end_publishing(&mut self, publisher: JoinHandle<()>) {
        if tokio::time::timeout(self.config.publish_timeout, publisher).await.is_err() {
            tracing::warn!(
                "the bus has not taken all changes; they are published again after the next start"
            );
        }
        let position = self.status.borrow().published;
        if position > self.writer.changes_saved {
            let saving = self.deps.read_models.save_changes_checkpoint(position);
            if let Ok(Err(error)) = tokio::time::timeout(self.config.store_timeout, saving).await {
                tracing::warn!(%error, "some changes are published again after the next start");
            }
        }
    }

    async fn save_changes_checkpoint(&mut self) -> Result<(), End> {
        let tables = Arc::clone(&self.deps.read_models);
        let position = self.status.borrow().published;
        let ready_after = self.status.borrow().caught_up;
        self.writer.stores.call("tables", ready_after, || tables.save_changes_checkpoint(position)).await??;
        self.writer.changes_saved = position;
        Ok(())
    }

    async fn apply(&mut self, batch: &Batch, out: &mut Out) -> Result<(), End> {
        let began = Instant::now();
        // What only the boards lack is in the tables since before a restart: it is neither new nor late.
        let new =
            &batch.events[batch.events.partition_point(|event| event.position <= self.writer.marks.tables)..];
        let new_events = new.len();
        let oldest_ms = new.first().map(|event| event.created_ms);
        self.status.send_modify(|status| status.pending_since_ms = oldest_ms);
        self.writer.names.make_room();
        self.writer.write_in_pieces(&batch.events, batch.checkpoint, out).await?;
        self.measure(new_events, oldest_ms, began);
        if batch.caught_up {
            self.health.ready(PART);
        }
        self.status.send_modify(|status| {
            status.applied = status.applied.max(batch.checkpoint);
            status.caught_up |= batch.caught_up;
        });
        Ok(())
    }

    fn measure(&self, events: usize, oldest_ms: Option<i64>, began: Instant) {
        let Some(oldest_ms) = oldest_ms else { return };
        let age_ms = self.config.clock.now_ms().saturating_sub(oldest_ms);
        metrics::applied(events, began.elapsed(), u64::try_from(age_ms).unwrap_or(0));
    }
}

/// Says so when the tables were made by another version. They are written on all the same: somebody has to build them anew.
fn tell_version(found: &Checkpoints) {
    let stored = version_of(found);
    let is_other = found.begun && stored != PROJECTION_VERSION;
    metrics::tables_of_another_version(is_other);
    if is_other {
        tracing::warn!(
            stored,
            ours = PROJECTION_VERSION,
            "the tables are of another version of the projection; build them anew: nimaora projections rebuild \
             --accept-differences"
        );
    }
}
