//! The whole system, as a user meets it: the real binary in a process of its own, over real sockets, killed for real.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod audit;
mod battle;
mod cluster;
mod crash;
mod disk;
mod log_clients;
mod log_crash;
mod players;
mod projections;
mod pusher;
#[path = "../clients-of-the-log/replay.rs"]
mod replay;
mod rolling;
mod server;
mod watching;
mod web;
