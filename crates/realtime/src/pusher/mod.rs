//! The Pusher protocol, version 7: what clients say, and what they are told.

pub(crate) mod events;
pub(crate) mod requests;
