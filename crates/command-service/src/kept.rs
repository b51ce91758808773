//! What the timers know of the log, kept in a file, so that a start reads only what came since.
//!
//! It is a cache beside the log and never the truth. It is used only if it is whole, if this version of the program wrote its like,
//! and if the log still holds the very event that was the last one then; else the log is read from its beginning.

use std::io;
use std::path::{Path, PathBuf};

use nimaora_event_log::{Direction, EventLog, Filter, Position, ReadError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::checked_file;
use crate::directory::{Directory, Open};
use crate::metrics;

/// Changes whenever the form or the meaning does; files of another version are passed over.
const VERSION: u32 = 1;
/// The file's name, and its name while it is written.
const FILE: &str = "timers.kept";
const BESIDE: &str = "timers.new";

/// Where it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    dir: PathBuf,
}

/// What is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    version: u32,
    /// Up to here the log was looked at.
    pub(crate) position: Position,
    /// The last event that was taken note of.
    pub(crate) last: Known,
    /// The battles that are not over.
    pub(crate) open: Vec<Open>,
}

/// An event by which a log is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Where it is.
    pub(crate) position: Position,
    /// Its id.
    pub(crate) id: Uuid,
}

impl Kept {
    pub(crate) fn new(position: Position, last: Known, directory: &Directory) -> Self {
        Self { version: VERSION, position, last, open: directory.to_open() }
    }
}

impl Keeper {
    /// In this folder, which may not be there yet.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// What was kept, if it fits the log.
    pub(crate) async fn load(&self, log: &dyn EventLog) -> Result<Option<Kept>, ReadError> {
        let path = self.dir.join(FILE);
        let kept = match tokio::task::spawn_blocking(move || read(&path)).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(Err(error)) => return Ok(unused(&error.to_string())),
            Err(error) => return Ok(unused(&error.to_string())),
        };
        if kept.version != VERSION {
            return Ok(unused("it is of another version"));
        }
        let page = match log.read_all(kept.last.position, Direction::Forwards, 1, &Filter::default()).await {
            // What was kept of another log may be at no event's place of this one, and some logs refuse to read there.
            Err(ReadError::Invalid { reason }) => return Ok(unused(&reason)),
            page => page?,
        };
        let found = page.events.first().map(|event| Known { position: event.position, id: event.id });
        if found != Some(kept.last) || log.status().await?.head < kept.position {
            return Ok(unused("it does not fit the log"));
        }
        Ok(Some(kept))
    }

    /// Writes it. Blocks; a failure costs nothing but time at the next start.
    pub(crate) fn save(&self, kept: &Kept) {
        if let Err(error) = self.write(kept) {
            tracing::warn!(%error, "what the timers know cannot be kept; look at the folder for snapshots");
            metrics::snapshot_failed();
        }
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        let (path, beside) = (self.dir.join(FILE), self.dir.join(BESIDE));
        checked_file::write(&path, &beside, |file| Ok(serde_json::to_writer(file, kept)?))
    }
}

fn unused(reason: &str) -> Option<Kept> {
    tracing::warn!(reason, "what the timers knew cannot be used; they read the log from its beginning");
    metrics::snapshot_failed();
    None
}

fn read(path: &Path) -> io::Result<Kept> {
    Ok(serde_json::from_slice(&checked_file::read(path)?)?)
}
