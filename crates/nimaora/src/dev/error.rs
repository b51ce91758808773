//! Why a cluster did not start.

use std::io;
use std::path::PathBuf;

use nimaora_local_servers::{LocalServerError, Program};

/// Why a cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// Programs are not installed.
    #[error("a cluster needs what is not installed here:{}", how_to_install(.0))]
    Missing(Vec<Program>),
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

/// A line for each program.
fn how_to_install(programs: &[Program]) -> String {
    programs.iter().map(|program| format!("\n  {}: {}", program.name(), program.how_to_install())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_told_at_once_with_how_to_install_it() {
        let told = DevError::Missing(vec![Program::PgBouncer, Program::Redis]).to_string();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "  pgbouncer: install it with 'apt-get install pgbouncer'");
        assert_eq!(lines[2], "  redis-server: install it with 'apt-get install redis-server'");
    }
}
