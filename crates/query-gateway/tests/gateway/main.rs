//! What a caller of the query service gets, through the generated client and from real stores.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite of assertions")]

mod battles;
mod boards;
mod freshness;
mod house;
mod participants;
mod questions;
mod rebuild;
mod replica;
mod stores;
mod watch;
