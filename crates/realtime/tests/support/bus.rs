//! The bus in memory, and how often it was used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use nimaora_change_bus::{BusError, ChangeBatch, ChangeBus, Changes, Lane, MemoryBus};
use nimaora_domain::BattleId;

/// Counts who follows. Clones share it.
#[derive(Clone, Default)]
pub struct CountingBus {
    inner: MemoryBus,
    follows: Arc<AtomicUsize>,
}

impl CountingBus {
    pub fn follows(&self) -> usize {
        self.follows.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ChangeBus for CountingBus {
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        self.inner.publish(batches).await
    }

    async fn follow(&self, battle_id: BattleId, lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        self.follows.fetch_add(1, Ordering::Relaxed);
        self.inner.follow(battle_id, lanes).await
    }
}
