//! How far the log has answered: a small file, rewritten before the answers of each group go out.
//!
//! It is not synced with each group, so it survives kill -9 at any moment and a loss of power at most moments. On opening it
//! tells a torn tail that nobody was promised from acknowledged events that are gone.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{u32_at, u64_at};
use super::segment::sync_dir;
use crate::types::Position;

const FILE_NAME: &str = "acknowledged";
const NEW_NAME: &str = "acknowledged.tmp";
const BYTES: usize = 20;

/// The last acknowledged position and the group that it was committed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Acknowledged {
    pub(super) position: Position,
    pub(super) commit: u64,
}

/// What the file says on opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Missing,
    /// It is not what this log wrote.
    Unreadable,
    /// This.
    Known(Acknowledged),
}

impl Acknowledged {
    fn encode(self, salt: u32) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&self.position.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.commit.to_le_bytes());
        let crc = crc32c::crc32c_append(salt, &bytes[..16]);
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8], salt: u32) -> Option<Self> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let matches = crc32c::crc32c_append(salt, &bytes[..16]) == u32_at(bytes, 16);
        matches.then(|| Self { position: u64_at(bytes, 0), commit: u64_at(bytes, 8) })
    }
}

/// Where the file is.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// What the file of the log in `dir` says.
pub(super) fn read(dir: &Path, salt: u32) -> io::Result<Found> {
    match std::fs::read(path(dir)) {
        Ok(bytes) => Ok(Acknowledged::parse(&bytes, salt).map_or(Found::Unreadable, Found::Known)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Missing),
        Err(error) => Err(error),
    }
}

/// The open file.
pub(super) struct AcknowledgedFile {
    file: File,
    salt: u32,
}

impl AcknowledgedFile {
    /// Writes the file anew, durably.
    pub(super) fn create(dir: &Path, salt: u32, first: Acknowledged) -> io::Result<Self> {
        let new = dir.join(NEW_NAME);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new)?;
        file.write_all_at(&first.encode(salt), 0)?;
        file.sync_all()?;
        std::fs::rename(&new, path(dir))?;
        sync_dir(dir)?;
        Ok(Self { file, salt })
    }

    /// Notes it where a kill of the process cannot lose it.
    pub(super) fn note(&self, acknowledged: Acknowledged) -> io::Result<()> {
        self.file.write_all_at(&acknowledged.encode(self.salt), 0)
    }

    /// Makes the last note durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
