//! Writes boards, beside the task that writes tables: what the leaderboard cannot take now holds up nothing else.
//!
//! A battle of which a batch was not applied is lost: no more batches of it are tried, and its board is made anew from the log when
//! the leaderboard answers again (`healing`). While nothing at all can be written, nothing is tried.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::BattleId;
use nimaora_event_log::log::SharedLog;
use nimaora_read_models::{BoardBatch, Leaderboard, Position, ReadModels};
use nimaora_runtime::Shutdown;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backlog::{Backlog, BoardJob, Dropped, Work};
use crate::config::{BOARDS_END_TIMEOUT, Config};
use crate::healing::Healing;
use crate::metrics;
use crate::projection::Deps;
use crate::retry::Backoff;
use crate::stores::End;
use crate::sweep::Sweeps;

/// How far the boards are.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Every batch up to here was applied, or its battle is known to be lost.
    upto: Position,
    /// Whether the leaderboard cannot be used at all.
    is_down: bool,
}

/// The task that writes boards, for the one that writes tables.
pub(crate) struct Boards {
    backlog: Arc<Backlog>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
    /// Whether the leaderboard starts empty with each process and is made by the replay: then it is waited for, always.
    is_replayed: bool,
    /// Boards that were waited for in vain up to here. Until they are there, they are not waited for again.
    behind: Option<Position>,
    shutdown: Shutdown,
}

impl Boards {
    /// Starts the task. Up to `upto` the boards hold the log already, but for what is lost.
    pub(crate) fn start(
        deps: &Deps,
        config: &Config,
        upto: Position,
        is_replayed: bool,
        parked: HashSet<Position>,
        shutdown: &Shutdown,
    ) -> Self {
        let backlog = Arc::new(Backlog::default());
        let begin = Progress { upto, is_down: false };
        let (done, progress) = watch::channel(begin);
        let writer = BoardWriter {
            leaderboard: Arc::clone(&deps.leaderboard),
            tables: Arc::clone(&deps.read_models),
            log: Arc::clone(&deps.log),
            config: config.clone(),
            backlog: Arc::clone(&backlog),
            done,
            upto,
            parked,
            healing: Healing::default(),
            sweeps: Sweeps::new(config),
            backoff: Backoff::new(config, 5),
        };
        let task = shutdown.spawn(writer.run());
        Self { backlog, progress, task, is_replayed, behind: None, shutdown: shutdown.clone() }
    }

    /// Hands batches over and waits until they are applied, at most `patience`, and not at all while the boards are behind.
    pub(crate) async fn write(&mut self, job: BoardJob, patience: Duration) -> Result<(), End> {
        if self.task.is_finished() {
            return Err(without_task());
        }
        let upto = job.upto;
        self.backlog.push(job);
        if self.is_replayed {
            return self.applied(upto).await;
        }
        let now = *self.progress.borrow();
        if now.is_down || self.behind.is_some_and(|behind| now.upto < behind) {
            self.behind = Some(upto);
            return Ok(());
        }
        let applied = tokio::time::timeout(patience, self.applied(upto)).await;
        self.behind = applied.is_err().then_some(upto);
        applied.unwrap_or(Ok(()))
    }

    async fn applied(&mut self, upto: Position) -> Result<(), End> {
        tokio::select! {
            applied = self.progress.wait_for(|progress| progress.upto >= upto) => {
                applied.map(drop).map_err(|_| without_task())
            }
            () = self.shutdown.requested() => Err(End::Stopping),
        }
    }

    /// What is on its way is given a last chance, so that there is little to heal after a restart.
    pub(crate) async fn end(self) {
        let Self { backlog, mut task, .. } = self;
        backlog.close();
        if tokio::time::timeout(BOARDS_END_TIMEOUT, &mut task).await.is_err() {
            tracing::warn!(
                "the leaderboard has not taken all; what it lacks is made anew after the next start"
            );
            task.abort();
        }
    }
}

/// The task ends when the projection does, and never before.
fn without_task() -> End {
    End::Failed("the task that writes boards has ended".to_owned())
}

/// Writes boards.
pub(crate) struct BoardWriter {
    pub(crate) leaderboard: Arc<dyn Leaderboard>,
    pub(crate) tables: Arc<dyn ReadModels>,
    pub(crate) log: SharedLog,
    pub(crate) config: Config,
    backlog: Arc<Backlog>,
    done: watch::Sender<Progress>,
    /// As [`Progress::upto`].
    pub(crate) upto: Position,
    /// The positions of all events that are parked.
    pub(crate) parked: HashSet<Position>,
    pub(crate) healing: Healing,
    pub(crate) sweeps: Sweeps,
    /// Between two questions to a leaderboard that is down.
    pub(crate) backoff: Backoff,
}

impl BoardWriter {
    async fn run(mut self) {
        loop {
            let work = tokio::select! {
                biased;
                work = self.backlog.next() => work,
                () = self.healing.due(&self.sweeps) => {
                    self.heal_a_little().await;
                    continue;
                }
            };
            match work {
                None => return,
                Some(Work::Write(job)) => self.write(job).await,
                Some(Work::Dropped(dropped)) => self.note_dropped(dropped),
            }
            // New batches must not keep lost boards waiting.
            if self.healing.is_due(&self.sweeps) {
                self.heal_a_little().await;
            }
        }
    }

    async fn write(&mut self, mut job: BoardJob) {
        self.parked.extend(job.parked);
        // What is lost is made anew from the log, up to where all others are then.
        job.batches.retain(|batch| !self.healing.knows(batch.battle_id));
        match self.healing.is_down() {
            true => self.healing.lost(job.batches.iter().map(|batch| batch.battle_id)),
            false => self.apply(&job.batches, job.upto).await,
        }
        self.note_progress(job.upto);
    }

    async fn apply(&mut self, batches: &[BoardBatch], upto: Position) {
        let apply = self.leaderboard.apply(batches, upto);
        let applied = tokio::time::timeout(self.config.store_timeout, apply).await;
        let battles: HashSet<BattleId> = batches.iter().map(|batch| batch.battle_id).collect();
        let failed = match applied {
            Ok(Ok(applied)) => {
                self.healing.lost(applied.missing);
                applied.failed
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "boards cannot be written now; the tables go on");
                battles.iter().copied().collect()
            }
            Err(_) => {
                tracing::warn!("the leaderboard does not answer; the tables go on");
                battles.iter().copied().collect()
            }
        };
        if !failed.is_empty() {
            metrics::retried("leaderboard");
            let nothing_works = failed.len() >= battles.len();
            self.healing.lost(failed);
            self.healing.set_down(nothing_works);
        }
    }

    fn note_dropped(&mut self, dropped: Dropped) {
        tracing::warn!(
            battles = dropped.battles.len(),
            "the leaderboard is too slow; these boards are made anew"
        );
        self.parked.extend(dropped.parked);
        self.healing.lost(dropped.battles);
        self.note_progress(dropped.upto);
    }

    fn note_progress(&mut self, upto: Position) {
        self.upto = upto;
        self.tell();
    }

    /// Tells how far the boards are, and whether the leaderboard is down.
    pub(crate) fn tell(&self) {
        metrics::boards_lost(self.healing.count());
        self.done.send_replace(Progress { upto: self.upto, is_down: self.healing.is_down() });
    }
}
