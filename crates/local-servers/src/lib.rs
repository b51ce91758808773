//! Real servers on this machine: PostgreSQL, PgBouncer, Redis and NATS, each with a folder of its own, on free ports of the
//! loopback address, stopped by process id. For contract tests, system tests and `nimaora dev cluster`; nothing here is fit for
//! keeping data that matters.
//!
//! | module | what it holds |
//! |---|---|
//! | [`redis`] | [`Redis`], and [`RedisCluster`] of three masters |
//! | [`sentinels`] | [`RedisSentinels`]: a master, a replica, and who watches them |
//! | [`postgres`] | [`Postgres`], and a standby that follows one |
//! | [`pgbouncer`] | [`PgBouncer`] in transaction mode |
//! | [`nats`] | [`Nats`] with JetStream, alone or three in a [`NatsCluster`] |
//! | [`certificates`] | [`Certificates`] for servers that speak TLS |
//! | [`programs`] | where a server's program is, and how to install one that is missing |
//! | [`port`] | free ports that nobody else on this machine is given meanwhile |
//! | [`process`] | a server's process: started, killed, started again |
//! | [`wire`] | a wire between two servers, to be cut while both live |
//! | [`error`] | [`LocalServerError`] |
//!
//! A server ends when its value is dropped, and when this process ends, however it ends.

pub mod certificates;
pub mod error;
pub mod nats;
pub mod pgbouncer;
pub mod port;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod redis;
pub mod sentinels;
pub mod wire;

pub use certificates::Certificates;
pub use error::LocalServerError;
pub use nats::{Nats, NatsCluster, NatsOptions};
pub use pgbouncer::PgBouncer;
pub use port::Port;
pub use postgres::Postgres;
pub use process::Process;
pub use programs::Program;
pub use redis::{Redis, RedisCluster};
pub use sentinels::{RedisSentinels, Sentinel, SentinelOptions};
pub use wire::Wire;

use std::path::Path;

/// A folder that goes away with its value, and that servers under another user can reach.
///
/// # Errors
/// The file system refused.
pub fn scratch() -> Result<tempfile::TempDir, LocalServerError> {
    let dir = tempfile::tempdir()
        .map_err(|source| LocalServerError::io("make a folder in", Path::new("/tmp"), source))?;
    process::let_through(dir.path())?;
    Ok(dir)
}
