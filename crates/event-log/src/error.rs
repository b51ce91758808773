//! What can go wrong with a log. Each error says whether trying again can help.

use std::path::PathBuf;

use crate::types::{Position, Revision};

/// Why an append wrote nothing, or may have.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The stream is not as expected. Trying again unchanged cannot help.
    #[error(
        "the stream's last revision is {actual:?}, which is not what the append expects; read the stream again"
    )]
    WrongExpectedRevision {
        /// The stream's last revision; `None` when it has no events.
        actual: Option<Revision>,
    },
    /// The append breaks a limit. Trying again cannot help.
    #[error("the append is refused: {reason}")]
    Invalid {
        /// What was wrong, with the value and the limit.
        reason: String,
    },
    /// The log takes no appends now (disk full, connection lost, too many appends waiting). Nothing was written; try again
    /// after a while.
    #[error("the log takes no appends now: {reason}; nothing was written, try again")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
    /// It is not known whether the append was written. Repeat it unchanged, or read the stream.
    #[error("it is not known whether the append was written: {reason}; read the stream")]
    UnknownOutcome {
        /// What happened.
        reason: String,
    },
}

/// Why a read failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// What is stored is not what was written. Trying again cannot help; an operator must.
    #[error("the log is damaged at {place}: {reason}; stop the server and restore the file from a copy")]
    Damaged {
        /// File and byte, or the nearest thing to it.
        place: String,
        /// What does not fit.
        reason: String,
    },
    /// The log cannot be read now. Try again after a while.
    #[error("the log cannot be read now: {reason}; try again")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
    /// The question cannot be answered. Trying again cannot help.
    #[error("the read is refused: {reason}")]
    Invalid {
        /// What was wrong, with the value.
        reason: String,
    },
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another process; one process opens an embedded log", .dir.display())]
    InUse {
        /// The log's folder.
        dir: PathBuf,
    },
    /// Acknowledged events cannot be read.
    #[error(
        "the log is damaged: {}, byte {offset}: {reason} (last good position: {last_good}). Nothing was changed. \
         Restore the file from a copy, or start with another --data-dir",
        .file.display()
    )]
    Damaged {
        /// The damaged file.
        file: PathBuf,
        /// The byte at which the damage begins.
        offset: u64,
        /// What does not fit.
        reason: String,
        /// The last position before the damage.
        last_good: Position,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
