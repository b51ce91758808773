//! Publishes what was written, in order, while the next batch is being written.

use std::sync::Arc;
use std::time::Duration;

use nimaora_change_bus::{BusError, ChangeBatch, ChangeBus};
use nimaora_read_models::Position;
use nimaora_runtime::Shutdown;
use tokio::sync::{mpsc, watch};

use crate::metrics;
use crate::retry::{Backoff, Stopping, Tried, until_done};
use crate::status::Status;

/// What was written and is not published yet.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) changes: Vec<ChangeBatch>,
    /// The place in the log that is published once these are.
    pub(crate) position: Position,
}

/// The publishing task.
pub(crate) struct Publisher {
    pub(crate) bus: Arc<dyn ChangeBus>,
    pub(crate) queue: mpsc::Receiver<Written>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) shutdown: Shutdown,
}

impl Publisher {
    /// Publishes until the writer is gone and the queue is empty, or the bus fails while the server stops.
    pub(crate) async fn run(mut self) {
        while let Some(written) = self.queue.recv().await {
            if self.publish(&written.changes).await.is_err() {
                return;
            }
            self.status.send_modify(|status| status.published = written.position);
        }
    }

    async fn publish(&mut self, batches: &[ChangeBatch]) -> Result<(), Stopping> {
        if batches.is_empty() {
            return Ok(());
        }
        let (bus, timeout) = (&self.bus, self.timeout);
        let attempt = || async move {
            match tokio::time::timeout(timeout, bus.publish(batches.to_vec())).await {
                Ok(Ok(())) => Tried::Done(()),
                Ok(Err(BusError::Unavailable { reason })) => Tried::Again(reason),
                Err(_) => Tried::Again(format!("no answer within {timeout:?}")),
            }
        };
        let published: Result<(), std::convert::Infallible> =
            until_done("bus", &mut self.backoff, &self.shutdown, |_| {}, attempt).await?;
        let Ok(()) = published;
        metrics::published(batches.iter().map(|batch| batch.changes.len()).sum());
        Ok(())
    }
}
