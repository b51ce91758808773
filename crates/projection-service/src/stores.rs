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
        mut attempt: impl FnMut() -> F,
    ) -> Result<Result<T, StoreError>, End>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
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
                let attempt = tokio::time::timeout(timeout, attempt());
                async move {
                    match attempt.await {
                        Ok(Ok(done)) => Tried::Done(done),
                        Ok(Err(StoreError::Unavailable { reason })) => Tried::Again(reason),
                        Ok(Err(error)) => Tried::Failed(error),
                        Err(_) => Tried::Again(format!("no answer within {timeout:?}")),
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
