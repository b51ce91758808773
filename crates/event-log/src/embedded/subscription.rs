//! Following the log: each call reads on from where the last one stopped.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::blocking;
use super::reader::{self, From, Page, Shared, Spot};
use crate::error::ReadError;
use crate::log::{SUBSCRIPTION_BATCH_EVENTS_MAX, Subscription, SubscriptionMessage};
use crate::types::{Filter, Position};

/// A checkpoint is sent after so many events that the filter did not let through.
const CHECKPOINT_EVENTS: u64 = 4_096;

/// A running subscription. It holds a place in the log and no events.
pub(super) struct EmbeddedSubscription {
    shared: Arc<Shared>,
    head: watch::Receiver<Position>,
    filter: Arc<Filter>,
    spot: Spot,
    foreign: u64,
    live: bool,
}

impl EmbeddedSubscription {
    /// Follows the log from behind `after`, which is not behind its head.
    pub(super) fn new(shared: Arc<Shared>, after: Position, filter: Filter) -> Self {
        let position = after + 1;
        let (address, _) = shared.index.read().seek(position);
        let head = shared.head.clone();
        let filter = Arc::new(filter);
        Self { shared, head, filter, spot: Spot { address, position }, foreign: 0, live: false }
    }

    /// The next page, from memory if it is there.
    async fn page(&mut self) -> Result<Page, ReadError> {
        let limit = SUBSCRIPTION_BATCH_EVENTS_MAX;
        let spot = self.spot;
        if let Some(page) = reader::forwards(&self.shared, spot, limit, &self.filter, From::Memory)? {
            return Ok(page);
        }
        let (shared, filter) = (Arc::clone(&self.shared), Arc::clone(&self.filter));
        let page = blocking(move || reader::forwards(&shared, spot, limit, &filter, From::Disk)).await?;
        // Who reads from disk has fallen behind, and is told when that is over.
        self.live = false;
        Ok(page)
    }
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn next(&mut self) -> Result<SubscriptionMessage, ReadError> {
        loop {
            let head = *self.head.borrow_and_update();
            if self.spot.position > head {
                if !self.live {
                    self.live = true;
                    self.foreign = 0;
                    return Ok(SubscriptionMessage::CaughtUp(self.spot.position - 1));
                }
                let closed = |_| ReadError::Unavailable { reason: "the log was closed".into() };
                self.head.changed().await.map_err(closed)?;
                continue;
            }
            let page = self.page().await?;
            self.spot = page.next;
            if !page.events.is_empty() {
                self.foreign = 0;
                return Ok(SubscriptionMessage::Events(page.events));
            }
            self.foreign += page.looked_at;
            if self.foreign >= CHECKPOINT_EVENTS {
                self.foreign = 0;
                return Ok(SubscriptionMessage::Checkpoint(self.spot.position - 1));
            }
        }
    }
}
