//! Answers queries from the read models over gRPC, and streams boards as they change.
//!
//! | module | what it holds |
//! |---|---|
//! | [`gateway`] | [`QueryGateway`]: the parts put together |
//! | [`config`] | [`Config`]: bounds and delays |
//! | [`error`] | [`QueryError`]: why a question has no answer |
//! | `status` | the one table from an error to a gRPC status |
//! | [`grpc`] | the gRPC calls, one file for each group |
//! | `freshness` | waiting until an answer has reached the position that its caller asked for |
//! | `tables` | the tables, and the replica that answers for them where that does no harm |
//! | `waiting` | places for those that wait, and news of the battles that they wait for |
//! | `boards` | reading boards: the leaderboard first, the tables when it cannot answer, and a small cache |
//! | `watch` | boards that are watched: one reader for each battle, however many watch it |
//! | [`metrics`] | what is counted and measured, and [`metrics::describe`] |
//!
//! Nothing here writes a read model, and nothing here opens the log.

mod boards;
pub mod config;
pub mod error;
mod freshness;
pub mod gateway;
pub mod grpc;
pub mod metrics;
mod status;
mod tables;
mod waiting;
mod watch;

pub use config::Config;
pub use error::QueryError;
pub use gateway::{Deps, QueryGateway};
