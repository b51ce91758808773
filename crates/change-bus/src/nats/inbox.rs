//! What waits for one follower. Filling it never waits.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::publisher::unavailable;
use crate::bus::{BusError, BusMessage};
use crate::change::ChangeBatch;

/// Batches that wait for a slow follower. When more come, the oldest are dropped, and it is told that it lagged.
const QUEUE_BATCHES_MAX: usize = 1_024;

/// The queue of one follower.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Arc<ChangeBatch>>,
    missed: u64,
    failed: Option<&'static str>,
}

impl Inbox {
    pub(super) fn push(&self, batch: Arc<ChangeBatch>) {
        self.fill(|waiting| {
            if waiting.queue.len() == QUEUE_BATCHES_MAX {
                waiting.queue.pop_front();
                waiting.missed += 1;
            }
            waiting.queue.push_back(batch);
        });
    }

    pub(super) fn miss(&self, batches: u64) {
        self.fill(|waiting| waiting.missed = waiting.missed.saturating_add(batches));
    }

    pub(super) fn fail(&self, reason: &'static str) {
        self.fill(|waiting| waiting.failed = Some(reason));
    }

    fn fill(&self, how: impl FnOnce(&mut Waiting)) {
        how(&mut self.waiting.lock());
        self.filled.notify_one();
    }

    /// What was missed comes first: it was published before all that waits or has yet to come.
    pub(super) async fn next(&self) -> Result<BusMessage, BusError> {
        loop {
            if let Some(message) = self.take() {
                return message;
            }
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Result<BusMessage, BusError>> {
        let mut waiting = self.waiting.lock();
        if waiting.missed > 0 {
            let missed = std::mem::take(&mut waiting.missed);
            return Some(Ok(BusMessage::Lagged { missed }));
        }
        if let Some(batch) = waiting.queue.pop_front() {
            return Some(Ok(BusMessage::Changes(batch)));
        }
        waiting.failed.map(|reason| Err(unavailable(reason)))
    }
}
