//! Takes the commands of players and admins, decides them by the rules, and answers when their events are durable.
//!
//! | module | what it holds |
//! |---|---|
//! | [`service`] | [`CommandService`]: the parts put together, and the way of a command through them |
//! | [`config`] | [`Config`]: bounds and delays |
//! | [`error`] | [`CommandError`]: why a command was not carried out |
//! | `status` | the one table from an error to a gRPC status |
//! | [`grpc`] | the gRPC calls, one file for each group |
//! | [`ownership`] | which node writes a battle |
//! | `forward` | sending a request on to that node |
//! | `writer` | one task for each live battle, the only one that appends to its stream |
//! | `history` | reading a battle's stream |
//! | `snapshot` | a cache beside the log, so that no battle is too long to be read again |
//! | `directory`, `timers` | scheduled starts and ends, as the log says |
//! | `checked_file` | how files of such caches are written and read |
//! | `kept` | what the timers know of the log, kept in a file so that a start need not read all of it |
//! | `heartbeats` | signs of life |
//! | `lapses` | participants that fell silent |
//! | `backoff` | how long to wait before something that failed is tried again |
//! | `presence` | asking when somebody was last heard of, with a deadline |
//! | [`metrics`] | what is counted and measured, and [`metrics::describe`] |
//!
//! Nothing but this crate appends to the log. It never opens a read model and never publishes a change.

mod backoff;
mod checked_file;
pub mod config;
mod directory;
pub mod error;
mod forward;
pub mod grpc;
mod heartbeats;
mod history;
mod ids;
mod kept;
mod lapses;
pub mod metrics;
pub mod ownership;
mod presence;
pub mod service;
mod snapshot;
mod status;
mod timers;
mod writer;

pub use config::Config;
pub use error::CommandError;
pub use ownership::{NatsOwnership, NatsOwnershipConfig, Owner, Ownership, SoleOwner};
pub use service::{CommandService, Deps};
