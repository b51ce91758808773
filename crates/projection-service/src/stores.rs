//! The stores behind their deadlines, tried again for as long as they cannot be used.

use std::future::Future;
use std::time::Duration;

use nimaora_read_models::StoreError;
use nimaora_runtime::{Health, Shutdown};

use crate::config::Config;
use crate::projection::PART;
use crate::retry::{Backoff, Stopping, Tried, until_done};

/// Why the projection ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The server stops.
    Stopping,
    /// Somebody else has written to the tables since; what is held of them here is old.
    Overtaken(StoreError),
    /// It cannot go on, and why.
    Failed(String),
}

/// Calls stores.
pub(crate) struct Stores {
    timeout: Duration,
    backoff: Backoff,
    shutdown: Shutdown,
    health: Health,
}

impl Stores {
    pub(crate) fn new(config: &Config, shutdown: Shutdown, health: Health) -> Self {
        Self { timeout: config.store_timeout, backoff: Backoff::new(config, 1), shutdown, health }
    }

    /// Calls until the store can be used. The inner error is the store's own and will not go away. While the store cannot be
    /// used, the process is not ready.
    pub(crate) async fn call<T, F>(
        &mut self,
        what: &'static str,
        ready_after: bool,
        attempt: impl FnMut() -> F,
    ) -> Result<Result<T, StoreError>, End>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.call_at_most(u32::MAX, what, ready_after, attempt).await
    }

    /// Like [`Stores::call`], but after so many tries that the store cannot be used is the inner error.
    pub(crate) async fn call_at_most<T, F>(
        &mut self,
        tries_max: u32,
        what: &'static str,
        ready_after: bool,
        mut attempt: impl FnMut() -> F,
    ) -> Result<Result<T, StoreError>, End>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 0_u32;
        let (health, timeout) = (&self.health, self.timeout);
        let mut hindered = false;
        let tried = until_done(
            what,
            &mut self.backoff,
            &self.shutdown,
            |reason| {
                hindered = true;
                health.not_ready(PART, format!("{what}: {reason}"));
            },
            || {
                tries = tries.saturating_add(1);
                let is_last = tries >= tries_max;
                let attempt = tokio::time::timeout(timeout, attempt());
                async move {
                    let reason = match attempt.await {
                        Ok(Ok(done)) => return Tried::Done(done),
                        Ok(Err(StoreError::Unavailable { reason })) => reason,
                        Ok(Err(error)) => return Tried::Failed(error),
                        Err(_) => format!("no answer within {timeout:?}"),
                    };
                    match is_last {
                        true => Tried::Failed(StoreError::Unavailable { reason }),
                        false => Tried::Again(reason),
                    }
                }
            },
        );
        let done = tried.await?;
        if hindered && ready_after {
            health.ready(PART);
        }
        Ok(done)
    }
}

impl From<Stopping> for End {
    fn from(_: Stopping) -> Self {
        Self::Stopping
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use nimaora_runtime::Clock;

    use super::*;

    #[tokio::test]
    async fn a_call_of_few_tries_tells_that_the_store_cannot_be_used() {
        let config = Config { retry_first: Duration::ZERO, ..Config::new(Clock::manual(0), 1) };
        let mut stores = Stores::new(&config, Shutdown::new(), Health::default());
        let mut tries = 0;
        let called = stores.call_at_most(2, "tables", false, || {
            tries += 1;
            async { Err::<(), _>(StoreError::Unavailable { reason: "it is slow".to_owned() }) }
        });
        assert!(matches!(called.await, Ok(Err(StoreError::Unavailable { .. }))));
        assert_eq!(tries, 2);
    }
}
