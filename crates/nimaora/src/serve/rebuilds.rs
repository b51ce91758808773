//! Rebuilds of the tables that an operator asks for: one at a time in a process, told as they go on, ended with the call.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use nimaora_api::details;
use nimaora_api::v1::{
    RebuildRequest, RebuildResponse, RebuildResult, RebuildStage, TableDifference, TableRows,
};
use nimaora_event_log::log::SharedLog;
use nimaora_projection_service::Config;
use nimaora_projection_service::parity::BoardsBeside;
use nimaora_projection_service::rebuild::{
    PROJECTION_VERSION, Progress, Rebuild, RebuildError, Rebuilt, Stage,
};
use nimaora_read_models::Rebuildable;
use nimaora_runtime::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Code, Status};

use super::projections::{of_log, of_tables};

/// How often it is told how far a rebuild is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What is needed for a rebuild.
pub(super) struct Rebuilds {
    pub(super) log: SharedLog,
    pub(super) tables: Arc<dyn Rebuildable>,
    pub(super) boards: BoardsBeside,
    pub(super) config: Config,
    pub(super) shutdown: Shutdown,
    /// One permit.
    under_way: Arc<Semaphore>,
}

type Told = Result<RebuildResponse, Status>;

impl Rebuilds {
    pub(super) fn new(
        log: SharedLog,
        tables: Arc<dyn Rebuildable>,
        boards: BoardsBeside,
        config: Config,
        shutdown: Shutdown,
    ) -> Self {
        Self { log, tables, boards, config, shutdown, under_way: Arc::new(Semaphore::new(1)) }
    }

    /// Begins one. It ends when the answer is dropped.
    pub(super) fn begin(&self, asked: RebuildRequest) -> Result<BoxStream<'static, Told>, Status> {
        if asked.version != 0 && asked.version != PROJECTION_VERSION {
            let wrong = format!(
                "this program builds version {PROJECTION_VERSION} and not {}; ask a process of the program that has it",
                asked.version
            );
            return Err(details::bad_field("version", wrong));
        }
        let permit = Arc::clone(&self.under_way).try_acquire_owned().map_err(|_| {
            let message = "this process builds the tables anew already; wait for it";
            details::status(Code::FailedPrecondition, "REBUILD_UNDER_WAY", message)
        })?;
        let (progress, told) = watch::channel(Progress::default());
        let rebuild = Rebuild {
            log: Arc::clone(&self.log),
            tables: Arc::clone(&self.tables),
            boards: self.boards.clone(),
            config: self.config.clone(),
            shutdown: self.shutdown.clone(),
            progress,
        };
        Ok(stream::unfold(Some(self.follow(rebuild, asked.accept_differences, told, permit)), next).boxed())
    }

    /// The rebuild runs in a task of its own, so that it does not wait for a client that reads slowly.
    fn follow(
        &self,
        rebuild: Rebuild,
        accept_differences: bool,
        told: watch::Receiver<Progress>,
        permit: OwnedSemaphorePermit,
    ) -> Following {
        let (tell, done) = oneshot::channel();
        let (wanted, gone) = oneshot::channel::<()>();
        self.shutdown.spawn(async move {
            let _permit = permit;
            tokio::select! {
                rebuilt = rebuild.run(accept_differences) => {
                    // The client may be gone at this very moment; then nobody asks what it came to.
                    let _ = tell.send(rebuilt);
                }
                // Nobody ever sends; it ends when the client goes.
                _ = gone => {}
            }
        });
        let mut ticks = interval(TELL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Following { told, done, ticks, _wanted: wanted }
    }
}

/// A rebuild that is told of.
struct Following {
    told: watch::Receiver<Progress>,
    done: oneshot::Receiver<Result<Rebuilt, RebuildError>>,
    ticks: tokio::time::Interval,
    /// Dropped with the call, which ends the rebuild.
    _wanted: oneshot::Sender<()>,
}

async fn next(following: Option<Following>) -> Option<(Told, Option<Following>)> {
    let mut following = following?;
    tokio::select! {
        biased;
        done = &mut following.done => {
            let progress = following.told.borrow().clone();
            // The task is given up when the server stops.
            let rebuilt = done.unwrap_or(Err(RebuildError::Stopping));
            let last = rebuilt.map_err(|error| status(&error));
            Some((last.map(|rebuilt| message(&progress, Some(result(rebuilt)))), None))
        }
        _ = following.ticks.tick() => {
            let told = message(&following.told.borrow().clone(), None);
            Some((Ok(told), Some(following)))
        }
    }
}

fn message(progress: &Progress, result: Option<RebuildResult>) -> RebuildResponse {
    let stage = match progress.stage {
        Stage::Building => RebuildStage::Building,
        Stage::Comparing => RebuildStage::Comparing,
        Stage::Exchanging => RebuildStage::Exchanging,
    };
    RebuildResponse {
        stage: stage.into(),
        position: progress.position,
        in_use_position: progress.in_use,
        events: progress.events,
        result,
    }
}

fn result(rebuilt: Rebuilt) -> RebuildResult {
    let Rebuilt { comparison, exchanged_at } = rebuilt;
    let rows = comparison.rows.into_iter();
    let rows = rows.map(|one| TableRows { table: one.table.to_owned(), in_use: one.in_use, next: one.next });
    let differences = comparison.differences.into_iter().map(|one| TableDifference {
        table: one.table.to_owned(),
        key: one.key,
        column: one.column.unwrap_or_default().to_owned(),
        in_use: one.in_use,
        next: one.next,
    });
    RebuildResult {
        exchanged: exchanged_at.is_some(),
        rows: rows.collect(),
        differing: comparison.differing,
        differences: differences.collect(),
    }
}

fn status(error: &RebuildError) -> Status {
    match error {
        RebuildError::Stopping => {
            details::retry(Code::Unavailable, "DRAINING", error.to_string(), Duration::from_secs(5))
        }
        RebuildError::Log(error) => of_log(error),
        RebuildError::Tables(error) => of_tables(error),
        RebuildError::GivenUp { .. } => details::status(Code::Aborted, "REBUILD_GIVEN_UP", error.to_string()),
    }
}
