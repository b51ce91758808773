//! Why a server did not start. Each message says what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use nimaora_event_log::OpenError;
use nimaora_read_models::StoreError;
use nimaora_runtime::secrets::SecretError;
use nimaora_runtime::telemetry::TelemetryError;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is not to be had.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder cannot be made or written.
    #[error("cannot use the folder {}: {source}; choose another one with --data-dir", .path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A secret could not be read or made.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A key's file holds something else.
    #[error("{} holds no key of 64 hexadecimal digits; restore it from a copy", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The tables do not open.
    #[error(
        "cannot open the tables in {}: {source}; they hold nothing that is not in the log, so you may move the \
         file away and start again", .path.display()
    )]
    Tables {
        /// The file.
        path: PathBuf,
        /// What the store said.
        source: StoreError,
    },
    /// The realtime service does not start.
    #[error(transparent)]
    Realtime(#[from] nimaora_realtime::error::StartError),
    /// The system gives no thread, or no signals.
    #[error("the system refuses what a server needs: {0}; see 'ulimit -a'")]
    System(#[from] io::Error),
    /// Logs or metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The descriptors of the API do not fit together.
    #[error("the descriptors of the API cannot be served: {0}; this is a fault of the program")]
    Reflection(#[from] tonic_reflection::server::Error),
}
