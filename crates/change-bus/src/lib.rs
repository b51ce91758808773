//! What the projection tells the rest of the house: changes, in lanes, to those who follow a battle.
//!
//! | module | what it holds |
//! |---|---|
//! | [`change`] | [`Change`] and the [`ChangeBatch`] it travels in |
//! | [`lane`] | the [`Lane`]s, by urgency, and what each promises |
//! | [`bus`] | the [`ChangeBus`] port |
//! | [`memory`] | the bus within one process |
//! | [`contract`] | the suite that every adapter passes |
//!
//! Only the projection-service publishes. Delivery is at least once; receivers drop repeats by position.

pub mod bus;
pub mod change;
pub mod contract;
pub mod lane;
pub mod memory;

pub use bus::{BusError, BusMessage, ChangeBus, Changes};
pub use change::{Change, ChangeBatch};
pub use lane::Lane;
pub use memory::MemoryBus;

/// A place in the log; see the event log's own words. 0 is before the first event.
pub type Position = u64;
