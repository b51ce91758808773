//! Opening: every frame of every segment is read and checked, and the index is built from them.
//!
//! A group is written only after the one before it is durable, so a crash can tear the last group only. What does not
//! check out is therefore a torn tail, which is dropped, only if no later group exists and nobody was told that it is
//! durable. Everything else is damage: it is refused with its place. Reading changes nothing; a torn tail stays until the log is
//! really opened.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use super::acknowledged::{self, Found};
use super::active::LastSegment;
use super::config::{EmbeddedConfig, REMEMBERED_IDS_MAX};
use super::frame::{FRAME_ALIGN, FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader};
use super::ids::{IdKey, IdWindow, Place};
use super::index::{Committed, Index};
use super::segment::{
    self, SEGMENT_FILE_BYTES_MAX, SEGMENT_HEADER_BYTES, SegmentFile, SegmentHeader, is_segment,
    named_position,
};
use crate::error::OpenError;
use crate::types::Position;

/// A log as it was found.
pub(super) struct Recovered {
    pub(super) log_id: Uuid,
    pub(super) index: Index,
    pub(super) ids: IdWindow,
    /// Number of the last group.
    pub(super) commit: u64,
    pub(super) end: End,
    /// Whether it cannot be told any more how far the log had answered, although it holds events.
    pub(super) acknowledgements_lost: bool,
}

/// Where the log ends.
pub(super) struct End {
    /// The last segment.
    pub(super) path: PathBuf,
    /// Where its frames end.
    pub(super) offset: usize,
    /// The bytes behind them that are no frame, and why.
    pub(super) torn: Option<(usize, Stopped)>,
}

/// Reads the log in `dir`; `None` when there is none yet.
pub(super) fn recover(dir: &Path, config: &EmbeddedConfig) -> Result<Option<Recovered>, OpenError> {
    let paths = segments(dir)?;
    let Some((first, _)) = paths.first() else {
        let acknowledged = acknowledged::path(dir);
        return match acknowledged.try_exists().map_err(io_error("look for", &acknowledged))? {
            true => Err(damaged(&acknowledged, 0, "the log had events, but it has no segment", 0)),
            false => Ok(None),
        };
    };
    let log_id = header(first, &read(first)?, 0)?.log_id;
    let mut scan = Scan::new(log_id, config.tail_bytes_max);
    let mut end = SEGMENT_HEADER_BYTES;
    let mut torn = None;
    for (at, (path, named)) in paths.iter().enumerate() {
        let is_last = at + 1 == paths.len();
        let bytes = read(path)?;
        scan.begin_segment(path, *named, &bytes)?;
        let stop = scan.frames(path, &bytes)?;
        end = stop.offset;
        if bytes[end..].iter().any(|byte| *byte != 0) {
            if !is_last || scan.later_group_exists(&bytes, end) {
                return Err(damaged(path, end, &stop.reason.to_string(), scan.index.head()));
            }
            torn = Some((bytes.len() - end, stop.reason));
        }
    }
    let Some((path, _)) = paths.last() else { return Ok(None) };
    let end = End { path: path.clone(), offset: end, torn };
    let acknowledgements_lost = check_acknowledged(dir, &end, &scan)? && scan.index.head() > 0;
    let (ids, commit) = (scan.remembered(), scan.commit);
    Ok(Some(Recovered { log_id, index: scan.index, ids, commit, end, acknowledgements_lost }))
}

/// The segments in order, with the position that each is named after.
fn segments(dir: &Path) -> Result<Vec<(PathBuf, Position)>, OpenError> {
    let entries = std::fs::read_dir(dir).map_err(io_error("list", dir))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error("list", dir))?.path();
        if is_segment(&path) {
            let named = named_position(&path)
                .ok_or_else(|| damaged(&path, 0, "its name is no segment's: a position in 20 digits", 0))?;
            found.push((path, named));
        }
    }
    found.sort_by_key(|(_, named)| *named);
    Ok(found)
}

fn read(path: &Path) -> Result<Bytes, OpenError> {
    let len = std::fs::metadata(path).map_err(io_error("look at", path))?.len();
    if len > SEGMENT_FILE_BYTES_MAX {
        return Err(damaged(path, 0, "it is larger than any segment", 0));
    }
    Ok(std::fs::read(path).map_err(io_error("read", path))?.into())
}

fn header(path: &Path, bytes: &[u8], last_good: Position) -> Result<SegmentHeader, OpenError> {
    SegmentHeader::parse(bytes).ok_or_else(|| damaged(path, 0, "its header is no segment's", last_good))
}

/// Refuses when events are missing that somebody was told are durable, or when it cannot be known. Answers whether what was
/// acknowledged is not noted any more.
fn check_acknowledged(dir: &Path, end: &End, scan: &Scan) -> Result<bool, OpenError> {
    let file = acknowledged::path(dir);
    let head = scan.index.head();
    match acknowledged::read(dir, scan.salt).map_err(io_error("read", &file))? {
        Found::Known(known) if known.position > head => {
            let reason =
                format!("events up to position {} were acknowledged, but are not here", known.position);
            Err(damaged(&end.path, end.offset, &reason, head))
        }
        Found::Known(_) => Ok(false),
        Found::Missing | Found::Unreadable => match end.torn {
            Some((_, reason)) => {
                let reason = format!("{reason}, and {} does not say whether it matters", file.display());
                Err(damaged(&end.path, end.offset, &reason, head))
            }
            None => Ok(true),
        },
    }
}

impl End {
    /// Opens the last segment for writing, without its torn tail. What was read of it may be in the page cache only, where the
    /// killed process left it, so it is made durable before anybody can read it.
    pub(super) fn repair(&self) -> Result<LastSegment, OpenError> {
        let Self { path, offset, torn } = self;
        let open = || -> io::Result<LastSegment> {
            let segment = SegmentFile::open(path, std::fs::metadata(path)?.len())?;
            segment.sync()?;
            if let Some((bytes, reason)) = torn {
                segment.truncate_durably(*offset as u64)?;
                tracing::warn!(
                    file = %path.display(), byte = offset, bytes, %reason,
                    "dropped the end of an append that a crash cut short; nobody was told that it was written"
                );
            }
            Ok(LastSegment { path: path.clone(), file: segment, offset: *offset as u32 })
        };
        open().map_err(io_error("repair", path))
    }
}

/// Why reading frames stopped before the end of the file.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("the file is shorter than a frame")]
    Short,
    #[error(transparent)]
    Frame(#[from] FrameError),
}

struct Stop {
    offset: usize,
    reason: Stopped,
}

/// The state of reading all segments in order.
struct Scan {
    log_id: Uuid,
    salt: u32,
    index: Index,
    recent: VecDeque<(IdKey, Place)>,
    commit: u64,
    commit_start: u32,
}

impl Scan {
    fn new(log_id: Uuid, tail_bytes_max: usize) -> Self {
        Self {
            log_id,
            salt: segment::salt(log_id),
            index: Index::new(tail_bytes_max),
            recent: VecDeque::new(),
            commit: 0,
            commit_start: 0,
        }
    }

    fn begin_segment(&mut self, path: &Path, named: Position, bytes: &[u8]) -> Result<(), OpenError> {
        let last_good = self.index.head();
        let header = header(path, bytes, last_good)?;
        let reason = if header.log_id != self.log_id {
            "it belongs to another log"
        } else if header.first_position != named {
            "it was renamed: its header says another position"
        } else if named != last_good + 1 {
            "the segment before it is missing or cut short"
        } else {
            self.index.add_segment(path.to_owned(), named);
            return Ok(());
        };
        Err(damaged(path, 0, reason, last_good))
    }

    /// Takes in the frames of a segment, up to the first that does not check out.
    fn frames(&mut self, path: &Path, bytes: &Bytes) -> Result<Stop, OpenError> {
        let mut offset = SEGMENT_HEADER_BYTES;
        loop {
            if offset + FRAME_HEADER_BYTES > bytes.len() {
                return Ok(Stop { offset: offset.min(bytes.len()), reason: Stopped::Short });
            }
            let frame = match Frame::parse(&bytes.slice(offset..), self.salt, false) {
                Ok(frame) => frame,
                Err(reason) => return Ok(Stop { offset, reason: reason.into() }),
            };
            self.take_in(&frame, offset as u32)
                .map_err(|reason| damaged(path, offset, reason, self.index.head()))?;
            offset += frame.header.len as usize;
        }
    }

    /// Adds a frame that checks out, if it is the one that follows.
    fn take_in(&mut self, frame: &Frame, offset: u32) -> Result<(), &'static str> {
        let header = &frame.header;
        let begins_group = header.commit == self.commit + 1 && header.commit_start == offset;
        let continues_group = header.commit == self.commit && header.commit_start == self.commit_start;
        if header.first_position != self.index.head() + 1 || !(begins_group || continues_group) {
            return Err("an append is missing before this one");
        }
        let name = frame.stream().map_err(|_| "the stream's name is not text")?;
        let stream = self.index.intern(name);
        let known = self.index.streams().get(stream as usize);
        let (name, next) = known.map_or((name.into(), 0), |s| (s.name().clone(), s.next_revision()));
        if header.first_revision != next {
            return Err("an append to this stream is missing before this one");
        }
        let mut place = Place { revision: next, position: header.first_position };
        for event in frame.events() {
            let event = event.map_err(|_| "the events do not fill their frame")?;
            self.recent.push_back(((event.id, stream), place));
            place = Place { revision: place.revision + 1, position: place.position + 1 };
        }
        while self.recent.len() > REMEMBERED_IDS_MAX {
            self.recent.pop_front();
        }
        let committed = Committed {
            stream,
            name,
            offset,
            first_position: header.first_position,
            event_count: header.event_count,
        };
        self.index.add_frame(&committed, offset + header.len);
        (self.commit, self.commit_start) = (header.commit, header.commit_start);
        Ok(())
    }

    /// Whether a group that began behind `torn` is there: then what is at `torn` was durable before it.
    fn later_group_exists(&self, bytes: &Bytes, torn: usize) -> bool {
        let candidates = (torn + FRAME_ALIGN..bytes.len()).step_by(FRAME_ALIGN);
        candidates
            .filter(|at| FrameHeader::parse(&bytes[*at..], self.salt).is_ok())
            .filter_map(|at| Frame::parse(&bytes.slice(at..), self.salt, false).ok())
            .any(|frame| frame.header.commit_start as usize > torn)
    }

    fn remembered(&self) -> IdWindow {
        let mut ids = IdWindow::new(REMEMBERED_IDS_MAX);
        for (key, place) in &self.recent {
            ids.push(*key, *place);
        }
        ids
    }
}

fn damaged(file: &Path, offset: usize, reason: &str, last_good: Position) -> OpenError {
    OpenError::Damaged { file: file.to_owned(), offset: offset as u64, reason: reason.to_owned(), last_good }
}

/// Says what was tried on what.
pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}
