//! What the measurements share: a server in a process of its own, and players to call it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`process`] | [`Child`]: the program under measurement, started on a free port and ended with the value |
//! | [`cluster`] | [`cluster::Cluster`]: a `nimaora dev cluster`, whose nodes may be killed |
//! | [`history`] | [`History`]: a battle that is written straight to a log |
//! | [`sockets`] | [`sockets::Socket`]: a WebSocket's other end, in as few instructions as it takes |
//! | [`players`] | [`Battle`]: a running battle whose players never run out of arrows or points |
//!
//! These are measurements for people and for docs/PERFORMANCE.md; nothing here is part of the product.

pub mod cluster;
pub mod history;
pub mod players;
pub mod process;
pub mod sockets;

pub use history::History;
pub use players::{Battle, Player};
pub use process::Child;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A program is not there.
    #[error("there is no {0}; build it first: cargo build --release -p nimaora")]
    NotBuilt(String),
    /// A program did not say what it must say at its start.
    #[error("{program} did not start: {reason}")]
    NotStarted {
        /// Which.
        program: String,
        /// What it did instead.
        reason: String,
    },
    /// The system refused something.
    #[error("the system refused: {0}")]
    Io(#[from] std::io::Error),
    /// No connection.
    #[error("no connection: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// A call failed.
    #[error("a call failed: {0}")]
    Call(Box<tonic::Status>),
    /// A server of this machine could not be started.
    #[error(transparent)]
    Server(#[from] nimaora_local_servers::LocalServerError),
    /// A log could not be opened.
    #[error(transparent)]
    Open(#[from] nimaora_event_log::OpenError),
    /// A log refused an append.
    #[error(transparent)]
    Append(#[from] nimaora_event_log::AppendError),
    /// A log could not be read.
    #[error(transparent)]
    Read(#[from] nimaora_event_log::ReadError),
    /// A store refused.
    #[error(transparent)]
    Store(#[from] nimaora_read_models::StoreError),
    /// The URL of tables is none.
    #[error(transparent)]
    TablesUrl(#[from] nimaora_read_models::postgres::PostgresUrlError),
    /// A projection stopped.
    #[error(transparent)]
    Stopped(#[from] nimaora_projection_service::Stopped),
    /// Something that must hold in a measurement does not.
    #[error("the measurement is of no use: {0}")]
    Invalid(String),
}

impl From<tonic::Status> for BenchError {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}
