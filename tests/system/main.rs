//! The whole system, as a user meets it: the real binary in a process of its own, over real sockets, killed for real.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails panics, and says before what it saw"
)]

mod arena;
mod audit;
mod auditing;
mod auditor;
mod bad_days;
mod battle;
mod cluster;
mod crash;
mod dev;
mod disk;
mod erasing;
mod exporting;
mod log_clients;
mod log_crash;
mod online;
mod players;
mod projections;
mod proof;
mod pusher;
#[path = "../clients-of-the-log/replay.rs"]
mod replay;
mod rolling;
mod server;
mod shared_stores;
mod watching;
mod web;
