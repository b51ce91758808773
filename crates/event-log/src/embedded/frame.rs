//! A frame: one append as it lies in a segment.
//!
//! All numbers are little endian; a frame begins at a multiple of 8 and is padded with zeros to one.
//!
//! | byte | size | what |
//! |---|---|---|
//! | 0 | 4 | `NmF1` |
//! | 4 | 4 | CRC-32C of bytes 8 to 56 |
//! | 8 | 4 | CRC-32C of all bytes from 56 |
//! | 12 | 4 | length of the frame |
//! | 16 | 8 | position of the first event |
//! | 24 | 8 | revision of the first event |
//! | 32 | 8 | number of the group it was committed in |
//! | 40 | 8 | when, in milliseconds since the Unix epoch |
//! | 48 | 4 | where in this segment its group begins |
//! | 52 | 2 | number of events |
//! | 54 | 2 | length of the stream's name |
//! | 56 | | the stream's name, then each event: id (16), length of type (2), data (4) and metadata (4), and these three |
//!
//! Both checksums begin with the log's salt, so that bytes of a client that look like a frame are none.

use bytes::Bytes;
use uuid::Uuid;

use crate::limits::event_bytes;
use crate::types::{NewEvent, Position, Revision};

/// The fixed part of a frame, in bytes.
pub(super) const FRAME_HEADER_BYTES: usize = 56;
/// Frames begin at multiples of this.
pub(super) const FRAME_ALIGN: usize = 8;
/// The fixed part of an event in a frame, in bytes.
const EVENT_HEADER_BYTES: usize = 16 + 2 + 4 + 4;
const MAGIC: [u8; 4] = *b"NmF1";

/// What the fixed part of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Length of the whole frame, in bytes.
    pub(super) len: u32,
    pub(super) first_position: Position,
    pub(super) first_revision: Revision,
    /// Number of the group that it was committed in.
    pub(super) commit: u64,
    pub(super) created_ms: i64,
    /// Where in its segment the group begins.
    pub(super) commit_start: u32,
    pub(super) event_count: u16,
    stream_len: u16,
    body_crc: u32,
}

/// What a writer says of a frame; the rest of its header follows from its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameStart {
    pub(super) first_position: Position,
    pub(super) first_revision: Revision,
    pub(super) commit: u64,
    pub(super) commit_start: u32,
    pub(super) created_ms: i64,
}

/// An event inside a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventRef<'a> {
    pub(super) id: Uuid,
    pub(super) event_type: &'a str,
    pub(super) data: &'a [u8],
    pub(super) metadata: &'a [u8],
}

/// Bytes of a stored append that do not say what a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the frame's header does not match its checksum")]
    Header,
    #[error("the frame is longer than what is there")]
    Short,
    #[error("the frame's content does not match its checksum")]
    Body,
    #[error("the frame's events do not fill it")]
    Events,
}

impl FrameHeader {
    /// Reads a header; `None` unless its checksum matches.
    pub(super) fn parse(bytes: &[u8], salt: u32) -> Result<Self, FrameError> {
        let head = bytes.first_chunk::<FRAME_HEADER_BYTES>().ok_or(FrameError::Short)?;
        if head[..4] != MAGIC || crc32c::crc32c_append(salt, &head[8..]) != u32_at(head, 4) {
            return Err(FrameError::Header);
        }
        let header = Self {
            body_crc: u32_at(head, 8),
            len: u32_at(head, 12),
            first_position: u64_at(head, 16),
            first_revision: u64_at(head, 24),
            commit: u64_at(head, 32),
            created_ms: u64_at(head, 40).cast_signed(),
            commit_start: u32_at(head, 48),
            event_count: u16_at(head, 52),
            stream_len: u16_at(head, 54),
        };
        if header.len as usize <= FRAME_HEADER_BYTES || header.event_count == 0 {
            return Err(FrameError::Header);
        }
        Ok(header)
    }

    /// The position of the last event.
    pub(super) fn last_position(&self) -> Position {
        self.first_position + u64::from(self.event_count) - 1
    }
}

/// A frame in memory.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) header: FrameHeader,
    bytes: Bytes,
}

impl Frame {
    /// The frame at the beginning of `bytes`. `verified` bytes came from this process's memory: their content is not
    /// summed again.
    pub(super) fn parse(bytes: &Bytes, salt: u32, verified: bool) -> Result<Self, FrameError> {
        let header = FrameHeader::parse(bytes, salt)?;
        let len = header.len as usize;
        if bytes.len() < len {
            return Err(FrameError::Short);
        }
        let frame = Self { header, bytes: bytes.slice(..len) };
        if !verified && crc32c::crc32c_append(salt, &frame.bytes[FRAME_HEADER_BYTES..]) != header.body_crc {
            return Err(FrameError::Body);
        }
        Ok(frame)
    }

    /// The stream's name.
    pub(super) fn stream(&self) -> Result<&str, FrameError> {
        let end = FRAME_HEADER_BYTES + usize::from(self.header.stream_len);
        let name = self.bytes.get(FRAME_HEADER_BYTES..end).ok_or(FrameError::Events)?;
        std::str::from_utf8(name).map_err(|_| FrameError::Events)
    }

    /// The events, in order.
    pub(super) fn events(&self) -> Events<'_> {
        let begin = FRAME_HEADER_BYTES + usize::from(self.header.stream_len);
        Events { rest: self.bytes.get(begin..).unwrap_or_default(), left: self.header.event_count }
    }

    /// The part of this frame's bytes that `part`, one of its slices, is; without copying.
    pub(super) fn share(&self, part: &[u8]) -> Bytes {
        self.bytes.slice_ref(part)
    }
}

/// The events of a frame, in order.
pub(super) struct Events<'a> {
    rest: &'a [u8],
    left: u16,
}

impl<'a> Events<'a> {
    fn split(&mut self) -> Option<EventRef<'a>> {
        let (head, rest) = self.rest.split_first_chunk::<EVENT_HEADER_BYTES>()?;
        let (event_type, rest) = rest.split_at_checked(usize::from(u16_at(head, 16)))?;
        let (data, rest) = rest.split_at_checked(u32_at(head, 18) as usize)?;
        let (metadata, rest) = rest.split_at_checked(u32_at(head, 22) as usize)?;
        self.rest = rest;
        let id = Uuid::from_slice(&head[..16]).ok()?;
        Some(EventRef { id, event_type: std::str::from_utf8(event_type).ok()?, data, metadata })
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<EventRef<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let event = self.split().ok_or(FrameError::Events);
        if event.is_err() {
            self.left = 0;
        }
        Some(event)
    }
}

/// How long the frame of this append is, in bytes.
pub(super) fn frame_len(stream: &str, events: &[NewEvent]) -> usize {
    let content: usize = events.iter().map(|event| EVENT_HEADER_BYTES + event_bytes(event)).sum();
    (FRAME_HEADER_BYTES + stream.len() + content).next_multiple_of(FRAME_ALIGN)
}

/// Writes the frame of an append to the end of `out`. The append is within the limits of [`crate::types`].
pub(super) fn encode(out: &mut Vec<u8>, salt: u32, start: FrameStart, stream: &str, events: &[NewEvent]) {
    let begin = out.len();
    let len = frame_len(stream, events);
    out.reserve(len);
    out.resize(begin + FRAME_HEADER_BYTES, 0);
    out.extend_from_slice(stream.as_bytes());
    for event in events {
        out.extend_from_slice(event.id.as_bytes());
        out.extend_from_slice(&(event.event_type.len() as u16).to_le_bytes());
        out.extend_from_slice(&(event.data.len() as u32).to_le_bytes());
        out.extend_from_slice(&(event.metadata.len() as u32).to_le_bytes());
        out.extend_from_slice(event.event_type.as_bytes());
        out.extend_from_slice(&event.data);
        out.extend_from_slice(&event.metadata);
    }
    out.resize(begin + len, 0);

    let body_crc = crc32c::crc32c_append(salt, &out[begin + FRAME_HEADER_BYTES..]);
    let head = &mut out[begin..begin + FRAME_HEADER_BYTES];
    head[..4].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&body_crc.to_le_bytes());
    head[12..16].copy_from_slice(&(len as u32).to_le_bytes());
    head[16..24].copy_from_slice(&start.first_position.to_le_bytes());
    head[24..32].copy_from_slice(&start.first_revision.to_le_bytes());
    head[32..40].copy_from_slice(&start.commit.to_le_bytes());
    head[40..48].copy_from_slice(&start.created_ms.to_le_bytes());
    head[48..52].copy_from_slice(&start.commit_start.to_le_bytes());
    head[52..54].copy_from_slice(&(events.len() as u16).to_le_bytes());
    head[54..56].copy_from_slice(&(stream.len() as u16).to_le_bytes());
    let head_crc = crc32c::crc32c_append(salt, &head[8..]);
    head[4..8].copy_from_slice(&head_crc.to_le_bytes());
}

/// The number at `at`. The caller has checked that it is there.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let mut number = [0; 2];
    number.copy_from_slice(&bytes[at..at + 2]);
    u16::from_le_bytes(number)
}

/// The number at `at`. The caller has checked that it is there.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// The number at `at`. The caller has checked that it is there.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<NewEvent>, FrameStart) {
        let event = |n: u128| NewEvent {
            id: Uuid::from_u128(n),
            event_type: "Type".into(),
            data: Bytes::from(vec![n as u8; n as usize]),
            metadata: Bytes::from_static(b"{}"),
        };
        let start =
            FrameStart { first_position: 7, first_revision: 3, commit: 5, commit_start: 64, created_ms: -1 };
        ((0..4).map(event).collect(), start)
    }

    #[test]
    fn a_frame_says_what_was_encoded() {
        let (events, start) = sample();
        let mut out = Vec::new();
        encode(&mut out, 9, start, "stream", &events);
        assert_eq!(out.len(), frame_len("stream", &events));
        let frame = Frame::parse(&Bytes::from(out), 9, false).unwrap();
        assert_eq!(frame.stream().unwrap(), "stream");
        assert_eq!((frame.header.first_position, frame.header.last_position()), (7, 10));
        assert_eq!((frame.header.first_revision, frame.header.event_count), (3, 4));
        assert_eq!((frame.header.created_ms, frame.header.commit, frame.header.commit_start), (-1, 5, 64));
        let read: Vec<_> = frame.events().map(Result::unwrap).collect();
        assert_eq!(read.len(), 4);
        for (read, event) in read.iter().zip(&events) {
            assert_eq!((read.id, read.event_type, read.data), (event.id, &*event.event_type, &*event.data));
            assert_eq!(frame.share(read.metadata), event.metadata);
        }
    }

    #[test]
    fn every_flipped_bit_and_a_foreign_salt_are_found() {
        let (events, start) = sample();
        let mut out = Vec::new();
        encode(&mut out, 9, start, "stream", &events);
        assert!(Frame::parse(&Bytes::from(out.clone()), 8, false).is_err());
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::parse(&Bytes::from(bad), 9, false).is_err(), "bit {bit}");
        }
        for len in 0..out.len() {
            assert!(Frame::parse(&Bytes::from(out[..len].to_vec()), 9, false).is_err(), "{len} bytes");
        }
    }
}
