//! The event log: the only source of truth, and the envelope that every event travels in.
//!
//! | module | what it holds |
//! |---|---|
//! | [`log`] | the [`EventLog`] port: what every implementation promises |
//! | [`types`] | what is appended, read and subscribed to |
//! | [`error`] | [`AppendError`], [`ReadError`], [`OpenError`]: each says whether to try again |
//! | [`envelope`] | a battle's event as log bytes and back: metadata, hash chain |
//! | [`embedded`] | the local file store: group commit, one fsync before any answer |
//! | [`jetstream`] | the log in NATS JetStream: one message for each append, fenced by the subject's last sequence |
//! | [`kurrentdb`] | the log in KurrentDB, through the official client: fenced by the expected revision |
//! | [`names`] | the keys that participants' names are sealed under, beside the log and never in it |
//! | `pause` | how long is waited between two tries |
//! | [`metrics`] | what is counted and measured, and [`metrics::describe`] |
//! | [`contract`] | the suite that every implementation passes |
//!
//! Nothing here knows the rules of a battle, and nothing here decides what to append.

pub mod contract;
pub mod embedded;
pub mod envelope;
pub mod error;
pub mod jetstream;
pub mod kurrentdb;
mod limits;
pub mod log;
pub mod metrics;
pub mod names;
mod pause;
pub mod types;

pub use envelope::{ChainError, ChainHead, Envelope};
pub use error::{AppendError, OpenError, ReadError};
pub use log::{EventLog, Subscription, SubscriptionMessage};
pub use names::{BattleKeys, Names, NamesError};
pub use types::{
    Append, Appended, Direction, Expected, Filter, LogStatus, NewEvent, Position, RecordedEvent, Revision,
};
