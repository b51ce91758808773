//! The event log, served over the EventStoreDB protocol, so that auditors read history with the clients that they have.
//!
//! | module | what it holds |
//! |---|---|
//! | `server` | [`EventStore`]: the services of one port, and the loop that takes its connections |
//! | `connections` | who is connected, and who gives way when there are too many |
//! | `prompt` | a connection on which what comes is acknowledged at once |
//! | `opening` | how a connection begins, within a deadline |
//! | `access` | who may do what |
//! | `budget` | bytes of events on their way into the log, of all clients together |
//! | `bounds` | what calls may take before it is known who calls, and while they send |
//! | `streams` | the service `Streams`: which call goes where |
//! | `reading` | a stream or the whole log, once |
//! | `following` | the same, for as long as the client listens |
//! | `persistent` | groups of consumers that share events, and whose place the server keeps |
//! | `expressions` | regular expressions of clients, of all together |
//! | `filter` | which events of the whole log a client wants |
//! | `links` | events that stand for others |
//! | `appending`, `batching` | appends, one for a call or many |
//! | `nodes` | appends of nodes of ours whose log this is |
//! | `writing` | what an append to a stream does that was deleted, ended or given metadata |
//! | `deleting` | deleting a stream, and ending it for ever |
//! | `standing` | what became of a stream, and which of its events are shown |
//! | `cluster` | what this server can do, and where it is |
//! | `convert` | from the protocol's messages to ours, and back |
//! | `marks` | what the log has no field for |
//! | [`metrics`] | what is counted, and [`metrics::describe`] |
//! | `refusal` | errors, in the form that clients recognise |
//! | `tls` | [`Tls`]: the port's certificate |
//! | `wire` | the protocol, generated |
//!
//! Battles are decided elsewhere: nothing that comes through this port is ever appended to a battle's stream, but by a node that was
//! given the password for it.

mod access;
mod appending;
mod batching;
mod bounds;
mod budget;
mod cluster;
mod connections;
mod convert;
mod deleting;
mod expressions;
mod filter;
mod following;
mod links;
mod marks;
pub mod metrics;
mod nodes;
mod opening;
mod persistent;
mod prompt;
mod reading;
mod refusal;
mod server;
mod standing;
mod streams;
mod tls;
mod wire;
mod writing;

pub use access::NodePassword;
pub use connections::ConnectionBounds;
pub use prompt::Prompt;
pub use server::{Deps, EventStore};
pub use tls::{Tls, TlsError};
