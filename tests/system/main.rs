//! The whole system, as a user meets it: the real binary in a process of its own, over real sockets, killed for real.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod audit;
mod auditing;
mod battle;
mod cluster;
mod crash;
mod disk;
mod erasing;
mod exporting;
mod players;
mod projections;
mod pusher;
mod rolling;
mod server;
mod shared_stores;
mod watching;
mod web;
