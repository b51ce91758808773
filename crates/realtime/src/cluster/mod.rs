//! The nodes of the service as they see each other: what they say through the relay, and who of them lives.
//!
//! All hear all: one subject carries what concerns channels whose sockets may be on any node. Battles' boards, news and alerts do
//! not travel here; each node gets those from the change bus.

mod asking;
mod link;
mod message;
mod outgoing;
mod parts;
mod running;

pub(crate) use self::asking::{ChannelState, Query, Questions, States};
pub(crate) use self::link::{Link, Untold};
pub(crate) use self::message::{About, Event, Here, NodeId, Say, Sockets, Stand, Version, Whole, Word};
pub(crate) use self::parts::{cut, text_bytes};
pub(crate) use self::running::run;
