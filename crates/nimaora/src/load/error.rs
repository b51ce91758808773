//! Why a load could not be run to its end. What the server gets wrong is no error here: it stands in the report.

use std::io;
use std::path::PathBuf;

/// Why a load could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The admin token could not be read.
    #[error(
        "cannot read the admin token from {}: {source}; name its file with --admin-token-file, or set \
         NIMAORA_ADMIN_TOKEN", .path.display()
    )]
    AdminToken {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A token holds something that no header can.
    #[error("the token is none: it holds characters that a header cannot carry")]
    Token,
    /// The target is no address of a server.
    #[error("--target '{target}' is not of the form http://HOST:PORT: {reason}")]
    Target {
        /// What was given.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refused or failed something without which no load can run.
    #[error("the server did not {action}: {reason}")]
    Server {
        /// What was asked.
        action: &'static str,
        /// What it said.
        reason: String,
    },
    /// A process may not open enough files.
    #[error(
        "{sockets} sockets in one process need more files than the {files_max} it may open; use more --processes"
    )]
    Files {
        /// How many sockets one process would hold.
        sockets: u32,
        /// How many files it may open.
        files_max: u64,
    },
    /// A player could not take part, or its socket could not be opened.
    #[error("player {player} could not {action}: {reason}")]
    Player {
        /// Which one.
        player: u32,
        /// What it tried.
        action: &'static str,
        /// Why not.
        reason: String,
    },
    /// A process of the load ended early.
    #[error("process {process} of the load failed: {reason}")]
    Worker {
        /// Which one, from 0.
        process: usize,
        /// How it ended.
        reason: String,
    },
    /// The system refused something.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Two processes of the load do not understand each other.
    #[error("a message between processes of the load is not understood: {0}")]
    Message(#[from] serde_json::Error),
}
