//! A command on its way to the writer of its battle, and what comes back.

use nimaora_domain::{Command, CommandContext, Outcome, Timestamp};
use nimaora_event_log::{Position, Revision};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::config::REQUEST_BYTES_MAX;
use crate::error::CommandError;

/// A command that waits for its answer.
pub(crate) struct Order {
    /// Who gives it, under which id, and when it was received.
    pub(crate) context: CommandContext,
    /// What is wanted.
    pub(crate) command: Command,
    /// The W3C trace that it belongs to.
    pub(crate) traceparent: Option<String>,
    /// When its caller stops waiting. A command that is not decided by then is dropped.
    pub(crate) deadline: Instant,
    /// Where the answer goes.
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What a writer says to an order.
pub(crate) type Reply = Result<Decided, CommandError>;

/// What became of an order. Whatever it rests on is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    /// It was carried out.
    Done(Answer),
    /// It was carried out before; its last event has this revision, and the answer is to be read from there. The caller does
    /// that, so that repeats do not hold up the writer.
    Before(Revision),
    /// There was nothing to do.
    Nothing,
}

/// What the caller of an accepted command is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// The position of its last event.
    pub(crate) position: Position,
    /// When it was decided.
    pub(crate) decided_at: Timestamp,
    /// Whether this answers a repeat.
    pub(crate) repeated: bool,
}

impl Order {
    /// How much memory the command takes at most, in bytes, beyond what every command takes.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.command {
            Command::CreateBattle { .. } => REQUEST_BYTES_MAX,
            Command::SubmitAnswer { answer: text, .. }
            | Command::CancelBattle { reason: text }
            | Command::RemoveParticipant { reason: text, .. }
            | Command::EraseName { reason: text, .. }
            | Command::Join { username: text, .. } => text.len(),
            Command::RecordLapse { participant_ids } => std::mem::size_of_val(participant_ids.as_slice()),
            Command::StartBattle
            | Command::FinishBattle
            | Command::ReplaceSession { .. }
            | Command::Attack { .. }
            | Command::Leave { .. }
            | Command::JudgeAnswer { .. }
            | Command::RecordReturn { .. } => 0,
        }
    }

    /// Sends the answer. A caller that went away does not want it.
    pub(crate) fn answer(self, reply: Reply) {
        drop(self.reply.send(reply));
    }
}
