//! How an audit ends when it is not clean. What differs and what could not be checked have exit codes of their own.

use std::io;
use std::path::PathBuf;

use nimaora_domain::BattleId;
use nimaora_event_log::envelope::RecordedError;
use nimaora_event_log::{OpenError, Position, ReadError};
use nimaora_read_models::StoreError;
use nimaora_runtime::secrets::SecretError;

use crate::config::ConfigError;
use crate::play::ClientError;

/// Why an audit is not clean.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something is not what the log says, or the log is not what was written. The first thing, with its place.
    #[error("DIFFERS: {0}")]
    Differs(String),
    /// The log could not be opened.
    #[error("{0}")]
    Open(OpenError),
    /// The log could not be read.
    #[error("{0}")]
    Read(ReadError),
    /// A read model could not be read.
    #[error("cannot check {what}: {source}")]
    Store {
        /// Which.
        what: &'static str,
        /// Why.
        source: StoreError,
    },
    /// A store that the settings name could not be connected to.
    #[error("cannot use the {what} {url}: {reason}")]
    Connect {
        /// Which.
        what: &'static str,
        /// Where, without its password.
        url: String,
        /// Why.
        reason: String,
    },
    /// There is no log where one is looked for.
    #[error("there is no log in {}; name the folder with --data-dir, or a configuration with --config", .0.display())]
    NoLog(PathBuf),
    /// The log holds no such battle.
    #[error("the log holds no battle {0}")]
    NoBattle(BattleId),
    /// The battle has no such participant.
    #[error("nobody in the battle has the id or the name '{0}'")]
    NoParticipant(String),
    /// The point of the past cannot be understood.
    #[error("'{0}' is neither a position nor a time such as 2026-01-31T12:00:00Z")]
    At(String),
    /// Nothing lies between two positions.
    #[error("--from {from} is behind --to {to}; nothing lies between them")]
    Range {
        /// Where it would begin.
        from: Position,
        /// Where it would end.
        to: Position,
    },
    /// A file could not be used.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The signing key could not be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A value cannot be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A task of this program ended early.
    #[error("a task of this program ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// A server was asked, and is not there or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It was not confirmed that a name is to be erased.
    #[error("nothing was erased: {0}")]
    NotConfirmed(&'static str),
    /// Nothing can be read from the terminal.
    #[error("cannot read from standard input: {0}")]
    Input(io::Error),
    /// Nothing can be printed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl AuditError {
    /// Whether something differs, as opposed to could not be checked.
    pub fn differs(&self) -> bool {
        matches!(self, Self::Differs(_))
    }
}

impl From<OpenError> for AuditError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged { file, offset, reason, last_good } => Self::Differs(format!(
                "the log is damaged: {}, byte {offset}: {reason} (last good position: {last_good})",
                file.display()
            )),
            other @ (OpenError::InUse { .. } | OpenError::Io { .. }) => Self::Open(other),
        }
    }
}

impl From<ReadError> for AuditError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { place, reason } => {
                Self::Differs(format!("the log is damaged at {place}: {reason}"))
            }
            other @ (ReadError::Unavailable { .. } | ReadError::Invalid { .. }) => Self::Read(other),
        }
    }
}

impl From<RecordedError> for AuditError {
    fn from(error: RecordedError) -> Self {
        Self::Differs(error.to_string())
    }
}
