//! Why a server did not start. Each message says what to do.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use nimaora_event_log::{OpenError, Position};
use nimaora_read_models::StoreError;
use nimaora_runtime::secrets::SecretError;
use nimaora_runtime::telemetry::TelemetryError;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is not to be had.
    #[error("cannot listen on {address}: {source}; choose another address with {flag}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// The flag that asks for it.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The disk has no room for what a start writes.
    #[error("{source}. Free some space on the disk of {}, or choose another folder with --data-dir", .data_dir.display())]
    DiskFull {
        /// The data folder.
        data_dir: PathBuf,
        /// What failed for want of room.
        source: Box<ServeError>,
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
    /// Events rely on the key of answers, and it is gone.
    #[error(
        "{} is missing although the log holds events: with another key, right answers to their questions would be \
         judged wrong for ever; restore it from a copy", .path.display()
    )]
    AnswerKeyLost {
        /// Where it was.
        path: PathBuf,
    },
    /// Players hold tokens, and the key that signed them is gone.
    #[error(
        "{path} is missing although the log holds events: with another key, every player's token is void; restore \
         it from a copy, or, if that is accepted, make another one: (umask 077; openssl rand -hex 32 > '{path}')",
        path = .path.display()
    )]
    SigningKeyLost {
        /// Where it was.
        path: PathBuf,
    },
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The tables hold events that the log does not.
    #[error(
        "the log in {} ends at position {head}, but the tables in {} were made from a log that reached position \
         {tables}: the newest events are lost, or these are files of two logs. Nothing was changed. Restore the log from a copy; or, if \
         the loss is accepted, move {} and the folder {} away and start again",
        .log.display(), .file.display(), .file.display(), .snapshots.display()
    )]
    TablesAhead {
        /// The log's folder.
        log: PathBuf,
        /// The log's last position.
        head: Position,
        /// The tables' file.
        file: PathBuf,
        /// The position that the tables have seen.
        tables: Position,
        /// The folder with snapshots of battles, which may be ahead of the log too.
        snapshots: PathBuf,
    },
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
    /// A store that is a service cannot be used.
    #[error("cannot use {url} for stores.{setting}: {reason}")]
    Store {
        /// The setting that names it.
        setting: &'static str,
        /// Where it is, without its password.
        url: String,
        /// What hinders it.
        reason: String,
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
    /// The certificate of the event store cannot be used.
    #[error("event_store: {0}")]
    EventStoreTls(#[from] nimaora_event_log_server::TlsError),
    /// The descriptors of the API do not fit together.
    #[error("the descriptors of the API cannot be served: {0}; this is a fault of the program")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl ServeError {
    /// Says what to do when the cause is a full disk.
    pub(super) fn on_full_disk(self, data_dir: &Path) -> Self {
        if !self.is_of_full_disk() {
            return self;
        }
        Self::DiskFull { data_dir: data_dir.to_owned(), source: Box::new(self) }
    }

    fn is_of_full_disk(&self) -> bool {
        if let Self::Tables { source: StoreError::Unavailable { reason }, .. } = self {
            // The store keeps SQLite's words only.
            return reason.contains(SQLITE_FULL);
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            }
            cause = error.source();
        }
        false
    }
}

/// What SQLite says when there is no room.
const SQLITE_FULL: &str = "disk is full";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_what_to_do() {
        let (path, data_dir) = (PathBuf::from("kept/log"), Path::new("kept"));
        let fails =
            |kind: io::ErrorKind| OpenError::Io { action: "create", path: path.clone(), source: kind.into() };
        let reason = "database or disk is full".to_owned();
        for error in [
            ServeError::Log(fails(io::ErrorKind::StorageFull)),
            ServeError::DataDir { path: path.clone(), source: io::ErrorKind::QuotaExceeded.into() },
            ServeError::Tables { path: path.clone(), source: StoreError::Unavailable { reason } },
        ] {
            let told = error.on_full_disk(data_dir).to_string();
            assert!(
                told.contains("kept/log") && told.contains("Free some space on the disk of kept"),
                "{told}"
            );
        }
        let other = ServeError::Log(fails(io::ErrorKind::PermissionDenied)).on_full_disk(data_dir);
        assert!(matches!(other, ServeError::Log(_)), "{other}");
    }
}
