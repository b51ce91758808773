//! The port: how changes reach those who follow a battle.

use std::sync::Arc;

use async_trait::async_trait;
use nimaora_domain::BattleId;

use crate::change::ChangeBatch;
use crate::lane::Lane;

/// Why the bus did not take a message or follow a battle.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    /// The bus cannot be used now; try again after a while.
    #[error("the change bus cannot be used now: {reason}; try again")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
}

/// What a follower gets.
#[derive(Debug, Clone)]
pub enum BusMessage {
    /// Changes, in the order in which they were published.
    Changes(Arc<ChangeBatch>),
    /// The follower was too slow and has lost `missed` batches; it must read what it needs from the read models.
    Lagged {
        /// How many batches.
        missed: u64,
    },
}

/// The bus.
///
/// - Within a battle and a lane, a follower gets batches in the order of publication.
/// - What is published after [`ChangeBus::follow`] answered reaches the follower, or it is told that it lagged.
/// - Publishing never waits for a slow follower: each has a bounded queue.
#[async_trait]
pub trait ChangeBus: Send + Sync + 'static {
    /// Hands batches to their followers. Batches that nobody follows are dropped.
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError>;

    /// Follows a battle in some lanes.
    async fn follow(&self, battle_id: BattleId, lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError>;
}

/// The changes of a battle that somebody follows. Dropping it ends it.
#[async_trait]
pub trait Changes: Send {
    /// Waits for the next message. Cancel safe. After an error, follow again.
    async fn next(&mut self) -> Result<BusMessage, BusError>;
}
