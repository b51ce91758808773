//! Commands that are decided and wait for their events to be durable.

use std::collections::HashSet;

use ahash::RandomState;
use nimaora_domain::{CommandId, Outcome, Timestamp};
use nimaora_event_log::types::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX};
use nimaora_event_log::{Appended, NewEvent, Revision};
use tokio::sync::oneshot;

use crate::error::CommandError;
use crate::writer::order::{Answer, Decided, Reply};
use crate::writer::roster::Changes;

/// A batch takes no further command when it has this many events: no command makes more than the difference.
const EVENTS_FULL: usize = APPEND_EVENTS_MAX - 64;
/// A batch takes no further command when it has this many bytes: no command's events have more than the difference.
const BYTES_FULL: usize = APPEND_BYTES_MAX / 2;
/// A batch takes no further command when this many callers wait for it; those that were refused make no event.
pub(crate) const WAITING_FULL: usize = 2 * APPEND_EVENTS_MAX;

/// What goes to the log in one append, and who waits for it.
#[derive(Default)]
pub(crate) struct Batch {
    /// The events, in order.
    pub(crate) events: Vec<NewEvent>,
    /// The revision of the first event.
    pub(crate) first_revision: Revision,
    /// Bytes of all events.
    pub(crate) bytes: usize,
    /// The commands that the events belong to. The log refuses a batch that has an event id twice, and event ids follow from
    /// command ids, which callers choose: two of them may choose the same.
    pub(crate) commands: HashSet<CommandId, RandomState>,
    /// What the events change in the roster.
    pub(crate) changes: Changes,
    /// The callers, in the order in which their commands were decided.
    pub(crate) waiting: Vec<Waiting>,
}

/// A caller whose answer rests on events that are not durable yet.
pub(crate) struct Waiting {
    /// Where the answer goes.
    pub(crate) reply: oneshot::Sender<Reply>,
    /// The answer, once the events are durable.
    pub(crate) then: Then,
}

/// The answer, once the events are durable.
pub(crate) enum Then {
    /// The command was accepted.
    Accepted {
        /// To find it in the log when the append's outcome is unknown.
        command_id: CommandId,
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
        self.events.len() < EVENTS_FULL && self.bytes < BYTES_FULL && self.waiting.len() < WAITING_FULL
    }

    /// Answers everybody: the events are durable.
    pub(crate) fn answer(waiting: Vec<Waiting>, appended: &Appended) -> usize {
        let mut accepted = 0;
        for Waiting { reply, then } in waiting {
            let answer = match then {
                Then::Accepted { outcome, last_index, decided_at, .. } => {
                    accepted += 1;
                    let position = appended.first_position + last_index as u64;
                    Ok(Decided::Done(Answer { outcome, position, decided_at, repeated: false }))
                }
                Then::Fixed(reply) => reply,
            };
            // A caller that went away does not want it.
            drop(reply.send(answer));
        }
        accepted
    }

    /// Answers everybody with the same error.
    pub(crate) fn fail(waiting: Vec<Waiting>, error: &CommandError) {
        for Waiting { reply, .. } in waiting {
            drop(reply.send(Err(error.clone())));
        }
    }
}
