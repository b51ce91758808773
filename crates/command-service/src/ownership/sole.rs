//! The adapter for a node that is alone: it owns everything.

use async_trait::async_trait;
use nimaora_domain::BattleId;
use tokio::sync::broadcast;

use super::{Owner, Ownership, OwnershipError};

/// This node owns every battle.
#[derive(Debug)]
pub struct SoleOwner {
    /// Nothing is ever sent; it keeps the receivers waiting.
    taken: broadcast::Sender<BattleId>,
}

impl Default for SoleOwner {
    fn default() -> Self {
        Self { taken: broadcast::Sender::new(1) }
    }
}

#[async_trait]
impl Ownership for SoleOwner {
    fn known(&self, _: BattleId) -> Option<Owner> {
        Some(Owner::Me)
    }

    async fn owner(&self, _: BattleId) -> Result<Owner, OwnershipError> {
        Ok(Owner::Me)
    }

    fn release(&self, _: BattleId) {}

    fn stop_claiming(&self) {}

    async fn leave(&self) {}

    fn taken(&self) -> broadcast::Receiver<BattleId> {
        self.taken.subscribe()
    }

    fn is_shared(&self) -> bool {
        false
    }
}
