//! What waits for a socket that cannot be written to: bounded, the urgent first, of each board only the newest.
//!
//! While nothing waits, a frame is written by the thread that sends it, and the outbox holds no memory.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use super::wire::Wire;

/// The order in which frames leave: a frame overtakes all of a later class that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Answers to what the client asked.
    Answer,
    /// Attack alerts.
    Attack,
    /// What all in a battle must hear.
    Broadcast,
    /// Everything else but boards, which have a place of their own before this class.
    Default,
}

/// Which board a frame is a newer version of.
pub(crate) type BoardKey = u128;

/// Frames of these classes leave before the boards.
const CLASSES_BEFORE_BOARDS: usize = Class::Default as usize;
const CLASSES: usize = Class::Default as usize + 1;
/// Frames that are written with one call.
const FRAMES_AT_ONCE: usize = 8;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The kernel has it.
    Written,
    /// It waits; the socket's task must see to it.
    Waiting,
    /// The bound was reached; the socket must be cut off.
    Overflow,
    /// The socket is closed; the frame was dropped.
    Closed,
    /// The connection is broken; the socket's task must end.
    Broken,
}

/// The frames on their way to one socket.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Nothing more is taken.
    is_closed: bool,
    /// Only while something waits.
    backlog: Option<Box<Backlog>>,
}

#[derive(Debug, Default)]
struct Backlog {
    /// What is left of a frame that was written in part. It must leave before anything else.
    partial: Bytes,
    classes: [VecDeque<Bytes>; CLASSES],
    boards: VecDeque<(BoardKey, Bytes)>,
    /// Leaves last.
    close: Option<Bytes>,
    bytes: usize,
}

impl Outbox {
    /// Writes the frame now or lets it wait.
    pub(crate) fn send(&mut self, wire: &Wire, class: Class, frame: &Bytes, bytes_max: usize) -> Sent {
        self.offer(wire, frame, bytes_max, |backlog| {
            backlog.bytes += frame.len();
            backlog.classes[class as usize].push_back(frame.clone());
        })
    }

    /// Writes the board now, or lets it wait in place of an older one of the same key.
    pub(crate) fn send_board(&mut self, wire: &Wire, key: BoardKey, frame: &Bytes, bytes_max: usize) -> Sent {
        self.offer(wire, frame, bytes_max, |backlog| backlog.put_board(key, frame.clone()))
    }

    /// Writes the close frame behind everything that waits; nothing is taken after it. Answers whether it was open before.
    pub(crate) fn close(&mut self, frame: Bytes) -> bool {
        if self.is_closed {
            return false;
        }
        self.is_closed = true;
        let backlog = self.backlog.get_or_insert_default();
        backlog.bytes += frame.len();
        backlog.close = Some(frame);
        true
    }

    /// Drops everything that waits but the newest board, and closes.
    pub(crate) fn cut_off(&mut self, frame: Bytes) -> bool {
        if let Some(backlog) = &mut self.backlog {
            backlog.classes = Default::default();
            backlog.boards.drain(..backlog.boards.len().saturating_sub(1));
            backlog.bytes = backlog.in_order().map(Bytes::len).sum();
        }
        self.close(frame)
    }

    /// Whether something waits.
    #[cfg(test)]
    pub(crate) fn is_waiting(&self) -> bool {
        self.backlog.is_some()
    }

    /// Whether the socket is being closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes what waits. Ready when nothing waits any more, the close frame included.
    pub(crate) fn poll_flush(&mut self, wire: &Wire, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(backlog) = &mut self.backlog {
            let written = ready!(wire.poll_write(cx, &backlog.next_slices()))?;
            if written == 0 && !backlog.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            backlog.remove(written);
            if backlog.is_empty() {
                self.backlog = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn offer(
        &mut self,
        wire: &Wire,
        frame: &Bytes,
        bytes_max: usize,
        wait: impl FnOnce(&mut Backlog),
    ) -> Sent {
        if self.is_closed {
            return Sent::Closed;
        }
        if self.backlog.is_none() {
            match wire.try_write(frame) {
                Ok(written) if written == frame.len() => return Sent::Written,
                Ok(written) => {
                    let partial = frame.slice(written..);
                    self.backlog =
                        Some(Box::new(Backlog { bytes: partial.len(), partial, ..Backlog::default() }));
                    return Sent::Waiting;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.is_closed = true;
                    return Sent::Broken;
                }
            }
        }
        let backlog = self.backlog.get_or_insert_default();
        wait(backlog);
        if backlog.bytes > bytes_max { Sent::Overflow } else { Sent::Waiting }
    }
}

impl Backlog {
    /// An older board of this key is replaced, and the newest board always stands last.
    fn put_board(&mut self, key: BoardKey, frame: Bytes) {
        if let Some(at) = self.boards.iter().position(|(held, _)| *held == key)
            && let Some((_, older)) = self.boards.remove(at)
        {
            self.bytes -= older.len();
        }
        self.bytes += frame.len();
        self.boards.push_back((key, frame));
    }

    fn is_empty(&self) -> bool {
        self.in_order().next().is_none()
    }

    /// All that waits, in the order in which it leaves.
    fn in_order(&self) -> impl Iterator<Item = &Bytes> {
        let (before, after) = self.classes.split_at(CLASSES_BEFORE_BOARDS);
        std::iter::once(&self.partial)
            .filter(|partial| !partial.is_empty())
            .chain(before.iter().flatten())
            .chain(self.boards.iter().map(|(_, frame)| frame))
            .chain(after.iter().flatten())
            .chain(&self.close)
    }

    /// The frames that leave next.
    fn next_slices(&self) -> [IoSlice<'_>; FRAMES_AT_ONCE] {
        let mut slices = [IoSlice::new(&[]); FRAMES_AT_ONCE];
        for (slice, frame) in slices.iter_mut().zip(self.in_order()) {
            *slice = IoSlice::new(frame);
        }
        slices
    }

    /// Forgets the first bytes of what waits, because the kernel has them.
    fn remove(&mut self, mut written: usize) {
        self.bytes -= written;
        while written > 0 {
            if self.partial.is_empty() {
                let Some(frame) = self.pop() else { return };
                self.partial = frame;
            }
            let taken = written.min(self.partial.len());
            self.partial.advance(taken);
            written -= taken;
        }
    }

    /// The next whole frame.
    fn pop(&mut self) -> Option<Bytes> {
        let (before, after) = self.classes.split_at_mut(CLASSES_BEFORE_BOARDS);
        before
            .iter_mut()
            .find_map(VecDeque::pop_front)
            .or_else(|| self.boards.pop_front().map(|(_, frame)| frame))
            .or_else(|| after.iter_mut().find_map(VecDeque::pop_front))
            .or_else(|| self.close.take())
    }
}

#[cfg(test)]
mod tests;
