//! What the projection tells the rest of the house: changes, in lanes, to those who follow a battle.
//!
//! | module | what it holds |
//! |---|---|
//! | [`change`] | [`Change`] and the [`ChangeBatch`] it travels in |
//! | [`lane`] | the [`Lane`]s, by urgency, and what each promises |
//! | [`bus`] | the [`ChangeBus`] port |
//! | [`memory`] | the bus within one process |
//! | [`nats`] | the bus between processes, on NATS |
//! | [`metrics`] | what the bus counts |
//! | [`contract`] | the suite that every adapter passes |
//!
//! Only the projection-service publishes. Delivery is at least once; receivers drop repeats by position.

pub mod bus;
pub mod change;
pub mod contract;
pub mod lane;
pub mod memory;
pub mod metrics;
pub mod nats;

pub use bus::{BusError, BusMessage, ChangeBus, Changes};
pub use change::{Change, ChangeBatch};
pub use lane::Lane;
pub use memory::MemoryBus;
pub use nats::{NatsBus, NatsBusConfig, NatsBusError};

/// A place in the log; see the event log's own words. 0 is before the first event.
pub type Position = u64;
