//! A group: the appends that are committed together, until they are.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::config::{GROUP_APPENDS_MAX, GROUP_BYTES_MAX};
use super::index::Committed;
use crate::error::AppendError;
use crate::types::{Append, Appended, Position, Revision};

/// What an append is answered.
pub(super) type Answer = Result<Appended, AppendError>;

/// An append that waits for the writer.
pub(super) struct Waiting {
    pub(super) append: Append,
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// How to take back what an append changed in the writer's view of a stream.
pub(super) struct Undo {
    pub(super) stream: Arc<str>,
    /// `None`: the stream did not exist.
    pub(super) next_revision: Option<Revision>,
}

/// The appends that are committed together. Nobody is answered before the commit: even a refusal may rest on an
/// append of the same group.
pub(super) struct Group {
    pub(super) bytes: Vec<u8>,
    pub(super) frames: Vec<Committed>,
    pub(super) undo: Vec<Undo>,
    /// How many ids were remembered for it.
    pub(super) ids: usize,
    pub(super) next_position: Position,
    pub(super) created_ms: i64,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

impl Group {
    /// An empty group whose first event gets `next_position`.
    pub(super) fn new(next_position: Position, created_ms: i64, bytes_expected: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes_expected),
            frames: Vec::new(),
            undo: Vec::new(),
            ids: 0,
            next_position,
            created_ms,
            answers: Vec::new(),
        }
    }

    /// Whether it takes no further append.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= GROUP_BYTES_MAX || self.answers.len() >= GROUP_APPENDS_MAX
    }

    /// What to say once the group is committed.
    pub(super) fn answer_later(&mut self, to: oneshot::Sender<Answer>, answer: Answer) {
        self.answers.push((to, answer));
    }

    /// The group is durable: says to each what was found.
    pub(super) fn answer(self) {
        for (to, answer) in self.answers {
            // Whoever does not wait any longer finds the append in the log.
            drop(to.send(answer));
        }
    }

    /// The group is not durable: says so to all.
    pub(super) fn refuse(self, error: &AppendError) {
        for (to, _) in self.answers {
            drop(to.send(Err(error.clone())));
        }
    }
}
