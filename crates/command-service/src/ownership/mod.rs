//! Which node writes a battle: the port, and its adapters.
//!
//! | module | what it holds |
//! |---|---|
//! | [`sole`] | [`SoleOwner`]: this node is the only one |
//! | [`nats`] | [`NatsOwnership`]: leases in a NATS key-value bucket |
//!
//! An owner is a matter of speed and not of truth. Two nodes that both believe to own a battle harm nobody: the log takes the
//! append of one of them, since every append names the revision that it expects.

pub mod nats;
pub mod sole;

use std::sync::Arc;

use async_trait::async_trait;
use nimaora_domain::BattleId;
use tokio::sync::broadcast;

pub use nats::{NatsOwnership, NatsOwnershipConfig};
pub use sole::SoleOwner;

/// How many battles that others took may wait to be seen to. When it is reached, all live battles are looked through instead.
pub(crate) const TAKEN_MAX: usize = 4_096;

/// Who writes a battle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This node.
    Me,
    /// Another node.
    Other(Peer),
}

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub node: Arc<str>,
    /// Where its gRPC server listens: `http://10.0.0.7:7400`.
    pub url: Arc<str>,
}

/// Why nobody can be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnershipError {
    /// The leases cannot be reached. It passes.
    #[error("the leases cannot be reached: {reason}")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
    /// This node claims nothing any more, and there is no other node.
    #[error("this node is stopping, and there is no other one")]
    Leaving,
}

/// Who writes which battle.
///
/// - **Local**: [`known`](Ownership::known) never waits and never asks the network.
/// - **Claimed**: a battle that nobody alive owns belongs to the node that asks for its owner first; of several that ask at the
///   same time, one gets it.
/// - **Released**: what a node releases can be claimed by another at once.
/// - **Expiring**: what a node owned that died can be claimed by another after a bounded time.
#[async_trait]
pub trait Ownership: Send + Sync + 'static {
    /// The owner, as far as this node knows; `None` where nobody alive is known to be.
    fn known(&self, battle_id: BattleId) -> Option<Owner>;

    /// The owner. This node claims the battle if nobody alive owns it, unless it is leaving.
    async fn owner(&self, battle_id: BattleId) -> Result<Owner, OwnershipError>;

    /// Gives a battle up, so that others may claim it. Does not wait for them to learn of it.
    fn release(&self, battle_id: BattleId);

    /// From now on this node claims nothing, and tells the others so.
    fn stop_claiming(&self);

    /// Gives up everything, and waits until the others can know, or for a bounded time.
    async fn leave(&self);

    /// Battles that another node has taken.
    fn taken(&self) -> broadcast::Receiver<BattleId>;

    /// Whether other nodes can own anything.
    fn is_shared(&self) -> bool;
}
