//! Writes what was folded, parks what cannot be projected, and hands on what followers are told.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nimaora_domain::{BattleId, Event, Timestamp};
use nimaora_read_models::{Position, StoreError};
use nimaora_runtime::{Health, Shutdown};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::backlog::BoardJob;
use crate::boards::Boards;
use crate::config::{
    Config, DECODED_MESSAGES_MAX, PARKED_EVENTS_MAX, PARKED_PAGE_EVENTS, UNPUBLISHED_BATCHES_MAX,
};
use crate::fold::{Fold, Folded, Marks};
use crate::healing::as_store_error;
use crate::inbox::{Batch, Inbox};
use crate::metrics;
use crate::names::Names;
use crate::projection::{Deps, PART};
use crate::publisher::{Publisher, Written};
use crate::retry::Backoff;
use crate::source::{Content, Decoded, Source};
use crate::status::Status;
use crate::stores::{End, Stores};

/// Where a batch goes after the tables.
struct Out {
    boards: Boards,
    to_publish: mpsc::Sender<Written>,
}

/// The writing task.
pub(crate) struct Applying {
    deps: Deps,
    config: Config,
    shutdown: Shutdown,
    health: Health,
    status: watch::Sender<Status>,
    stores: Stores,
    /// Between two beginnings.
    backoff: Backoff,
    marks: Marks,
    names: Names,
    /// Whether the leaderboard starts empty with each process and is made by the replay.
    boards_are_replayed: bool,
    /// The positions of all events that are parked.
    parked: HashSet<Position>,
    /// The position up to which changes were published, as the tables have it.
    changes_saved: Position,
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
        let backoff = Backoff::new(&config, 4);
        Self {
            deps,
            config,
            shutdown,
            health,
            status,
            stores,
            backoff,
            marks: Marks::default(),
            names: Names::default(),
            boards_are_replayed: false,
            parked: HashSet::new(),
            changes_saved: 0,
        }
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
        let projected = self.apply_all(&mut inbox, &mut out).await;
        drop(out.to_publish);
        tokio::join!(out.boards.end(), self.end_publishing(publisher));
        projected
    }

    /// Reads where the stores stand, and from where changes are news.
    async fn prepare(&mut self) -> Result<(), End> {
        let tables = Arc::clone(&self.deps.read_models);
        let boards = Arc::clone(&self.deps.leaderboard);
        let found = self.stores.call("tables", false, || tables.checkpoints()).await??;
        self.marks.tables = found.tables;
        let boards_at = self.stores.call("leaderboard", false, || boards.checkpoint()).await??;
        self.marks.boards = boards_at.min(found.tables);
        self.boards_are_replayed = boards_at < Position::MAX;
        self.marks.changes = found.changes;
        let head = self.log_head().await?;
        if found.tables > head {
            return Err(End::Failed(format!(
                "the tables are at position {}, ahead of the log, which ends at {head}: they are of another log",
                found.tables
            )));
        }
        if !found.begun {
            // New tables: what is in the log by now is history, and nobody waits to be told of it. Before they hold it, they are
            // not whole, and this is how others know.
            self.marks.changes = head;
            self.stores.call("tables", false, || tables.save_changes_checkpoint(head)).await??;
        }
        self.changes_saved = self.marks.changes;
        self.names = Names::default();
        self.parked.clear();
        self.load_parked().await?;
        let (applied, published) = (self.marks.tables.min(self.marks.boards), self.marks.changes);
        let parked = self.parked.len();
        self.status.send_modify(|status| {
            *status = Status { applied, published, parked, ..Status::default() };
        });
        Ok(())
    }

    async fn log_head(&mut self) -> Result<Position, End> {
        let log = Arc::clone(&self.deps.log);
        let head = || async { log.status().await.map(|status| status.head).map_err(as_store_error) };
        Ok(self.stores.call("log", false, head).await??)
    }

    async fn load_parked(&mut self) -> Result<(), End> {
        let tables = Arc::clone(&self.deps.read_models);
        let mut after = 0;
        loop {
            let page = self.stores.call("tables", false, || tables.parked(after, PARKED_PAGE_EVENTS));
            let page = page.await??;
            let Some(last) = page.last() else { break };
            after = last.position;
            self.note_parked(page.iter().map(|event| event.position))?;
        }
        Ok(())
    }

    fn follow_log(&self) -> Inbox {
        let (steps, received) = mpsc::channel(DECODED_MESSAGES_MAX);
        let source = Source {
            log: Arc::clone(&self.deps.log),
            after: self.marks.tables.min(self.marks.boards).min(self.marks.changes),
            steps,
            backoff: Backoff::new(&self.config, 2),
            shutdown: self.shutdown.clone(),
        };
        self.shutdown.spawn(source.run());
        Inbox::new(received, self.config.batch_events_max)
    }

    fn start_boards(&self) -> Boards {
        let (upto, replayed, parked) = (self.marks.boards, self.boards_are_replayed, self.parked.clone());
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
        let unsaved = |status: &Status| status.published > self.changes_saved;
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
        if position > self.changes_saved {
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
        self.stores.call("tables", ready_after, || tables.save_changes_checkpoint(position)).await??;
        self.changes_saved = position;
        Ok(())
    }

    async fn apply(&mut self, batch: &Batch, out: &mut Out) -> Result<(), End> {
        let began = Instant::now();
        // What only the boards lack is in the tables since before a restart: it is neither new nor late.
        let new = &batch.events[batch.events.partition_point(|event| event.position <= self.marks.tables)..];
        let new_events = new.len();
        let oldest_ms = new.first().map(|event| event.created_ms);
        self.status.send_modify(|status| status.pending_since_ms = oldest_ms);
        self.names.make_room();
        self.write_in_pieces(&batch.events, batch.checkpoint, out).await?;
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

    /// Writes events as one piece if the tables take them; else in ever smaller pieces, until those that the tables refuse are
    /// alone and can be parked.
    async fn write_in_pieces(
        &mut self,
        events: &[Decoded],
        checkpoint: Position,
        out: &mut Out,
    ) -> Result<(), End> {
        let whole: Range<usize> = 0..events.len();
        let mut pieces = vec![whole];
        while let Some(piece) = pieces.pop() {
            let last = piece.end == events.len();
            let upto = if last { checkpoint } else { events[piece.end - 1].position };
            let Err(refused) = self.write(&events[piece.clone()], upto, None, out).await? else {
                continue;
            };
            match piece.len() {
                0 => return Err(refused.into()),
                1 => {
                    let reason = refused.to_string();
                    self.write(&events[piece], upto, Some(&reason), out).await??;
                }
                many => {
                    let middle = piece.start + many / 2;
                    pieces.push(middle..piece.end);
                    pieces.push(piece.start..middle);
                }
            }
        }
        Ok(())
    }

    /// Writes events to the tables, has them written to the boards, then hands on what followers are told. With `parking`, the events
    /// are parked for that reason. The inner error is the tables' refusal; then nothing was written.
    async fn write(
        &mut self,
        events: &[Decoded],
        upto: Position,
        parking: Option<&str>,
        out: &mut Out,
    ) -> Result<Result<(), StoreError>, End> {
        self.load_names(events).await?;
        let mut folded = self.fold(events, parking);
        let parked: Vec<_> = folded.tables.parked.iter().map(|event| event.position).collect();
        if upto > self.marks.tables {
            if let Err(refused) = self.write_tables(&mut folded, upto).await? {
                return Ok(Err(refused));
            }
            log_parked(&folded);
            self.note_parked(parked.iter().copied())?;
        }
        for board in folded.boards.iter().filter(|board| board.ended) {
            self.names.forget(board.battle_id);
        }
        if upto > self.marks.boards {
            let job = BoardJob { batches: folded.boards, parked, upto };
            out.boards.write(job, self.boards_patience()).await?;
            self.marks.boards = upto;
        }
        if upto > self.marks.changes {
            let written = Written { changes: folded.changes, position: upto };
            // The publisher ends before this task only when the server stops.
            out.to_publish.send(written).await.map_err(|_| End::Stopping)?;
        }
        Ok(Ok(()))
    }

    fn fold(&mut self, events: &[Decoded], parking: Option<&str>) -> Folded {
        let now = Timestamp::from_millis(self.config.clock.now_ms());
        let mut fold = Fold::new(self.marks, &mut self.names, now);
        for event in events {
            let parked_before = self.parked.contains(&event.position).then_some("it is parked");
            fold.event(event, parking.or(parked_before));
        }
        fold.finish()
    }

    /// The inner error is the tables' refusal; then nothing was written.
    async fn write_tables(
        &mut self,
        folded: &mut Folded,
        upto: Position,
    ) -> Result<Result<(), StoreError>, End> {
        let published = self.status.borrow().published;
        folded.tables.follows = self.marks.tables;
        folded.tables.checkpoint = upto;
        folded.tables.changes_checkpoint = (published > self.changes_saved).then_some(published);
        let (tables, batch) = (Arc::clone(&self.deps.read_models), &folded.tables);
        let ready_after = self.status.borrow().caught_up;
        match self.stores.call("tables", ready_after, || tables.apply(batch)).await? {
            Ok(()) => {
                self.marks.tables = upto;
                self.changes_saved = self.changes_saved.max(published);
                Ok(Ok(()))
            }
            Err(refused @ StoreError::Constraint { .. }) => Ok(Err(refused)),
            Err(overtaken @ StoreError::Overtaken { .. }) => Err(End::Overtaken(overtaken)),
            Err(broken) => Err(broken.into()),
        }
    }

    /// While it catches up, nobody waits for what is new, and what the boards cannot take in time would have to be made anew.
    fn boards_patience(&self) -> Duration {
        match self.status.borrow().caught_up {
            true => self.config.boards_patience,
            false => self.config.store_timeout,
        }
    }

    /// Reads the names of battles in which somebody was attacked, where followers are to be told and the names are not here.
    async fn load_names(&mut self, events: &[Decoded]) -> Result<(), End> {
        let tables = Arc::clone(&self.deps.read_models);
        for battle_id in self.battles_without_names(events) {
            let ready_after = self.status.borrow().caught_up;
            let names = self.stores.call("tables", ready_after, || tables.usernames(battle_id)).await??;
            self.names.hold(battle_id, names.into_iter());
        }
        Ok(())
    }

    fn battles_without_names(&self, events: &[Decoded]) -> Vec<BattleId> {
        let news = events.iter().filter(|event| event.position > self.marks.changes);
        let mut missing: Vec<_> = news
            .filter(|event| matches!(event.content, Content::Event(_, Event::AttackLanded(_))))
            .filter_map(|event| event.battle_id)
            .filter(|&battle_id| !self.names.holds(battle_id))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    fn note_parked(&mut self, positions: impl Iterator<Item = Position>) -> Result<(), End> {
        self.parked.extend(positions);
        let parked = self.parked.len();
        metrics::parked(parked);
        self.status.send_modify(|status| status.parked = parked);
        match parked > PARKED_EVENTS_MAX {
            true => Err(End::Failed(format!(
                "more than {PARKED_EVENTS_MAX} events are parked: this program does not understand this log"
            ))),
            false => Ok(()),
        }
    }
}

fn log_parked(folded: &Folded) {
    for event in &folded.tables.parked {
        tracing::error!(
            position = event.position,
            stream = event.stream,
            event_type = event.event_type,
            reason = event.reason,
            "an event cannot be projected and is parked"
        );
    }
}
