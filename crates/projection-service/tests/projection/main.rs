//! The projection on the real log, tables and board.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod equality;
mod following;
mod healing;
mod leading;
mod noted;
mod rebuilding;
mod redis;
mod support;
mod trouble;
