//! A bus, and how often it was used; what nodes say to each other can be cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::body::Bytes;
use nimaora_change_bus::{BusError, ChangeBatch, ChangeBus, Changes, Lane, MemoryBus, Relay, Relayed};
use nimaora_domain::BattleId;

/// Counts who follows. Clones share it.
#[derive(Clone)]
pub struct CountingBus {
    bus: Arc<dyn ChangeBus>,
    relay: Arc<dyn Relay>,
    follows: Arc<AtomicUsize>,
    is_mute: Arc<AtomicBool>,
    is_down: Arc<AtomicBool>,
}

impl Default for CountingBus {
    fn default() -> Self {
        Self::over(MemoryBus::default())
    }
}

impl CountingBus {
    pub fn over(bus: impl ChangeBus + Relay + Clone) -> Self {
        Self::sharing(Arc::new(bus.clone()), Arc::new(bus))
    }

    fn sharing(bus: Arc<dyn ChangeBus>, relay: Arc<dyn Relay>) -> Self {
        let (follows, is_mute, is_down) = (Arc::default(), Arc::default(), Arc::default());
        Self { bus, relay, follows, is_mute, is_down }
    }

    /// The same bus for another node, which can be cut off alone.
    pub fn of_another_node(&self) -> Self {
        Self::sharing(Arc::clone(&self.bus), Arc::clone(&self.relay))
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
        self.relay.send(message).await
    }

    fn connection(&self) -> u64 {
        self.relay.connection()
    }

    async fn confirm(&self, connection: u64) -> Result<(), BusError> {
        self.relay.confirm(connection).await
    }

    async fn flush(&self) -> Result<(), BusError> {
        self.relay.flush().await
    }

    async fn listen(&self) -> Result<Box<dyn Relayed>, BusError> {
        self.relay.listen().await
    }
}

#[async_trait]
impl ChangeBus for CountingBus {
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        self.bus.publish(batches).await
    }

    async fn follow(&self, battle_id: BattleId, lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        self.follows.fetch_add(1, Ordering::Relaxed);
        self.bus.follow(battle_id, lanes).await
    }
}
