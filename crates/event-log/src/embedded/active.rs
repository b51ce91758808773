//! The segment that is written to: groups go in, failed ones come out again, and a full one gives way to the next.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::config::{EmbeddedConfig, SEGMENT_BYTES_MAX};
use super::segment::{self, SEGMENT_HEADER_BYTES, SegmentFile, SegmentHeader};
use super::zeroing::Zeroing;
use crate::types::Position;

/// The log's last segment as it was found.
pub(super) struct LastSegment {
    pub(super) path: PathBuf,
    pub(super) file: SegmentFile,
    /// Where its frames end.
    pub(super) offset: u32,
}

/// The segment that is written to.
pub(super) struct Active {
    dir: PathBuf,
    log_id: Uuid,
    path: PathBuf,
    file: Arc<SegmentFile>,
    /// Where the next group goes: what is before it is durable.
    offset: u32,
    capacity: u32,
    segment_bytes: u32,
    zeroing: Zeroing,
    #[cfg(test)]
    faults: Arc<super::faults::Faults>,
}

impl Active {
    /// Goes on in the log's last segment.
    pub(super) fn new(
        dir: &Path,
        log_id: &Uuid,
        last: LastSegment,
        config: &EmbeddedConfig,
    ) -> io::Result<Self> {
        let segment_bytes = config.segment_bytes.min(SEGMENT_BYTES_MAX);
        let active = Self {
            dir: dir.to_owned(),
            log_id: *log_id,
            path: last.path,
            file: Arc::new(last.file),
            offset: last.offset,
            capacity: segment_bytes.max(last.offset),
            segment_bytes,
            zeroing: Zeroing::start()?,
            #[cfg(test)]
            faults: Arc::clone(&config.faults),
        };
        active.zeroing.ahead(&active.file, active.offset, active.capacity);
        Ok(active)
    }

    /// Where the next group begins.
    pub(super) fn offset(&self) -> u32 {
        self.offset
    }

    /// Whether `bytes` more fit in this segment behind `waiting` bytes that are about to be written.
    pub(super) fn has_room(&self, waiting: usize, bytes: usize) -> bool {
        self.offset as usize + waiting + bytes <= self.capacity as usize
    }

    /// Writes a group, durably. After an error, [`roll_back`](Self::roll_back) before anything else is written.
    pub(super) fn write(&mut self, group: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_write()?;
        self.file.write_durably(group, u64::from(self.offset))?;
        #[cfg(test)]
        self.faults.after_write()?;
        self.offset += group.len() as u32;
        self.zeroing.ahead(&self.file, self.offset, self.capacity);
        Ok(())
    }

    /// Cuts off what a failed write left behind the last durable group. The file is opened anew: after a failed sync the
    /// system may take pages for written that are not, and only writing them again is proof.
    pub(super) fn roll_back(&mut self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_roll_back()?;
        let file = SegmentFile::open(&self.path, u64::from(self.offset))?;
        self.file.seal();
        file.truncate_durably(u64::from(self.offset))?;
        self.file = Arc::new(file);
        Ok(())
    }

    /// Whether the disk takes `bytes` bytes now, for which there is room: writes zeros where the next group goes.
    pub(super) fn probe(&self, bytes: usize) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_write()?;
        self.file.write_durably(&vec![0; bytes], u64::from(self.offset))
    }

    /// Ends this segment and begins the next one, which has room for at least `bytes`. Answers its file.
    pub(super) fn rotate(&mut self, first_position: Position, bytes: usize) -> io::Result<PathBuf> {
        #[cfg(test)]
        self.faults.before_write()?;
        let header = SegmentHeader { log_id: self.log_id, first_position };
        let (path, file) = segment::create(&self.dir, header)?;
        self.file.seal();
        if let Err(error) = self.file.truncate_durably(u64::from(self.offset)) {
            tracing::debug!(file = %self.path.display(), %error, "keeps the zeros behind its last event");
        }
        self.path.clone_from(&path);
        self.file = Arc::new(file);
        self.offset = SEGMENT_HEADER_BYTES as u32;
        self.capacity = self.segment_bytes.max((SEGMENT_HEADER_BYTES + bytes) as u32);
        self.zeroing.ahead(&self.file, self.offset, self.capacity);
        Ok(path)
    }
}

impl Drop for Active {
    /// Lets the zeroing thread stop at once.
    fn drop(&mut self) {
        self.file.seal();
    }
}

#[cfg(test)]
mod tests {
    use nimaora_runtime::Clock;

    use super::*;

    #[test]
    fn no_segment_grows_larger_than_what_can_be_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let log_id = Uuid::nil();
        let (path, file) =
            segment::create(folder.path(), SegmentHeader { log_id, first_position: 1 }).unwrap();
        let last = LastSegment { path, file, offset: SEGMENT_HEADER_BYTES as u32 };
        let config = EmbeddedConfig { segment_bytes: u32::MAX, ..EmbeddedConfig::new(Clock::manual(0)) };
        let active = Active::new(folder.path(), &log_id, last, &config).unwrap();
        assert!(!active.has_room(0, segment::SEGMENT_FILE_BYTES_MAX as usize));
    }
}
