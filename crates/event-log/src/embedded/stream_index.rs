//! Where the frames of one stream are: two or three varints a frame, and a place to begin every so many frames.
//!
//! A frame takes 3 to 5 bytes: its distance from the stream's previous frame (in units of 8 bytes) and its number of
//! events. Reading from a revision begins at the last [`Skip`] before it.

use std::sync::Arc;

use super::index::Address;
use crate::types::Revision;

/// A skip is kept every so many frames.
const SKIP_FRAMES: u32 = 64;

/// The frames of one stream.
#[derive(Debug)]
pub(super) struct StreamIndex {
    name: Arc<str>,
    next_revision: Revision,
    frames: u32,
    last_address: u64,
    packed: Vec<u8>,
    skips: Vec<Skip>,
}

/// The state of a walk before a frame.
#[derive(Clone, Copy, Debug)]
struct Skip {
    revision: Revision,
    previous_address: u64,
    packed_at: usize,
}

/// A frame of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameRef {
    pub(super) address: Address,
    pub(super) first_revision: Revision,
    pub(super) next_revision: Revision,
}

impl StreamIndex {
    /// A stream without frames.
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, next_revision: 0, frames: 0, last_address: 0, packed: Vec::new(), skips: Vec::new() }
    }

    /// The stream's name.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The revision that the next event gets: the number of its events.
    pub(super) fn next_revision(&self) -> Revision {
        self.next_revision
    }

    /// Adds the frame at `address`, behind all others.
    pub(super) fn push(&mut self, address: Address, event_count: u16) {
        if self.frames.is_multiple_of(SKIP_FRAMES) && self.frames > 0 {
            self.skips.push(Skip {
                revision: self.next_revision,
                previous_address: self.last_address,
                packed_at: self.packed.len(),
            });
        }
        let packed = address.packed();
        push_varint(&mut self.packed, packed - self.last_address);
        push_varint(&mut self.packed, u64::from(event_count));
        self.last_address = packed;
        self.next_revision += u64::from(event_count);
        self.frames += 1;
    }

    /// The frames from the one that holds `revision` on.
    pub(super) fn frames_from(&self, revision: Revision) -> impl Iterator<Item = FrameRef> + '_ {
        let before = self.skips.partition_point(|skip| skip.revision <= revision);
        let begin = Skip { revision: 0, previous_address: 0, packed_at: 0 };
        let skip = before.checked_sub(1).and_then(|at| self.skips.get(at)).unwrap_or(&begin);
        let walk = Walk {
            packed: self.packed.get(skip.packed_at..).unwrap_or_default(),
            address: skip.previous_address,
            revision: skip.revision,
        };
        walk.skip_while(move |frame| frame.next_revision <= revision)
    }
}

struct Walk<'a> {
    packed: &'a [u8],
    address: u64,
    revision: Revision,
}

impl Iterator for Walk<'_> {
    type Item = FrameRef;

    fn next(&mut self) -> Option<FrameRef> {
        self.address += take_varint(&mut self.packed)?;
        let first_revision = self.revision;
        self.revision += take_varint(&mut self.packed)?;
        Some(FrameRef {
            address: Address::from_packed(self.address),
            first_revision,
            next_revision: self.revision,
        })
    }
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_revision_from_any_place() {
        let mut index = StreamIndex::new("s".into());
        let mut frames = Vec::new();
        for n in 0..1_000_u32 {
            let count = 1 + (n % 5) as u16 * 100;
            let address = Address::new(n / 300, 64 + (n % 300) * 8 * (1 + n % 9_000));
            let first_revision = index.next_revision();
            index.push(address, count);
            frames.push(FrameRef { address, first_revision, next_revision: index.next_revision() });
        }
        for (at, frame) in frames.iter().enumerate() {
            for revision in [frame.first_revision, frame.next_revision - 1] {
                let found: Vec<_> = index.frames_from(revision).take(70).collect();
                assert_eq!(found, frames[at..(at + 70).min(1_000)], "revision {revision}");
            }
        }
        assert_eq!(index.frames_from(index.next_revision()).next(), None);
        assert!(index.packed.len() < 6 * 1_000, "{} bytes", index.packed.len());
    }
}
