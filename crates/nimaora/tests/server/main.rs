//! One server in this process, and everything its one port speaks.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod host;
mod http1;
mod kurrentdb;
mod loss;
mod port;
mod replica;
mod restart;
mod slow_body;
mod stopping;
mod unread;
