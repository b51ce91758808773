//! Asks every task to stop and waits for them: nobody spawns a task that nobody awaits.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a server and the signal that ends them. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A server that has not been asked to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tasks of their own that are asked to stop with these, or alone before.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), tasks: TaskTracker::new() }
    }

    /// Runs a task that [`Shutdown::finish`] waits for. It must end soon after [`Shutdown::requested`] resolves.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// Resolves when the server was asked to stop.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether the server was asked to stop.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// A token that is cancelled when the server is asked to stop, for libraries that want one.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Asks every task to stop.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// Asks every task to stop and waits for them, at most `patience`. Answers whether all of them ended.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.request();
        self.tasks.close();
        tokio::time::timeout(patience, self.tasks.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_the_tasks_it_stops() {
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let task = shutdown.spawn(async move { stop.requested().await });
        assert!(shutdown.finish(Duration::from_secs(10)).await);
        assert!(task.is_finished());
    }

    #[tokio::test]
    async fn some_tasks_can_be_stopped_before_the_others() {
        let shutdown = Shutdown::new();
        let (first, second) = (shutdown.child(), shutdown.child());
        assert!(first.finish(Duration::from_secs(10)).await);
        assert!(first.is_requested() && !second.is_requested() && !shutdown.is_requested());
        shutdown.request();
        assert!(second.is_requested());
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_wait_for_ever() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        assert!(!shutdown.finish(Duration::from_secs(1)).await);
    }
}
