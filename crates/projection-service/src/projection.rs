//! Starts the projection's tasks and the queues between them.

use std::sync::Arc;

use nimaora_change_bus::ChangeBus;
use nimaora_event_log::log::SharedLog;
use nimaora_read_models::{Leaderboard, ParkedPages, ReadModels, StoreError};
use nimaora_runtime::{Health, Shutdown};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};

use crate::applying::Applying;
use crate::config::{Config, PARKED_COUNT_TICKS, REPORT_INTERVAL};
use crate::metrics;
use crate::status::{Handle, Status};

/// The name of the projection among the parts whose readiness is told.
pub(crate) const PART: &str = "projection";

/// What the projection reads from and writes to.
#[derive(Clone)]
pub struct Deps {
    /// The only source.
    pub log: SharedLog,
    /// The boards.
    pub leaderboard: Arc<dyn Leaderboard>,
    /// The tables, which hold the checkpoints too.
    pub read_models: Arc<dyn ReadModels>,
    /// Where changes go once they can be read.
    pub bus: Arc<dyn ChangeBus>,
}

/// From the log to the leaderboard, the tables and the change bus.
///
/// - **Equal**: tables and boards are a fold of the log up to their checkpoint, whether it was followed live or read again.
/// - **Readable first**: a change is published after the tables hold it, and after its board does if the leaderboard takes it in time.
/// - **Never lost**: a crash between writing and publishing repeats a change; receivers drop repeats by position.
/// - **Quiet in rebuild**: what was published before, and what was in the log before new tables were begun, is not published.
/// - **Never skipped**: an event that cannot be projected is parked with its reason, live and in rebuild alike.
/// - **Patient**: while the tables cannot be used, they are tried again, and the log goes on growing without them. Without the leaderboard
///   all else goes on; the boards that it lacks are made anew from the log when it answers again.
pub struct Projection;

impl Projection {
    /// Starts projecting until the server stops. It is ready when all that is in the log is applied.
    pub fn start(deps: Deps, config: Config, shutdown: &Shutdown, health: &Health) -> Handle {
        health.register(PART);
        let status = watch::Sender::new(Status::default());
        let handle =
            Handle { status: status.subscribe(), log: Arc::clone(&deps.log), clock: config.clock.clone() };
        let tables = Arc::clone(&deps.read_models);
        let applying = Applying::new(deps, config, shutdown.clone(), health.clone(), status);
        shutdown.spawn(applying.run());
        shutdown.spawn(report(handle.clone(), tables, shutdown.clone()));
        handle
    }
}

/// Measures how far behind it is, all the while and not only when something was applied.
async fn report(handle: Handle, tables: Arc<dyn ReadModels>, shutdown: Shutdown) {
    let mut until_parked_are_counted = 0;
    let mut ticks = tokio::time::interval(REPORT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = ticks.tick() => {}
        }
        // A log that does not answer is told of by whoever follows it.
        if let Ok(Ok(lag)) = timeout(REPORT_INTERVAL, handle.lag()).await {
            metrics::behind(lag);
        }
        if until_parked_are_counted == 0
            && let Ok(Ok(parked)) = timeout(REPORT_INTERVAL, parked(&*tables)).await
        {
            metrics::parked(parked);
            until_parked_are_counted = PARKED_COUNT_TICKS;
        }
        until_parked_are_counted = u32::saturating_sub(until_parked_are_counted, 1);
    }
}

/// How many events are parked and not discarded.
async fn parked(tables: &dyn ReadModels) -> Result<usize, StoreError> {
    let (mut pages, mut parked) = (ParkedPages::of(tables), 0);
    while let Some(page) = pages.next().await? {
        parked += page.iter().filter(|event| event.discarded.is_none()).count();
    }
    Ok(parked)
}
