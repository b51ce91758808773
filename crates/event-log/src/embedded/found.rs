//! A log that was looked at and not opened yet. Looking changes nothing, so that whoever finds that events were lost, by what
//! only he knows, leaves all that is left as it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::EmbeddedLog;
use super::config::{EmbeddedConfig, REMEMBERED_IDS_MAX};
use super::ids::IdWindow;
use super::index::Index;
use super::recovery::{self, End, Recovered, io_error};
use super::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::error::OpenError;
use crate::types::Position;

const LOCK_FILE: &str = "lock";

/// A log that was looked at. Nobody else can open it meanwhile, unless there was nothing to hold on to.
pub struct FoundLog {
    dir: PathBuf,
    config: EmbeddedConfig,
    /// `None` when the file is not there: then no process has the log open, and making it is left to the opening.
    lock: Option<File>,
    /// `None` when there is no log yet.
    found: Option<Recovered>,
}

impl FoundLog {
    /// Reads the log in `dir`, if there is one.
    pub(super) fn look(dir: PathBuf, config: EmbeddedConfig) -> Result<Self, OpenError> {
        if !dir.try_exists().map_err(io_error("look for", &dir))? {
            return Ok(Self { dir, config, lock: None, found: None });
        }
        let lock = lock(&dir, false)?;
        let found = recovery::recover(&dir, &config)?;
        Ok(Self { dir, config, lock, found })
    }

    /// Whether there is no log yet, and opening makes one.
    pub fn is_new(&self) -> bool {
        self.found.is_none()
    }

    /// The position of the last event; 0 when there is none.
    pub fn head(&self) -> Position {
        self.found.as_ref().map_or(0, |found| found.index.head())
    }

    /// Opens the log, or begins one. Call it where blocking is allowed.
    ///
    /// # Errors
    /// The same as [`EmbeddedLog::open`].
    pub fn open(self) -> Result<Arc<EmbeddedLog>, OpenError> {
        let Self { dir, config, lock: held, found } = self;
        std::fs::create_dir_all(&dir).map_err(io_error("create", &dir))?;
        let (lock, found) = match held {
            Some(held) => (held, found),
            // Somebody may have been faster, so it is read again.
            None => (make_lock(&dir)?, recovery::recover(&dir, &config)?),
        };
        let found = match found {
            Some(found) => found,
            None => begin(&dir, &config)?,
        };
        let last = found.end.repair()?;
        if found.acknowledgements_lost {
            let file = super::acknowledged::path(&dir);
            tracing::warn!(file = %file.display(), "was missing or unreadable and is written anew; the segments are in order up to their end");
        }
        EmbeddedLog::start(&dir, lock, found, last, config)
    }
}

/// What is to be known of the end of a log that is only read: whoever opens it to write repairs it and tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundEnd {
    /// Bytes of an append that a crash cut short, and why they are none of the log's. Nobody was told that it was written.
    pub torn: Option<(usize, String)>,
    /// Whether it cannot be told how far the log had answered, although it holds events. Then its end may have been cut off.
    pub acknowledgements_lost: bool,
}

impl FoundEnd {
    pub(super) fn of(found: &Recovered) -> Self {
        let torn = found.end.torn.as_ref().map(|(bytes, reason)| (*bytes, reason.to_string()));
        Self { torn, acknowledgements_lost: found.acknowledgements_lost }
    }
}

/// Reads the log in `dir` for somebody who only reads, and holds it so that nobody writes meanwhile.
pub(super) fn read(
    dir: &Path,
    config: &EmbeddedConfig,
) -> Result<(Option<File>, Option<Recovered>), OpenError> {
    let lock = lock_shared(dir)?;
    Ok((lock, recovery::recover(dir, config)?))
}

fn make_lock(dir: &Path) -> Result<File, OpenError> {
    let gone = || io_error("create", &dir.join(LOCK_FILE))(io::ErrorKind::NotFound.into());
    lock(dir, true)?.ok_or_else(gone)
}

/// Locks the log's folder; `None` when its lock is not there and is not to be made.
fn lock(dir: &Path, make: bool) -> Result<Option<File>, OpenError> {
    let path = dir.join(LOCK_FILE);
    let file = match OpenOptions::new().write(true).create(make).truncate(false).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !make => return Ok(None),
        Err(source) => return Err(OpenError::Io { action: "open", path, source }),
    };
    let locked = file.try_lock();
    held(dir, path, file, locked).map(Some)
}

/// Locks the log's folder against those who write. The lock need not be writable.
fn lock_shared(dir: &Path) -> Result<Option<File>, OpenError> {
    let path = dir.join(LOCK_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::Io { action: "open", path, source }),
    };
    let locked = file.try_lock_shared();
    held(dir, path, file, locked).map(Some)
}

fn held(dir: &Path, path: PathBuf, file: File, locked: Result<(), TryLockError>) -> Result<File, OpenError> {
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { action: "lock", path, source }),
    }
}

/// Begins a log in an empty folder.
fn begin(dir: &Path, config: &EmbeddedConfig) -> Result<Recovered, OpenError> {
    let log_id = Uuid::new_v4();
    let header = SegmentHeader { log_id, first_position: 1 };
    let (path, _) = segment::create(dir, header).map_err(io_error("begin a log in", dir))?;
    if let Some(parent) = dir.parent() {
        segment::sync_dir(parent).map_err(io_error("sync", parent))?;
    }
    let mut index = Index::new(config.tail_bytes_max);
    index.add_segment(path.clone(), 1);
    Ok(Recovered {
        log_id,
        index,
        ids: IdWindow::new(REMEMBERED_IDS_MAX),
        commit: 0,
        end: End { path, offset: SEGMENT_HEADER_BYTES, torn: None },
        acknowledgements_lost: false,
    })
}
