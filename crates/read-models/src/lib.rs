//! What queries are answered from: the leaderboard and the tables, each a port with its adapters.
//!
//! | module | what it holds |
//! |---|---|
//! | [`leaderboard`] | the [`Leaderboard`] port: ranks by order statistics |
//! | [`tables`] | the [`ReadModels`] port: rows and their checkpoint in one transaction |
//! | [`audit`] | what an auditor reads besides: all rows in the order of the log |
//! | [`rebuild`] | the [`Rebuildable`] port: tables built anew beside those in use |
//! | [`rows`] | what the tables hold |
//! | [`parked`] | [`ParkedPages`]: all events that are parked, page by page |
//! | [`wholeness`] | [`Wholeness`]: whether the tables can be believed that something is not there |
//! | [`error`] | [`StoreError`] |
//! | [`memory`] | the leaderboard in memory |
//! | [`redis`] | the leaderboard in Redis |
//! | [`sqlite`] | the tables in a SQLite file |
//! | [`postgres`] | the tables in PostgreSQL, straight or through PgBouncer |
//! | `relational` | what those two share |
//! | [`replica`] | [`ReplicaFirst`]: queries from a replica of the tables |
//! | [`metrics`] | what is counted and measured, and [`metrics::describe`] |
//! | [`contract`] | the suites that every adapter passes |
//!
//! Only the projection-service writes here. Nothing here reads the log or knows the rules.

pub mod audit;
pub mod contract;
pub mod error;
pub mod leaderboard;
pub mod memory;
pub mod metrics;
pub mod parked;
pub mod postgres;
pub mod rebuild;
pub mod redis;
mod relational;
pub mod replica;
pub mod rows;
pub mod sqlite;
pub mod tables;
pub mod wholeness;

pub use audit::{AnswerView, AuditedTables};
pub use error::StoreError;
pub use leaderboard::{
    Applied, BATCH_CHANGES_MAX, Board, BoardBatch, BoardChange, BoardEntry, BoardLine, Leaderboard,
    WholeBoard,
};
pub use parked::ParkedPages;
pub use rebuild::{Comparison, Difference, HeldTables, NextTables, Rebuildable, TableRows};
pub use replica::ReplicaFirst;
pub use rows::{
    AnswerRow, AnswerVerdict, AttackRow, AttackView, BattleRow, BattleUpdate, BattleView, Discarded,
    NewParticipant, ParkedEvent, ParticipantUpdate, ParticipantView, QuestionRow,
};
pub use tables::{BattlePage, Checkpoints, ReadModels, TableBatch};
pub use wholeness::Wholeness;

/// A place in the log; see the event log's own words. 0 is before the first event.
pub type Position = u64;
