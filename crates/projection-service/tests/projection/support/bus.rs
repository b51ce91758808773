//! A bus that remembers what was published, and can be out of order.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use nimaora_change_bus::{BusError, Change, ChangeBatch, ChangeBus, Changes, Lane};
use nimaora_domain::BattleId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A bus that remembers what was published.
#[derive(Default)]
pub struct RecordingBus {
    published: Mutex<Vec<ChangeBatch>>,
    broken: AtomicBool,
    refused: Notify,
}

impl RecordingBus {
    /// A bus that takes nothing.
    pub fn broken() -> Self {
        Self { broken: AtomicBool::new(true), ..Self::default() }
    }

    /// The bus takes everything again.
    pub fn heal(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }

    /// Waits until something was refused.
    pub async fn refused(&self) {
        self.refused.notified().await;
    }

    /// All batches, in order.
    pub fn batches(&self) -> Vec<ChangeBatch> {
        self.published.lock().clone()
    }

    /// All changes in a lane, in order.
    pub fn in_lane(&self, lane: Lane) -> Vec<Change> {
        let batches = self.batches();
        batches.into_iter().filter(|batch| batch.lane == lane).flat_map(|batch| batch.changes).collect()
    }

    /// The positions of all attacks that were told of, in order.
    pub fn attacks(&self) -> Vec<u64> {
        let attack = |change| match change {
            Change::AttackReceived { position, .. } => Some(position),
            _ => None,
        };
        self.in_lane(Lane::Attacks).into_iter().filter_map(attack).collect()
    }
}

fn out_of_order() -> BusError {
    BusError::Unavailable { reason: "out of order".to_owned() }
}

#[async_trait]
impl ChangeBus for RecordingBus {
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        if self.broken.load(Ordering::SeqCst) {
            self.refused.notify_one();
            return Err(out_of_order());
        }
        self.published.lock().extend(batches);
        Ok(())
    }

    async fn follow(&self, _: BattleId, _: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        Err(out_of_order())
    }
}
