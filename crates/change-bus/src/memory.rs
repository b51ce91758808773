//! The bus within one process: one bounded broadcast channel for each battle that somebody follows.

use std::sync::Arc;

use ahash::AHashMap;
use async_trait::async_trait;
use bytes::Bytes;
use nimaora_domain::BattleId;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::bus::{BusError, BusMessage, ChangeBus, Changes};
use crate::change::ChangeBatch;
use crate::lane::Lane;
use crate::relay::{Relay, RelayMessage, Relayed};

/// Batches that wait for a slow follower. When more come, it is told that it lagged.
const QUEUE_BATCHES_MAX: usize = 1_024;

type Channels = AHashMap<BattleId, broadcast::Sender<Arc<ChangeBatch>>>;

/// Messages of the relay that wait for a slow listener. When more come, it is told that it lagged.
const RELAY_MESSAGES_MAX: usize = 8_192;

/// The bus within one process. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBus {
    channels: Arc<Mutex<Channels>>,
    relay: broadcast::Sender<Bytes>,
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self { channels: Arc::default(), relay: broadcast::Sender::new(RELAY_MESSAGES_MAX) }
    }
}

#[async_trait]
impl ChangeBus for MemoryBus {
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        let mut channels = self.channels.lock();
        for batch in batches {
            let battle_id = batch.battle_id;
            let Some(channel) = channels.get(&battle_id) else { continue };
            // Sending fails only when the last follower is gone; then the channel has no use any more.
            if channel.send(Arc::new(batch)).is_err() {
                channels.remove(&battle_id);
            }
        }
        Ok(())
    }

    async fn follow(&self, battle_id: BattleId, lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        let mut channels = self.channels.lock();
        let channel = channels.entry(battle_id).or_insert_with(|| broadcast::Sender::new(QUEUE_BATCHES_MAX));
        Ok(Box::new(Follower {
            battle_id,
            lanes: lanes.to_vec(),
            queue: Some(channel.subscribe()),
            channels: Arc::clone(&self.channels),
        }))
    }
}

struct Follower {
    battle_id: BattleId,
    lanes: Vec<Lane>,
    /// Always there until the follower is dropped.
    queue: Option<broadcast::Receiver<Arc<ChangeBatch>>>,
    channels: Arc<Mutex<Channels>>,
}

#[async_trait]
impl Changes for Follower {
    async fn next(&mut self) -> Result<BusMessage, BusError> {
        let closed = || BusError::Unavailable { reason: "the bus has stopped".to_owned() };
        let queue = self.queue.as_mut().ok_or_else(closed)?;
        loop {
            match queue.recv().await {
                Ok(batch) if self.lanes.contains(&batch.lane) => return Ok(BusMessage::Changes(batch)),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(missed)) => return Ok(BusMessage::Lagged { missed }),
                Err(broadcast::error::RecvError::Closed) => return Err(closed()),
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut channels = self.channels.lock();
        self.queue = None;
        if channels.get(&self.battle_id).is_some_and(|channel| channel.receiver_count() == 0) {
            channels.remove(&self.battle_id);
        }
    }
}

#[async_trait]
impl Relay for MemoryBus {
    async fn send(&self, message: Bytes) -> Result<(), BusError> {
        // Without listeners there is nobody to tell.
        let _ = self.relay.send(message);
        Ok(())
    }

    /// There is only one.
    fn connection(&self) -> u64 {
        0
    }

    async fn confirm(&self, _connection: u64) -> Result<(), BusError> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn listen(&self) -> Result<Box<dyn Relayed>, BusError> {
        Ok(Box::new(Listener { queue: self.relay.subscribe() }))
    }
}

struct Listener {
    queue: broadcast::Receiver<Bytes>,
}

#[async_trait]
impl Relayed for Listener {
    async fn next(&mut self) -> Result<RelayMessage, BusError> {
        match self.queue.recv().await {
            Ok(message) => Ok(RelayMessage::Said(message)),
            Err(broadcast::error::RecvError::Lagged(_)) => Ok(RelayMessage::Lagged),
            Err(broadcast::error::RecvError::Closed) => {
                Err(BusError::Unavailable { reason: "the bus has stopped".to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::change_bus_contract!(MemoryBus::default());
    crate::relay_contract!(MemoryBus::default());

    #[tokio::test]
    async fn forgets_a_battle_that_nobody_follows() {
        let bus = MemoryBus::default();
        let followed = bus.follow(crate::contract::battle(1), &Lane::ALL).await.unwrap();
        assert_eq!(bus.channels.lock().len(), 1);
        drop(followed);
        assert!(bus.channels.lock().is_empty());
    }
}
