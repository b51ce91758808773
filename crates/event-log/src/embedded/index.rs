//! What the log knows of its files without reading them, shared by the writer and all readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ahash::AHashMap;
use bytes::Bytes;

use super::segment::SEGMENT_HEADER_BYTES;
use super::stream_index::StreamIndex;
use super::tail::Tail;
use crate::types::Position;

/// A position is noted about every so many bytes of a segment; a reader of one position looks at no more than this and
/// one frame.
const POINT_BYTES: u32 = 64 * 1024;

/// Where a frame is: the number of its segment, from 0, and the byte in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address(u64);

impl Address {
    /// The byte `offset` of segment number `segment`.
    pub(super) fn new(segment: u32, offset: u32) -> Self {
        Self(u64::from(segment) << 32 | u64::from(offset))
    }

    pub(super) fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(super) fn offset(self) -> u32 {
        self.0 as u32
    }

    /// The address `bytes` further in the same segment.
    pub(super) fn plus(self, bytes: u32) -> Self {
        Self(self.0 + u64::from(bytes))
    }

    /// As a number that is small to write: frames begin at multiples of 8.
    pub(super) fn packed(self) -> u64 {
        self.0 / 8
    }

    pub(super) fn from_packed(packed: u64) -> Self {
        Self(packed * 8)
    }
}

/// A frame that was committed.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    /// The stream's number; a new stream has the next one.
    pub(super) stream: u32,
    pub(super) name: Arc<str>,
    pub(super) offset: u32,
    pub(super) first_position: Position,
    pub(super) event_count: u16,
}

/// A file of the log.
#[derive(Debug)]
struct Segment {
    path: Arc<Path>,
    first_position: Position,
    points: Vec<Point>,
    /// Where the committed frames end.
    end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    position: Position,
    offset: u32,
}

/// Where the bytes at an address are.
#[derive(Debug)]
pub(super) enum Located {
    /// Behind the last committed event.
    End,
    /// In memory, from `address` to the end of a group.
    Memory { address: Address, bytes: Bytes },
    /// On disk: there are `len` committed bytes from `address` on.
    Disk { address: Address, path: Arc<Path>, len: u32 },
}

/// Everything that was committed, as far as it is kept in memory.
#[derive(Debug)]
pub(super) struct Index {
    segments: Vec<Segment>,
    names: AHashMap<Arc<str>, u32>,
    streams: Vec<StreamIndex>,
    tail: Tail,
    head: Position,
}

impl Index {
    /// The index of a log without segments.
    pub(super) fn new(tail_bytes_max: usize) -> Self {
        Self {
            segments: Vec::new(),
            names: AHashMap::new(),
            streams: Vec::new(),
            tail: Tail::new(tail_bytes_max),
            head: 0,
        }
    }

    /// The position of the last event.
    pub(super) fn head(&self) -> Position {
        self.head
    }

    /// The stream of this name, if it has events.
    pub(super) fn stream(&self, name: &str) -> Option<&StreamIndex> {
        self.streams.get(*self.names.get(name)? as usize)
    }

    /// All streams in the order of their numbers.
    pub(super) fn streams(&self) -> &[StreamIndex] {
        &self.streams
    }

    /// The stream's number; a new one is added without frames.
    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = self.streams.len() as u32;
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name), number);
        self.streams.push(StreamIndex::new(name));
        number
    }

    /// Adds an empty segment behind all others and answers its number.
    pub(super) fn add_segment(&mut self, path: PathBuf, first_position: Position) -> u32 {
        let number = self.segments.len() as u32;
        let end = SEGMENT_HEADER_BYTES as u32;
        self.segments.push(Segment { path: path.into(), first_position, points: Vec::new(), end });
        number
    }

    /// Adds a frame of the last segment that ends at `end`.
    pub(super) fn add_frame(&mut self, frame: &Committed, end: u32) {
        let number = self.segments.len().saturating_sub(1) as u32;
        let Some(segment) = self.segments.last_mut() else { return };
        if segment.points.last().is_none_or(|point| frame.offset - point.offset >= POINT_BYTES) {
            segment.points.push(Point { position: frame.first_position, offset: frame.offset });
        }
        segment.end = end;
        if frame.stream as usize == self.streams.len() {
            self.names.insert(Arc::clone(&frame.name), frame.stream);
            self.streams.push(StreamIndex::new(Arc::clone(&frame.name)));
        }
        if let Some(stream) = self.streams.get_mut(frame.stream as usize) {
            stream.push(Address::new(number, frame.offset), frame.event_count);
        }
        self.head = frame.first_position + u64::from(frame.event_count) - 1;
    }

    /// Adds a committed group of the last segment: its frames and its bytes.
    pub(super) fn add_group(&mut self, frames: &[Committed], offset: u32, bytes: Bytes) {
        let ends = frames.iter().skip(1).map(|frame| frame.offset);
        for (frame, end) in frames.iter().zip(ends.chain([offset + bytes.len() as u32])) {
            self.add_frame(frame, end);
        }
        let number = self.segments.len().saturating_sub(1) as u32;
        self.tail.push(Address::new(number, offset), bytes);
    }

    /// Where to begin to read so as to find the event at `position`, and the position found there.
    pub(super) fn seek(&self, position: Position) -> (Address, Position) {
        let after = self.segments.partition_point(|segment| segment.first_position <= position);
        let number = after.saturating_sub(1);
        let Some(segment) = self.segments.get(number) else {
            return (Address::new(0, SEGMENT_HEADER_BYTES as u32), 1);
        };
        let after = segment.points.partition_point(|point| point.position <= position);
        let begin = Point { position: segment.first_position, offset: SEGMENT_HEADER_BYTES as u32 };
        let point = after.checked_sub(1).and_then(|at| segment.points.get(at)).unwrap_or(&begin);
        (Address::new(number as u32, point.offset), point.position)
    }

    /// Where the bytes at `address` are; at the end of a segment, those of the next one.
    pub(super) fn locate(&self, mut address: Address) -> Located {
        loop {
            let Some(segment) = self.segments.get(address.segment() as usize) else { return Located::End };
            if address.offset() < segment.end {
                if let Some(bytes) = self.tail.at(address) {
                    return Located::Memory { address, bytes };
                }
                let len = segment.end - address.offset();
                return Located::Disk { address, path: Arc::clone(&segment.path), len };
            }
            if address.segment() as usize + 1 >= self.segments.len() {
                return Located::End;
            }
            address = Address::new(address.segment() + 1, SEGMENT_HEADER_BYTES as u32);
        }
    }
}
