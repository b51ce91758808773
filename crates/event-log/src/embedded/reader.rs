//! Reading what was committed: from memory near the head, else from disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ahash::AHashSet;
use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::config::PAGE_BYTES_MAX;
use super::frame::{EventRef, FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader};
use super::index::{Address, Index, Located};
use super::stream_index::FrameRef;
use crate::error::ReadError;
use crate::log::AllPage;
use crate::metrics;
use crate::types::{Filter, Position, RecordedEvent, Revision};

/// What a reader of the whole log takes from disk at once, in bytes.
const SEQUENTIAL_READ_BYTES: u32 = 512 * 1024;
/// What a reader of one stream takes from disk for a frame whose length it does not know, in bytes.
const FRAME_GUESS_BYTES: u32 = 4 * 1024;
/// Frames of one stream that are no further apart are read from disk together, in bytes.
const GAP_BYTES_MAX: u32 = 16 * 1024;

/// What the writer and the readers share.
pub(super) struct Shared {
    pub(super) index: RwLock<Index>,
    /// What the checksums of this log begin with.
    pub(super) salt: u32,
    /// The position of the last committed event; its sender is the writer, and goes when the log is closed.
    pub(super) head: watch::Receiver<Position>,
    /// False while the disk refuses writes.
    pub(super) writable: AtomicBool,
}

/// Whether a reader may wait for the disk. On a runtime's thread it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Only what is in memory.
    Memory,
    /// Whatever is needed.
    Disk,
}

/// Where a reader of the whole log is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// A frame at or before the one that holds `position`.
    pub(super) address: Address,
    /// The next event to deliver.
    pub(super) position: Position,
}

/// A part of the whole log.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) events: Vec<RecordedEvent>,
    /// Where to go on.
    pub(super) next: Spot,
    /// How many events were looked at.
    pub(super) looked_at: u64,
}

/// Up to `limit` events that the filter lets through, from `spot` on; stops after [`PAGE_BYTES_MAX`] bytes. `None` when nothing
/// could be looked at without the disk.
pub(super) fn forwards(
    shared: &Shared,
    spot: Spot,
    limit: usize,
    filter: &Filter,
    from: From,
) -> Result<Option<Page>, ReadError> {
    let mut cursor = Cursor::new(shared, spot.address, from);
    let mut page = Page { events: Vec::new(), next: spot, looked_at: 0 };
    let mut names = Names::default();
    let mut bytes = 0;
    while page.events.len() < limit && bytes < PAGE_BYTES_MAX {
        let frame = match cursor.frame()? {
            Step::Frame(frame) => frame,
            Step::NeedsDisk if page.looked_at == 0 => return Ok(None),
            Step::NeedsDisk | Step::End => break,
        };
        bytes += frame.header.len as usize;
        let begin = page.next.position;
        page.next.address = cursor.address;
        let stop =
            take_events(&frame, &mut page, limit, filter, &mut names).map_err(|e| cursor.damaged(e))?;
        if stop {
            page.next.address = cursor.frame_address;
        }
        page.looked_at += page.next.position.saturating_sub(begin);
        cursor.address = page.next.address;
    }
    Ok(Some(page))
}

/// Takes from a frame what is wanted; true when the limit came before its end.
fn take_events(
    frame: &Frame,
    page: &mut Page,
    limit: usize,
    filter: &Filter,
    names: &mut Names,
) -> Result<bool, FrameError> {
    let after = frame.header.last_position() + 1;
    if after <= page.next.position {
        return Ok(false);
    }
    let stream = frame.stream()?;
    if !filter.lets_stream_through(stream) {
        page.next.position = after;
        return Ok(false);
    }
    let stream = names.get(stream);
    for (n, event) in (0..).zip(frame.events()) {
        let position = frame.header.first_position + n;
        if position < page.next.position {
            continue;
        }
        let event = event?;
        page.next.position = position + 1;
        if filter.lets_through(&stream, event.event_type) {
            page.events.push(recorded(frame, n, &event, &stream, names));
            if page.events.len() == limit {
                return Ok(position + 1 < after);
            }
        }
    }
    Ok(false)
}

/// Up to `limit` events that the filter lets through, from `position` (inclusive) back. `None` when the disk is needed.
pub(super) fn backwards(
    shared: &Shared,
    position: Position,
    limit: usize,
    filter: &Filter,
    from: From,
) -> Result<Option<AllPage>, ReadError> {
    let mut page = AllPage { events: Vec::new(), next: None };
    let mut to = position.min(shared.index.read().head());
    let mut names = Names::default();
    let mut bytes = 0;
    while to > 0 {
        if page.events.len() == limit || bytes >= PAGE_BYTES_MAX {
            page.next = Some(to);
            break;
        }
        let (address, first) = shared.index.read().seek(to);
        let mut cursor = Cursor::new(shared, address, from);
        let mut block = Page { events: Vec::new(), next: Spot { address, position: first }, looked_at: 0 };
        while block.next.position <= to {
            let frame = match cursor.frame()? {
                Step::Frame(frame) => frame,
                Step::NeedsDisk => return Ok(None),
                Step::End => break,
            };
            bytes += frame.header.len as usize;
            take_events(&frame, &mut block, usize::MAX, filter, &mut names).map_err(|e| cursor.damaged(e))?;
        }
        let room = limit - page.events.len();
        let wanted = block.events.into_iter().rev().skip_while(|event| event.position > to);
        page.events.extend(wanted.take(room));
        to = match page.events.last() {
            Some(last) if page.events.len() == limit => last.position - 1,
            _ => first - 1,
        };
    }
    Ok(Some(page))
}

/// The events of a stream at the revisions `lo` to `hi` (exclusive), as far as they are there. `None` when the disk is needed.
pub(super) fn stream_range(
    shared: &Shared,
    stream: &str,
    lo: Revision,
    hi: Revision,
    from: From,
) -> Result<Option<Vec<RecordedEvent>>, ReadError> {
    let (name, frames): (_, Vec<FrameRef>) = {
        let index = shared.index.read();
        let Some(stream) = index.stream(stream) else { return Ok(Some(Vec::new())) };
        let frames = stream.frames_from(lo).take_while(|frame| frame.first_revision < hi).collect();
        (Arc::clone(stream.name()), frames)
    };
    let mut events = Vec::new();
    let mut names = Names::default();
    let Some(first) = frames.first() else { return Ok(Some(events)) };
    let mut cursor = Cursor::new(shared, first.address, from);
    for (at, wanted) in frames.iter().enumerate() {
        cursor.address = wanted.address;
        if !cursor.covers(wanted.address) {
            cursor.read_bytes = span(&frames[at..]);
        }
        let frame = match cursor.frame()? {
            Step::Frame(frame) => frame,
            Step::NeedsDisk => return Ok(None),
            Step::End => return Err(cursor.damaged(FrameError::Short)),
        };
        if frame.header.first_revision != wanted.first_revision || frame.stream().ok() != Some(&*name) {
            return Err(cursor.damaged(FrameError::Events));
        }
        for (n, event) in (0..).zip(frame.events()) {
            let event = event.map_err(|e| cursor.damaged(e))?;
            if (lo..hi).contains(&(wanted.first_revision + n)) {
                events.push(recorded(&frame, n, &event, &name, &mut names));
            }
        }
    }
    Ok(Some(events))
}

/// How many bytes to read at once so as to get the first of these frames and those that lie close behind it.
fn span(frames: &[FrameRef]) -> u32 {
    let Some(first) = frames.first() else { return FRAME_GUESS_BYTES };
    let mut bytes = FRAME_GUESS_BYTES;
    for frame in &frames[1..] {
        let same_segment = frame.address.segment() == first.address.segment();
        let distance = frame.address.offset().saturating_sub(first.address.offset());
        if !same_segment || distance > bytes + GAP_BYTES_MAX || bytes >= SEQUENTIAL_READ_BYTES {
            break;
        }
        bytes = distance + FRAME_GUESS_BYTES;
    }
    bytes
}

fn recorded(
    frame: &Frame,
    n: u64,
    event: &EventRef<'_>,
    stream: &Arc<str>,
    names: &mut Names,
) -> RecordedEvent {
    RecordedEvent {
        position: frame.header.first_position + n,
        stream: Arc::clone(stream),
        revision: frame.header.first_revision + n,
        id: event.id,
        event_type: names.get(event.event_type),
        created_ms: frame.header.created_ms,
        data: frame.share(event.data),
        metadata: frame.share(event.metadata),
    }
}

/// The names met on a page, so that its events share them.
#[derive(Default)]
struct Names(AHashSet<Arc<str>>);

impl Names {
    fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

enum Step {
    Frame(Frame),
    End,
    NeedsDisk,
}

/// Walks the frames of the log.
struct Cursor<'a> {
    shared: &'a Shared,
    /// The next frame.
    address: Address,
    /// The frame last delivered.
    frame_address: Address,
    from: From,
    /// How much to take from disk at once.
    read_bytes: u32,
    chunk: Option<Chunk>,
}

struct Chunk {
    address: Address,
    bytes: Bytes,
    /// The bytes came from this process's memory.
    verified: bool,
    path: Option<Arc<Path>>,
}

impl<'a> Cursor<'a> {
    fn new(shared: &'a Shared, address: Address, from: From) -> Self {
        let read_bytes = SEQUENTIAL_READ_BYTES;
        Self { shared, address, frame_address: address, from, read_bytes, chunk: None }
    }

    /// Whether the frame at `address` begins in what was read last.
    fn covers(&self, address: Address) -> bool {
        self.chunk.as_ref().is_some_and(|chunk| chunk.rest(address).is_some())
    }

    /// The frame at `address`; moves on to the next.
    fn frame(&mut self) -> Result<Step, ReadError> {
        let mut at_least = 0;
        loop {
            if let Some((chunk, rest)) = self.chunk.as_ref().and_then(|c| Some((c, c.rest(self.address)?))) {
                match Frame::parse(&rest, self.shared.salt, chunk.verified) {
                    Ok(frame) => {
                        self.frame_address = self.address;
                        self.address = self.address.plus(frame.header.len);
                        return Ok(Step::Frame(frame));
                    }
                    Err(FrameError::Short) if at_least == 0 => {
                        let header = FrameHeader::parse(&rest, self.shared.salt);
                        at_least = header.map_or(FRAME_HEADER_BYTES as u32, |header| header.len);
                    }
                    Err(FrameError::Short) if at_least == FRAME_HEADER_BYTES as u32 => {
                        at_least = FrameHeader::parse(&rest, self.shared.salt)
                            .map_err(|error| self.damaged(error))?
                            .len;
                    }
                    Err(error) => return Err(self.damaged(error)),
                }
            }
            let located = self.shared.index.read().locate(self.address);
            match located {
                Located::End => return Ok(Step::End),
                Located::Memory { address, bytes } => {
                    self.address = address;
                    self.chunk = Some(Chunk { address, bytes, verified: true, path: None });
                }
                Located::Disk { .. } if self.from == From::Memory => return Ok(Step::NeedsDisk),
                Located::Disk { address, path, len } => {
                    self.address = address;
                    self.chunk = Some(read_chunk(address, path, len.min(self.read_bytes.max(at_least)))?);
                }
            }
        }
    }

    fn damaged(&self, error: FrameError) -> ReadError {
        let file = self.chunk.as_ref().and_then(|chunk| chunk.path.as_deref());
        let file = file.map_or_else(|| "memory".to_owned(), |path| path.display().to_string());
        ReadError::Damaged {
            place: format!("{file}, byte {}", self.address.offset()),
            reason: error.to_string(),
        }
    }
}

impl Chunk {
    fn rest(&self, address: Address) -> Option<Bytes> {
        if address.segment() != self.address.segment() {
            return None;
        }
        let skip = address.offset().checked_sub(self.address.offset())? as usize;
        (skip < self.bytes.len()).then(|| self.bytes.slice(skip..))
    }
}

fn read_chunk(address: Address, path: Arc<Path>, len: u32) -> Result<Chunk, ReadError> {
    metrics::disk_read(u64::from(len));
    let mut bytes = vec![0; len as usize];
    File::open(&path)
        .and_then(|file| file.read_exact_at(&mut bytes, u64::from(address.offset())))
        .map_err(|error| ReadError::Unavailable { reason: format!("{}: {error}", path.display()) })?;
    Ok(Chunk { address, bytes: bytes.into(), verified: false, path: Some(path) })
}
