//! The bus within one process: one bounded broadcast channel for each battle that somebody follows.

use std::sync::Arc;

use ahash::AHashMap;
use async_trait::async_trait;
use nimaora_domain::BattleId;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::bus::{BusError, BusMessage, ChangeBus, Changes};
use crate::change::ChangeBatch;
use crate::lane::Lane;

/// Batches that wait for a slow follower. When more come, it is told that it lagged.
const QUEUE_BATCHES_MAX: usize = 1_024;

type Channels = AHashMap<BattleId, broadcast::Sender<Arc<ChangeBatch>>>;

/// The bus within one process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryBus {
    channels: Arc<Mutex<Channels>>,
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

#[cfg(test)]
mod tests {
    use super::*;

    crate::change_bus_contract!(MemoryBus::default());

    #[tokio::test]
    async fn forgets_a_battle_that_nobody_follows() {
        let bus = MemoryBus::default();
        let followed = bus.follow(crate::contract::battle(1), &Lane::ALL).await.unwrap();
        assert_eq!(bus.channels.lock().len(), 1);
        drop(followed);
        assert!(bus.channels.lock().is_empty());
    }
}
