//! Why a cluster did not start.

use std::io;
use std::path::PathBuf;

use nimaora_local_servers::LocalServerError;

/// Why a cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A server did not start.
    #[error(transparent)]
    Server(#[from] LocalServerError),
    /// A process of ours did not start.
    #[error("{name} did not get ready: {reason}; see {}", .log.display())]
    Node {
        /// Its name.
        name: String,
        /// What happened.
        reason: String,
        /// Where it logs.
        log: PathBuf,
    },
    /// The file system or the system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A cluster runs in the folder already.
    #[error(
        "a cluster runs in {} already, as process {process}; stop it with SIGTERM, or name another folder with --data-dir",
        .dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The process id of the one that runs.
        process: String,
    },
}

impl DevError {
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
