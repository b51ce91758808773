//! What callers of the command service get: over its gRPC face, on a real embedded log in a folder of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite of assertions")]

mod bad_days;
mod heartbeats;
mod overload;
mod play;
mod refusals;
mod repeats;
mod restart;
mod support;
mod system_ids;
mod timers;
mod tokens;
