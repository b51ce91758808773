//! Why a server did not start.

use std::path::{Path, PathBuf};

use crate::programs::Program;

/// Why a server on this machine did not start.
#[derive(Debug, thiserror::Error)]
pub enum LocalServerError {
    /// Its program is not installed.
    #[error("{} is not installed; {}", .0.name(), .0.how_to_install())]
    Missing(Program),
    /// The file system refused, or the program could not be started.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No port was free.
    #[error("no free port was found on 127.0.0.1 after {tries} tries")]
    NoPort {
        /// How many ports were tried.
        tries: usize,
    },
    /// It ended, or did not answer in time.
    #[error("{name} did not get ready: {reason}; its last words, in {}:\n{last_words}", .log.display())]
    NotReady {
        /// The server.
        name: String,
        /// What happened.
        reason: String,
        /// Where it logs.
        log: PathBuf,
        /// The end of its log.
        last_words: String,
    },
    /// A program that prepares a server failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What it said.
        output: String,
    },
}

impl LocalServerError {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}
