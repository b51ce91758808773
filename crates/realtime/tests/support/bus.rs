//! The bus in memory, and how often it was used; what nodes say to each other can be cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::body::Bytes;
use nimaora_change_bus::{BusError, ChangeBatch, ChangeBus, Changes, Lane, MemoryBus, Relay, Relayed};
use nimaora_domain::BattleId;

/// Counts who follows. Clones share it.
#[derive(Clone, Default)]
pub struct CountingBus {
    inner: MemoryBus,
    follows: Arc<AtomicUsize>,
    is_mute: Arc<AtomicBool>,
    is_down: Arc<AtomicBool>,
}

impl CountingBus {
    /// The same bus for another node, which can be cut off alone.
    pub fn of_another_node(&self) -> Self {
        Self { inner: self.inner.clone(), ..Self::default() }
    }

    /// From now on the other nodes hear nothing of this one, as if it had been killed.
    pub fn mute(&self) {
        self.is_mute.store(true, Ordering::Relaxed);
    }

    /// Whether this node can tell the others anything.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    pub fn follows(&self) -> usize {
        self.follows.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Relay for CountingBus {
    async fn send(&self, message: Bytes) -> Result<(), BusError> {
        if self.is_mute.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.is_down.load(Ordering::Relaxed) {
            return Err(BusError::Unavailable { reason: "the test says so".to_owned() });
        }
        self.inner.send(message).await
    }

    async fn flush(&self) -> Result<(), BusError> {
        self.inner.flush().await
    }

    async fn listen(&self) -> Result<Box<dyn Relayed>, BusError> {
        self.inner.listen().await
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
