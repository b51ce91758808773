//! From the log to the leaderboard, the tables and the change bus: the only writer of a read model.
//!
//! | module | what it holds |
//! |---|---|
//! | [`projection`] | [`Projection::start`]: four tasks and the queues between them |
//! | [`config`] | [`Config`] and the fixed limits |
//! | [`status`] | [`Handle`]: how far it is, how far behind, what it had to park |
//! | [`leadership`] | which of several projections is at work |
//! | `source` | follows the log and decodes its events |
//! | `inbox` | gathers what has arrived into batches |
//! | `fold` | what a run of events does to boards, tables and followers |
//! | `names` | who is called what, for alerts |
//! | `applying` | takes batches, and hands on what followers are told |
//! | `writing` | writes what was folded to the tables, parks what cannot be projected |
//! | `backlog` | what is on its way to the boards, bounded |
//! | `boards` | writes boards, and holds up nothing when the leaderboard cannot be used |
//! | `healing` | makes boards that the leaderboard has lost anew from the log |
//! | `reading` | reads the log for a rebuild, ahead of its writer |
//! | [`rebuild`] | builds the tables anew beside those in use, and exchanges them |
//! | [`parity`] | boards compared with tables that were built anew |
//! | `noted` | lets boards go when whoever exchanged tables could not compare them |
//! | `sweep` | finds those that were lost while nothing happened in their battles |
//! | `publisher` | publishes what was written |
//! | `stores` | the stores behind their deadlines |
//! | `retry` | trying again for as long as a store or the bus cannot be used |
//! | [`metrics`] | what is counted and measured, and [`metrics::describe`] |
//!
//! While one batch is written the next one gathers: a busy log is projected in large batches, an idle one at once. Nothing is
//! published before it can be read. Nothing here appends to the log or knows a rule of the game.

mod applying;
mod backlog;
mod boards;
pub mod config;
mod fold;
mod healing;
mod inbox;
pub mod leadership;
pub mod metrics;
mod names;
mod noted;
pub mod parity;
pub mod projection;
mod publisher;
mod reading;
pub mod rebuild;
mod retry;
mod source;
pub mod status;
mod stores;
mod sweep;
mod writing;

pub use config::Config;
pub use projection::{Deps, Projection};
pub use status::{Handle, Lag, Status, Stopped};
