//! Commands that are decided and wait for their events to be durable.

use std::collections::HashSet;

use ahash::RandomState;
use nimaora_domain::{CommandId, Outcome, Timestamp};
use nimaora_event_log::types::APPEND_EVENTS_MAX;
use nimaora_event_log::{Appended, NewEvent, Revision};

use crate::error::CommandError;
use crate::writer::order::{Answer, Decided, Order, Reply};
use crate::writer::roster::Changes;

/// A batch takes no further command when it has this many events: no command makes more than the difference.
const EVENTS_FULL: usize = APPEND_EVENTS_MAX - 64;
/// A batch takes no further command when it has this many bytes, where the log would take more: a larger one makes its callers
/// wait longer and saves nothing.
const BYTES_FULL: usize = 4 * 1024 * 1024;
/// A batch takes no further command when this many callers wait for it; those that were refused make no event.
const WAITING_FULL: usize = 2 * APPEND_EVENTS_MAX;
/// A batch takes no further command when the commands of those who wait for it have this many bytes: also those that make no event
/// are kept until it is durable.
const HELD_BYTES_FULL: usize = 16 * 1024 * 1024;

/// What goes to the log in one append, and who waits for it.
#[derive(Default)]
pub(crate) struct Batch {
    /// The events, in order.
    pub(crate) events: Vec<NewEvent>,
    /// The revision of the first event.
    pub(crate) first_revision: Revision,
    /// What the events take of an append's room, in bytes.
    pub(crate) bytes: usize,
    /// Whether the next command did not fit in the room that the log gives an append. It goes into the batch after this one.
    pub(crate) cut: bool,
    /// The commands that the events belong to. The log refuses a batch that has an event id twice, and event ids follow from
    /// command ids, which callers choose: two of them may choose the same.
    pub(crate) commands: HashSet<CommandId, RandomState>,
    /// What the events change in the roster.
    pub(crate) changes: Changes,
    /// Who waits for it.
    pub(crate) callers: Callers,
}

/// Those whose answers rest on the events of one append, in the order in which their commands were decided.
#[derive(Default)]
pub(crate) struct Callers {
    waiting: Vec<Waiting>,
    held_bytes: usize,
}

/// A caller whose answer rests on events that are not durable yet.
pub(crate) struct Waiting {
    /// What it asked for: to be decided again, should the log refuse the events for what somebody else asked for.
    pub(crate) order: Order,
    /// The answer, once the events are durable.
    pub(crate) then: Then,
}

/// The answer, once the events are durable.
pub(crate) enum Then {
    /// The command was accepted.
    Accepted {
        /// What came of it.
        outcome: Outcome,
        /// Which event of the batch is its last one.
        last_index: usize,
        /// When it was decided.
        decided_at: Timestamp,
    },
    /// The command changed nothing, but that rests on events of this batch: had it been answered at once and the events been
    /// lost, the answer would be about something that never happened.
    Fixed(Reply),
}

impl Batch {
    /// Whether nothing is to be appended.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether it takes another command.
    pub(crate) fn has_room(&self) -> bool {
        let small = self.events.len() < EVENTS_FULL && self.bytes < BYTES_FULL;
        small && !self.cut && self.callers.are_fewer_than(1)
    }
}

impl Callers {
    /// Whether they would not fill so many batches.
    pub(crate) fn are_fewer_than(&self, batches: usize) -> bool {
        self.waiting.len() < batches * WAITING_FULL && self.held_bytes < batches * HELD_BYTES_FULL
    }

    /// Lets another one wait.
    pub(crate) fn push(&mut self, order: Order, then: Then) {
        self.held_bytes += order.held_bytes();
        self.waiting.push(Waiting { order, then });
    }

    /// Puts those of a later append behind these.
    pub(crate) fn extend(&mut self, later: Self) {
        self.held_bytes += later.held_bytes;
        self.waiting.extend(later.waiting);
    }

    /// All of them.
    pub(crate) fn into_waiting(self) -> Vec<Waiting> {
        self.waiting
    }

    /// Answers everybody: the events are durable. Answers how many commands were accepted.
    pub(crate) fn answer(self, appended: &Appended) -> usize {
        let mut accepted = 0;
        for Waiting { order, then } in self.waiting {
            let answer = match then {
                Then::Accepted { outcome, last_index, decided_at } => {
                    accepted += 1;
                    let position = appended.position(last_index);
                    Ok(Decided::Done(Answer { outcome, position, decided_at, repeated: false }))
                }
                Then::Fixed(reply) => reply,
            };
            order.answer(answer);
        }
        accepted
    }

    /// Answers everybody with the same error.
    pub(crate) fn fail(self, error: &CommandError) {
        for Waiting { order, .. } in self.waiting {
            order.answer(Err(error.clone()));
        }
    }
}
