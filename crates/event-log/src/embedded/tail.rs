//! The newest groups, kept in memory for those who read at the head.

use std::collections::VecDeque;

use bytes::Bytes;

use super::index::Address;

/// The newest committed groups, at most so many bytes of them.
#[derive(Debug)]
pub(super) struct Tail {
    groups: VecDeque<Group>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Group {
    address: Address,
    bytes: Bytes,
}

impl Tail {
    /// An empty tail that keeps up to `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { groups: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Adds the group that was committed at `address`; the oldest ones make room.
    pub(super) fn push(&mut self, address: Address, bytes: Bytes) {
        self.bytes += bytes.len();
        self.groups.push_back(Group { address, bytes });
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.groups.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
        }
    }

    /// The bytes from `address` to the end of its group, when it is still here.
    pub(super) fn at(&self, address: Address) -> Option<Bytes> {
        let after = self.groups.partition_point(|group| group.address <= address);
        let group = self.groups.get(after.checked_sub(1)?)?;
        if group.address.segment() != address.segment() {
            return None;
        }
        let skip = (address.offset() - group.address.offset()) as usize;
        (skip < group.bytes.len()).then(|| group.bytes.slice(skip..))
    }
}
