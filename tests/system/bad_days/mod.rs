//! Bad days of a whole cluster: what its stores, its bus and its machines may do to it while a battle is played.
//!
//! | module | what it holds |
//! |---|---|
//! | `house` | a cluster whose servers and processes the test holds in its hands |
//! | `attacks` | a player who attacks on and on, and takes each answer at its word |
//! | `stores` | Redis, PostgreSQL and PgBouncer: stopped, restarted, slow, empty, full |
//! | `bus` | NATS: each server killed, all of it cut off for ten seconds |
//! | `disks` | the disks of NATS servers: of one, of all |
//! | `owners` | two nodes that both believe they own a battle, a clock that jumps, a disk that is full |
//!
//! In each, a command is accepted, or refused with `UNAVAILABLE` and a delay after which to try again; an answer is never wrong; nothing is mended by hand;
//! and at the end the log is unbroken and tables and boards say what it says.

mod attacks;
mod bus;
mod disks;
mod house;
mod owners;
mod stores;
