//! What the battle knows of one participant.

use serde::{Deserialize, Serialize};

use super::memory::{CommandKind, Memory};
use super::{PARTICIPANT_COMMANDS_MAX, settles};
use crate::event::{Recorded, Verdict};
use crate::ids::{ParticipantId, QuestionId, SessionId};
use crate::rules::Balance;
use crate::time::Timestamp;

/// What became of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Takes part.
    Active,
    /// Was silent too long; any command of its own brings it back.
    Lapsed,
    /// Left for good; the score stays on the board.
    Left,
    /// Was taken out and off the board.
    Removed,
}

/// What a participant has tried at one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// The question.
    pub question_id: QuestionId,
    /// How many attempts.
    pub count: u32,
    /// The attempt that waits for the external judge.
    pub pending: Option<u32>,
    /// Whether one was correct.
    pub correct: bool,
}

/// One participant of a battle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Who.
    pub id: ParticipantId,
    /// The session that may act.
    pub session_id: SessionId,
    /// What the participant holds.
    pub balance: Balance,
    /// The revision at which the score was reached; of equal scores the earlier ranks first.
    pub reached_revision: u64,
    /// The revision at which the participant joined.
    pub joined_revision: u64,
    /// When the participant joined.
    pub joined_at: Timestamp,
    /// What became of it.
    pub status: Status,
    /// One for each question that was tried, in the order of the first attempts.
    attempts: Vec<Attempts>,
    pub(super) commands: Memory<PARTICIPANT_COMMANDS_MAX>,
}

impl Participant {
    pub(super) fn joined(
        id: ParticipantId,
        session_id: SessionId,
        balance: Balance,
        recorded: &Recorded,
    ) -> Self {
        let mut commands = Memory::default();
        commands.remember(recorded.command_id, recorded.revision, CommandKind::Join);
        Self {
            id,
            session_id,
            balance,
            reached_revision: recorded.revision,
            joined_revision: recorded.revision,
            joined_at: recorded.time,
            status: Status::Active,
            attempts: Vec::new(),
            commands,
        }
    }

    /// Whether the participant can be attacked.
    pub fn is_active(&self) -> bool {
        match self.status {
            Status::Active => true,
            Status::Lapsed | Status::Left | Status::Removed => false,
        }
    }

    /// What was tried at a question.
    pub fn attempts(&self, question_id: QuestionId) -> Option<&Attempts> {
        self.attempts.iter().find(|attempts| attempts.question_id == question_id)
    }

    pub(super) fn attempted(&mut self, question_id: QuestionId, attempt: u32, verdict: Verdict) {
        let index = self.attempts.iter().position(|a| a.question_id == question_id).unwrap_or_else(|| {
            self.attempts.push(Attempts { question_id, count: 0, pending: None, correct: false });
            self.attempts.len() - 1
        });
        let attempts = &mut self.attempts[index];
        attempts.count = attempts.count.max(attempt);
        attempts.correct |= settles(verdict);
        attempts.pending = (verdict == Verdict::Pending).then_some(attempt);
    }

    /// Holds `balance` from `revision` on.
    pub(super) fn hold(&mut self, balance: Balance, revision: u64) {
        if balance.points != self.balance.points {
            self.reached_revision = revision;
        }
        self.balance = balance;
    }
}
