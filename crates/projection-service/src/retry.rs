//! Trying again for as long as a store or the bus cannot be used.

use std::future::Future;
use std::time::Duration;

use nimaora_runtime::Shutdown;

use crate::config::Config;
use crate::metrics;

/// The waits between tries: each up to twice as long as the one before, with full jitter.
#[derive(Debug)]
pub(crate) struct Backoff {
    rng: fastrand::Rng,
    first: Duration,
    max: Duration,
    next: Duration,
}

/// What a try came to.
pub(crate) enum Tried<T, E> {
    /// It worked.
    Done(T),
    /// It cannot work.
    Failed(E),
    /// It may work later; why it did not now.
    Again(String),
}

/// The server stops; there is no more trying.
#[derive(Debug)]
pub(crate) struct Stopping;

impl Backoff {
    /// No try has failed yet. `salt` keeps several tasks from waiting in step.
    pub(crate) fn new(config: &Config, salt: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(config.jitter_seed ^ salt),
            first: config.retry_first,
            max: config.retry_max,
            next: config.retry_first,
        }
    }

    /// A try has worked: the next wait is a short one again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// How long to wait before the next try.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(self.rng.f64());
        self.next = (self.next * 2).min(self.max);
        wait
    }

    /// Waits before the next try, or until the server stops.
    pub(crate) async fn wait(&mut self, shutdown: &Shutdown) -> Result<(), Stopping> {
        let wait = self.next_wait();
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = shutdown.requested() => Err(Stopping),
        }
    }
}

/// Tries until it works, fails for good or the server stops. `hindered` is told each reason to try again.
pub(crate) async fn until_done<T, E, F>(
    what: &'static str,
    backoff: &mut Backoff,
    shutdown: &Shutdown,
    mut hindered: impl FnMut(&str),
    mut attempt: impl FnMut() -> F,
) -> Result<Result<T, E>, Stopping>
where
    F: Future<Output = Tried<T, E>>,
{
    loop {
        match attempt().await {
            Tried::Done(done) => {
                backoff.reset();
                return Ok(Ok(done));
            }
            Tried::Failed(error) => return Ok(Err(error)),
            Tried::Again(reason) => {
                metrics::retried(what);
                tracing::warn!(what, reason, "trying again");
                hindered(&reason);
                backoff.wait(shutdown).await?;
            }
        }
    }
}
