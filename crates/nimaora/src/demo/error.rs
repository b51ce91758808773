//! Why a demo was not shown to its end.

use std::io;

use nimaora_runtime::telemetry::TelemetryError;

use crate::client::SocketError;
use crate::serve::ServeError;

/// Why a demo was not shown to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The temporary folder could not be made or removed.
    #[error("cannot use a temporary folder: {0}; set TMPDIR to a folder that can be written")]
    Folder(io::Error),
    /// Nothing can be printed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// Ctrl-C cannot be noticed.
    #[error("cannot wait for signals: {0}")]
    Signal(io::Error),
    /// Logs cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The server did not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A bot could not connect.
    #[error("a bot cannot connect: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// A bot's socket could not be opened.
    #[error("a bot's socket could not be opened: {0}")]
    Socket(#[from] SocketError),
    /// The server refused something without which there is no battle.
    #[error("the server did not {action}: {}", .status.message())]
    Refused {
        /// What was asked.
        action: &'static str,
        /// What it said.
        status: Box<tonic::Status>,
    },
    /// A token cannot be sent in a header.
    #[error("the server gave a token that cannot be sent")]
    Token,
    /// A bot's task broke.
    #[error("a bot failed: {0}")]
    Bot(#[from] tokio::task::JoinError),
}

impl DemoError {
    /// What the server said when it was asked for `action`.
    pub(super) fn refused(action: &'static str) -> impl FnOnce(tonic::Status) -> Self {
        move |status| Self::Refused { action, status: Box::new(status) }
    }
}
