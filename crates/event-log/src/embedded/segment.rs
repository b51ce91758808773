//! A segment: one file of the log. It begins with a header that names the log and the segment's first position.
//!
//! A segment is made under another name and gets its own only when its header is durable, so a file that is called
//! like a segment always has a header.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use uuid::Uuid;

use super::frame::{u32_at, u64_at};
use crate::types::Position;

/// The length of a segment's header; the first frame follows it.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
/// No segment is larger than this; a file that is was not written by a log.
pub(super) const SEGMENT_FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
const MAGIC: [u8; 8] = *b"NimaLog1";
const NAME_SUFFIX: &str = ".seg";
/// What a segment is called while it is made. One that is found on opening was never used.
const NEW_NAME: &str = "new.tmp";

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The log it belongs to.
    pub(super) log_id: Uuid,
    /// The position of its first event.
    pub(super) first_position: Position,
}

impl SegmentHeader {
    fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..24].copy_from_slice(self.log_id.as_bytes());
        bytes[24..32].copy_from_slice(&self.first_position.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` unless it is one and its checksum matches.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<SEGMENT_HEADER_BYTES>()?;
        if bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return None;
        }
        Some(Self { log_id: Uuid::from_slice(&bytes[8..24]).ok()?, first_position: u64_at(bytes, 24) })
    }
}

/// What the checksums of this log's frames begin with.
pub(super) fn salt(log_id: Uuid) -> u32 {
    crc32c::crc32c(log_id.as_bytes())
}

/// The file of the segment that begins at `first_position`.
pub(super) fn path(dir: &Path, first_position: Position) -> PathBuf {
    dir.join(format!("{first_position:020}{NAME_SUFFIX}"))
}

/// The first position that a file's name promises; `None` when it is not called like a segment.
pub(super) fn named_position(path: &Path) -> Option<Position> {
    path.file_name()?.to_str()?.strip_suffix(NAME_SUFFIX)?.parse().ok()
}

/// Whether a file has the ending of a segment.
pub(super) fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == &NAME_SUFFIX[1..])
}

/// What [`SegmentFile::claimed`] is when nothing more may be zeroed.
const SEALED: u64 = u64::MAX;

/// Makes an empty segment and its name durable.
pub(super) fn create(dir: &Path, header: SegmentHeader) -> io::Result<(PathBuf, SegmentFile)> {
    let new = dir.join(NEW_NAME);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new)?;
    file.write_all_at(&header.encode(), 0)?;
    file.sync_all()?;
    let file = SegmentFile::open(&new, SEGMENT_HEADER_BYTES as u64)?;
    let path = path(dir, header.first_position);
    std::fs::rename(&new, &path)?;
    if let Err(error) = sync_dir(dir) {
        // Events may still go in the segment before it, and then its name would be wrong.
        std::fs::remove_file(&path)?;
        return Err(error);
    }
    Ok((path, file))
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The file that the log writes to. Zeros are written ahead of the events, since making a write durable is quicker where
/// the file does not grow.
pub(super) struct SegmentFile {
    file: File,
    /// Opened apart from `file`: the system tells a failed write once to each opening of a file, and were it told to a sync of
    /// zeros, the commit whose bytes were lost would pass for durable.
    zeroing: File,
    /// Bytes before this belong to the writer; the zeroing thread writes only behind it, while it holds the lock.
    claimed: Mutex<u64>,
}

impl SegmentFile {
    /// Opens the file at `path`, of which the first `claimed` bytes belong to the writer.
    pub(super) fn open(path: &Path, claimed: u64) -> io::Result<Self> {
        let open = || OpenOptions::new().read(true).write(true).open(path);
        Ok(Self { file: open()?, zeroing: open()?, claimed: Mutex::new(claimed) })
    }

    /// Makes all that is in the file durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Writes at `offset` and makes it durable.
    pub(super) fn write_durably(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        {
            let mut claimed = self.claimed.lock();
            *claimed = (*claimed).max(offset + bytes.len() as u64);
        }
        self.file.write_all_at(bytes, offset)?;
        self.file.sync_data()
    }

    /// Ends the file at `len`, durably. Unless it is sealed, it may be zeroed again from there.
    pub(super) fn truncate_durably(&self, len: u64) -> io::Result<()> {
        let mut claimed = self.claimed.lock();
        self.file.set_len(len)?;
        self.file.sync_all()?;
        if *claimed != SEALED {
            *claimed = len;
        }
        Ok(())
    }

    /// No zeros are written to the file from now on.
    pub(super) fn seal(&self) {
        *self.claimed.lock() = SEALED;
    }

    /// Writes zeros behind what is claimed; answers how far it is zeroed.
    pub(super) fn zero_ahead(&self, zeros: &[u8], end: u64) -> io::Result<u64> {
        let reached = {
            let mut claimed = self.claimed.lock();
            let len = (zeros.len() as u64).min(end.saturating_sub(*claimed));
            self.zeroing.write_all_at(&zeros[..len as usize], *claimed)?;
            *claimed += len;
            *claimed
        };
        self.zeroing.sync_data()?;
        Ok(reached)
    }

    /// How far the file belongs to the writer: up to here a write does not make it grow.
    pub(super) fn claimed(&self) -> u64 {
        *self.claimed.lock()
    }
}
