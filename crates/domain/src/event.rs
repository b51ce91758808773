//! Every event that a battle's stream can hold.
//!
//! Events carry what a participant holds *after* them, so that a reader can apply each by overwriting,
//! without knowing the rules. A participant's name stands in [`Event::ParticipantJoined`] only.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{CommandId, ParticipantId, QuestionId, SessionId};
use crate::rules::{Balance, Question, Rules};
use crate::time::Timestamp;
use crate::username::{SealedName, Username};

/// What was said of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is right.
    Correct,
    /// It is wrong.
    Wrong,
    /// The external judge has not spoken yet.
    Pending,
}

/// Something that happened in a battle. The fields are the current schema version of each; see
/// [`crate::codec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The battle exists.
    BattleCreated(BattleCreated),
    /// Answers and attacks are taken from now on.
    BattleStarted(BattleStarted),
    /// The standings are final.
    BattleFinished(BattleFinished),
    /// The battle was called off.
    BattleCancelled(BattleCancelled),
    /// Somebody takes part.
    ParticipantJoined(ParticipantJoined),
    /// A participant signed in again.
    SessionReplaced(SessionReplaced),
    /// A participant answered a question.
    AnswerSubmitted(AnswerSubmitted),
    /// The external judge spoke.
    AnswerJudged(AnswerJudged),
    /// An arrow was spent on a target; both participants change in this one event.
    AttackLanded(AttackLanded),
    /// A participant left for good.
    ParticipantLeft(ParticipantLeft),
    /// A participant was taken out of the battle and off the board.
    ParticipantRemoved(ParticipantRemoved),
    /// Participants were silent too long.
    ParticipantsLapsed(ParticipantsLapsed),
    /// A lapsed participant is back.
    ParticipantReturned(ParticipantReturned),
    /// A participant's name is to be shown no more.
    NameErased(NameErased),
}

/// See [`Event::BattleCreated`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BattleCreated {
    /// What the players see.
    pub title: String,
    /// How it is played.
    pub rules: Rules,
    /// What is asked; accepted answers as keyed hashes.
    pub questions: Vec<Question>,
    /// When it starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// When it finishes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// The short code people type to find it.
    pub join_code: String,
}

/// See [`Event::BattleStarted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BattleStarted {
    /// When; questions open and close relative to it.
    pub started_at: Timestamp,
}

/// See [`Event::BattleFinished`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BattleFinished {
    /// When.
    pub finished_at: Timestamp,
}

/// See [`Event::BattleCancelled`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BattleCancelled {
    /// When.
    pub cancelled_at: Timestamp,
    /// What the players are told.
    pub reason: String,
}

/// See [`Event::ParticipantJoined`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantJoined {
    /// Who.
    pub participant_id: ParticipantId,
    /// The name; no other event repeats it. From schema version 2 on it is sealed, where the battle's keys are at hand.
    pub username: Username,
    /// The session that may act.
    pub session_id: SessionId,
    /// What the participant holds on joining.
    pub balance: Balance,
}

/// See [`Event::SessionReplaced`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionReplaced {
    /// Who.
    pub participant_id: ParticipantId,
    /// The session that may act from now on.
    pub session_id: SessionId,
}

/// See [`Event::AnswerSubmitted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerSubmitted {
    /// Who answered.
    pub participant_id: ParticipantId,
    /// What was answered.
    pub question_id: QuestionId,
    /// Which of the participant's attempts at it, from 1.
    pub attempt: u32,
    /// What was said of it.
    pub verdict: Verdict,
    /// What it earned; all zero unless correct. Held within what a participant can hold.
    pub earned: Balance,
    /// What the participant holds after it.
    pub balance: Balance,
    /// The answer's keyed hash, in hex, for questions that the battle judges itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_hash: Option<String>,
    /// The answer itself, for questions that an external judge decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// See [`Event::AnswerJudged`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerJudged {
    /// Who answered.
    pub participant_id: ParticipantId,
    /// What was answered.
    pub question_id: QuestionId,
    /// Which of the participant's attempts at it, from 1.
    pub attempt: u32,
    /// The verdict: correct or wrong, never pending.
    pub verdict: Verdict,
    /// What it earned; all zero unless this is the first correct answer.
    pub earned: Balance,
    /// What the participant holds after it.
    pub balance: Balance,
}

/// See [`Event::AttackLanded`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttackLanded {
    /// Who attacked.
    pub attacker_id: ParticipantId,
    /// Who was attacked.
    pub target_id: ParticipantId,
    /// Whether a shield absorbed it.
    pub blocked: bool,
    /// What the target lost; 0 when blocked.
    pub points_deducted: u32,
    /// What the attacker holds after it.
    pub attacker_balance: Balance,
    /// What the target holds after it.
    pub target_balance: Balance,
}

/// See [`Event::ParticipantLeft`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantLeft {
    /// Who left.
    pub participant_id: ParticipantId,
}

/// See [`Event::ParticipantRemoved`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantRemoved {
    /// Who was removed.
    pub participant_id: ParticipantId,
    /// For the record.
    pub reason: String,
}

/// See [`Event::ParticipantsLapsed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantsLapsed {
    /// Who lapsed.
    pub participant_ids: Vec<ParticipantId>,
}

/// See [`Event::ParticipantReturned`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantReturned {
    /// Who returned.
    pub participant_id: ParticipantId,
}

/// See [`Event::NameErased`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NameErased {
    /// Whose name.
    pub participant_id: ParticipantId,
    /// Which participant of the battle that is, from 1 in the order of joining; shown in the place of the name.
    pub number: u32,
    /// Whether the name stands sealed in the log. One that stands there in clear can be hidden, but not erased.
    pub was_sealed: bool,
    /// For the record.
    pub reason: String,
}

impl Event {
    /// The name that this event brings, if it is sealed and was not read yet, and whose it is.
    pub fn closed_name(&self) -> Option<(ParticipantId, &SealedName)> {
        match self {
            Self::ParticipantJoined(joined) => {
                joined.username.sealed().map(|sealed| (joined.participant_id, sealed))
            }
            _ => None,
        }
    }

    /// Somebody with the key has read the name that this event brings.
    pub fn open_name(&mut self, name: &str) {
        if let Self::ParticipantJoined(joined) = self {
            joined.username = joined.username.clone().opened(name);
        }
    }
}

/// An event together with what `evolve` needs of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number in the battle's stream, from 0, without gaps.
    pub revision: u64,
    /// Its id in the log.
    pub event_id: Uuid,
    /// The command that appended it.
    pub command_id: CommandId,
    /// When it was decided.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
}
