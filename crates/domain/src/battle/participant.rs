//! One participant's part of the state.

use serde::{Deserialize, Serialize};

use crate::battle::memory::{CommandKind, Memory, Remembered};
use crate::event::Verdict;
use crate::ids::{CommandId, ParticipantId, QuestionId, SessionId};
use crate::rules::Balance;
use crate::username::Username;

/// Whether a participant takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It acts and can be attacked.
    Active,
    /// It was silent too long: it cannot be attacked, and its next command brings it back.
    Lapsed,
    /// It left for good; its score stays on the board.
    Left,
    /// It was taken out of the battle and off the board.
    Removed,
}

/// Somebody who joined the battle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    pub(crate) id: ParticipantId,
    pub(crate) username: Username,
    pub(crate) session_id: SessionId,
    pub(crate) balance: Balance,
    pub(crate) reached_revision: u64,
    pub(crate) status: Status,
    pub(crate) attempts: Vec<Attempts>,
    pub(crate) joined_revision: u64,
    pub(crate) join_command: CommandId,
    pub(crate) memory: Memory,
    /// The revision of the event that erased its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) erased_revision: Option<u64>,
}

/// What a participant has tried at one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// The question.
    pub question_id: QuestionId,
    /// How many answers were taken.
    pub count: u32,
    /// What was said of the last one.
    pub verdict: Verdict,
}

impl Participant {
    /// Its id.
    pub fn id(&self) -> ParticipantId {
        self.id
    }

    /// Its name.
    pub fn username(&self) -> &Username {
        &self.username
    }

    /// The revision of the event that erased its name; `None` while it has one.
    pub fn erased_revision(&self) -> Option<u64> {
        self.erased_revision
    }

    /// The session that may act.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// What it holds.
    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// The revision of the event with which it reached its points. Of equal scores the lower one ranks first.
    pub fn reached_revision(&self) -> u64 {
        self.reached_revision
    }

    /// Whether it takes part.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What it has tried at a question; `None` before the first answer.
    pub fn attempts(&self, question_id: QuestionId) -> Option<&Attempts> {
        let place = self.place_of(question_id).ok()?;
        self.attempts.get(place)
    }

    /// The join with which it came, as a remembered command.
    pub(crate) fn as_remembered_join(&self) -> Remembered {
        Remembered(self.join_command, self.joined_revision, CommandKind::Join)
    }

    /// Sets what it holds after the event at `revision`.
    pub(crate) fn hold(&mut self, balance: Balance, revision: u64) {
        if balance.points != self.balance.points {
            self.reached_revision = revision;
        }
        self.balance = balance;
    }

    /// Sets what it has tried at a question.
    pub(crate) fn tried(&mut self, attempts: Attempts) {
        match self.place_of(attempts.question_id) {
            Ok(place) => self.attempts[place] = attempts,
            Err(place) => self.attempts.insert(place, attempts),
        }
    }

    /// Sorted by question, so that a battle of a thousand questions stays quick and its snapshot small.
    fn place_of(&self, question_id: QuestionId) -> Result<usize, usize> {
        self.attempts.binary_search_by_key(&question_id, |attempts| attempts.question_id)
    }
}
