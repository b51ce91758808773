//! How far the projection is.

use nimaora_event_log::ReadError;
use nimaora_event_log::log::SharedLog;
use nimaora_read_models::Position;
use nimaora_runtime::Clock;
use tokio::sync::watch;

/// A running projection. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) log: SharedLog,
    pub(crate) clock: Clock,
}

/// How far the projection is, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The tables hold the log up to here, and the boards do, but for those that the leaderboard lost or could not take in time.
    pub applied: Position,
    /// Changes have been published up to here.
    pub published: Position,
    /// Whether everything that was in the log at the start is applied.
    pub caught_up: bool,
    /// How many events could not be projected and are parked.
    pub parked: usize,
    /// When the oldest event that was read and is not in the tables yet was appended, in milliseconds since the Unix epoch;
    /// `None` when there is none.
    pub pending_since_ms: Option<i64>,
    /// Why the projection has stopped, if it has.
    pub stopped: Option<String>,
}

/// How far behind the log the projection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// How many positions; the number of events in a log without gaps.
    pub positions: u64,
    /// How old the oldest event is that waits to be applied, in milliseconds; 0 when none does.
    pub millis: u64,
}

/// The projection has stopped, so what is waited for will not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the projection has stopped: {reason}")]
pub struct Stopped {
    /// Why.
    pub reason: String,
}

impl Handle {
    /// How far it is now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until the projection has stopped; answers why.
    pub async fn stopped(&self) -> String {
        let mut status = self.status.clone();
        let stopped = status.wait_for(|status| status.stopped.is_some()).await;
        stopped.ok().and_then(|status| status.stopped.clone()).unwrap_or_else(|| "its task ended".to_owned())
    }

    /// Waits until everything that was in the log at the start is applied.
    ///
    /// # Errors
    /// [`Stopped`] when it will not be.
    pub async fn caught_up(&self) -> Result<(), Stopped> {
        self.until(|status| status.caught_up).await
    }

    /// Waits until the tables hold the log up to `position`, and the boards but for those that are lost.
    ///
    /// # Errors
    /// [`Stopped`] when they will not.
    pub async fn applied(&self, position: Position) -> Result<(), Stopped> {
        self.until(|status| status.applied >= position).await
    }

    /// Waits until changes have been published up to `position`.
    ///
    /// # Errors
    /// [`Stopped`] when they will not be.
    pub async fn published(&self, position: Position) -> Result<(), Stopped> {
        self.until(|status| status.published >= position).await
    }

    /// How far behind the log it is.
    ///
    /// # Errors
    /// [`ReadError`] when the log does not say where its end is.
    pub async fn lag(&self) -> Result<Lag, ReadError> {
        let head = self.log.status().await?.head;
        let status = self.status();
        let positions = head.saturating_sub(status.applied);
        // What was read last may be applied already and not be looked after yet.
        let pending_since_ms = status.pending_since_ms.filter(|_| positions > 0);
        let waited = pending_since_ms.map_or(0, |since| self.clock.now_ms().saturating_sub(since));
        Ok(Lag { positions, millis: u64::try_from(waited).unwrap_or(0) })
    }

    async fn until(&self, reached: impl Fn(&Status) -> bool) -> Result<(), Stopped> {
        let mut status = self.status.clone();
        let seen = status.wait_for(|status| reached(status) || status.stopped.is_some()).await;
        let stopped = |reason: &str| Err(Stopped { reason: reason.to_owned() });
        match seen {
            Ok(status) if reached(&status) => Ok(()),
            Ok(status) => stopped(status.stopped.as_deref().unwrap_or_default()),
            Err(_) => stopped("its task is gone"),
        }
    }
}
