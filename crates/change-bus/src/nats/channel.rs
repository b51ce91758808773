//! One lane of a battle on this node: one subscription, shared by all its followers, that knows which number is next.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::inbox::Inbox;
use super::wire::Received;
use crate::metrics::Loss;

/// The last batch of a lane that is known here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) publisher: Uuid,
    pub(super) number: u64,
}

/// Whether what is published now will arrive here, or be missed noticeably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// Not known yet.
    Pending,
    /// It will.
    Yes,
    /// The subscription failed.
    Failed(&'static str),
}

/// One lane of a battle.
pub(super) struct Channel {
    pub(super) ready: watch::Sender<Ready>,
    /// None until it is ready.
    tail: Mutex<Option<Tail>>,
    inboxes: Mutex<Vec<Arc<Inbox>>>,
    /// The task that reads the subscription. Its end ends the subscription.
    pub(super) reader: OnceLock<AbortHandle>,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            ready: watch::Sender::new(Ready::Pending),
            tail: Mutex::default(),
            inboxes: Mutex::default(),
            reader: OnceLock::new(),
        }
    }
}

impl Channel {
    pub(super) fn join(&self, inbox: Arc<Inbox>) {
        self.inboxes.lock().push(inbox);
    }

    /// Whether nobody is left.
    pub(super) fn leave(&self, inbox: &Arc<Inbox>) -> bool {
        let mut inboxes = self.inboxes.lock();
        inboxes.retain(|one| !Arc::ptr_eq(one, inbox));
        inboxes.is_empty()
    }

    /// What comes after `tail` is not to be missed.
    pub(super) fn begin(&self, tail: Tail) {
        *self.tail.lock() = Some(tail);
        self.ready.send_replace(Ready::Yes);
    }

    pub(super) fn fail(&self, reason: &'static str) {
        self.ready.send_replace(Ready::Failed(reason));
        for inbox in &*self.inboxes.lock() {
            inbox.fail(reason);
        }
    }

    /// Hands a batch to the followers; tells them first what is missing before it. A repeat is handed on.
    pub(super) fn receive(&self, received: Received) {
        let Received { publisher, number, batch } = received;
        self.expect(publisher, number, number.saturating_sub(1));
        let batch = Arc::new(batch);
        for inbox in &*self.inboxes.lock() {
            inbox.push(Arc::clone(&batch));
        }
    }

    /// A beat says that `number` was published, and it had time to arrive.
    pub(super) fn check(&self, publisher: Uuid, number: u64) {
        self.expect(publisher, number, number);
    }

    /// All up to `arrived` should be here by now; goes on from `number`.
    fn expect(&self, publisher: Uuid, number: u64, arrived: u64) {
        let (loss, missing) = {
            let mut tail = self.tail.lock();
            let Some(known) = tail.as_mut() else { return };
            if known.publisher == publisher {
                let missing = arrived.saturating_sub(known.number);
                known.number = known.number.max(number);
                (Loss::Gap, missing)
            } else {
                // What this one sent before may be lost, unless this is its first. What the other one sent last is told by its beats, by its
                // silence, or by the first beat of this one.
                *known = Tail { publisher, number };
                (Loss::Publisher, arrived.min(1))
            }
        };
        if missing > 0 {
            self.miss(loss, missing);
        }
    }

    /// Tells all followers that they have missed something, once they count on not missing it.
    pub(super) fn miss(&self, loss: Loss, batches: u64) {
        if *self.ready.borrow() != Ready::Yes {
            return;
        }
        let inboxes = self.inboxes.lock();
        crate::metrics::lost(loss, inboxes.len());
        for inbox in &*inboxes {
            inbox.miss(batches);
        }
    }
}
