//! What the projection tells the rest of the house: changes, in lanes, to those who follow a battle.
//!
//! | module | what it holds |
//! |---|---|
//! | [`change`] | [`Change`] and the [`ChangeBatch`] it travels in |
//! | [`lane`] | the [`Lane`]s, by urgency, and what each promises |
//! | [`bus`] | the [`ChangeBus`] port |
//! | [`relay`] | the [`Relay`] port: what the nodes of the realtime service tell each other |
//! | [`memory`] | the bus within one process |
//! | [`nats`] | the bus between processes, on NATS |
//! | [`metrics`] | what the bus counts |
//! | [`contract`], [`mod@relay_contract`] | the suites that every adapter passes |
//!
//! Only the projection-service publishes changes; only realtime nodes use the relay. Delivery is at least once; receivers drop repeats by position.

pub mod bus;
pub mod change;
pub mod contract;
pub mod lane;
pub mod memory;
pub mod metrics;
pub mod nats;
pub mod relay;
pub mod relay_contract;

pub use bus::{BusError, BusMessage, ChangeBus, Changes};
pub use change::{Change, ChangeBatch};
pub use lane::Lane;
pub use memory::MemoryBus;
pub use nats::{NatsBus, NatsBusConfig, NatsBusError};
pub use relay::{RELAY_BYTES_MAX, Relay, RelayMessage, Relayed};

/// A place in the log; see the event log's own words. 0 is before the first event.
pub type Position = u64;
