//! What the tables hold: what the projection writes, and what a reader gets.

use nimaora_domain::event::Verdict;
use nimaora_domain::{
    Balance, BattleId, ParticipantId, Phase, Question, QuestionId, Rules, SessionId, Timestamp,
};
use uuid::Uuid;

use crate::Position;

/// A new battle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BattleRow {
    /// Its id.
    pub id: BattleId,
    /// The short code people type.
    pub join_code: String,
    /// What the players see.
    pub title: String,
    /// How it is played.
    pub rules: Rules,
    /// When it starts by itself.
    pub starts_at: Option<Timestamp>,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The position of its creation.
    pub created_position: Position,
    /// How many questions it has.
    pub questions: u32,
}

/// What a batch does to a battle's row, coalesced. Every battle with an event in the batch has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BattleUpdate {
    /// The battle.
    pub id: BattleId,
    /// The position of its last event in the batch.
    pub position: Position,
    /// The phase it is in now, if that changed.
    pub phase: Option<Phase>,
    /// When it started, if it did.
    pub started_at: Option<Timestamp>,
    /// When it finished or was cancelled, if it was.
    pub ended_at: Option<Timestamp>,
    /// By how many the participants (joined, not removed) changed.
    pub participants_delta: i32,
}

/// A question of a new battle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionRow {
    /// The battle.
    pub battle_id: BattleId,
    /// The question; its answer hashes are not stored here.
    pub question: Question,
}

/// Somebody who joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewParticipant {
    /// The battle.
    pub battle_id: BattleId,
    /// Who.
    pub id: ParticipantId,
    /// The name.
    pub username: String,
    /// The session that may act.
    pub session_id: SessionId,
    /// What the participant holds.
    pub balance: Balance,
    /// The revision at which the score was reached.
    pub reached_revision: u64,
    /// When.
    pub joined_at: Timestamp,
}

/// What a batch does to a participant's row, coalesced: what is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantUpdate {
    /// The battle.
    pub battle_id: BattleId,
    /// Who.
    pub id: ParticipantId,
    /// What the participant holds now.
    pub balance: Option<Balance>,
    /// The revision at which the score was reached, if the score changed.
    pub reached_revision: Option<u64>,
    /// What stands in the place of a name that was erased.
    pub username: Option<String>,
    /// The session that may act now.
    pub session_id: Option<SessionId>,
    /// Whether the participant can be attacked.
    pub is_active: Option<bool>,
    /// Whether the participant left for good; it stays on the board.
    pub has_left: bool,
    /// Whether the participant is off the board for good.
    pub removed: bool,
    /// When the participant last did something, if it did.
    pub last_activity_at: Option<Timestamp>,
    /// When the last of these happened.
    pub updated_at: Timestamp,
}

/// An answer that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRow {
    /// Its position; the key of the row.
    pub position: Position,
    /// The battle.
    pub battle_id: BattleId,
    /// Who answered.
    pub participant_id: ParticipantId,
    /// What was answered.
    pub question_id: QuestionId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What was said of it.
    pub verdict: Verdict,
    /// What it earned.
    pub earned: Balance,
    /// The answer, for questions that an external judge decides.
    pub answer: Option<String>,
    /// When.
    pub submitted_at: Timestamp,
}

/// The judge's word on an earlier answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerVerdict {
    /// The battle.
    pub battle_id: BattleId,
    /// Who answered.
    pub participant_id: ParticipantId,
    /// What was answered.
    pub question_id: QuestionId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// What it earned.
    pub earned: Balance,
    /// When.
    pub judged_at: Timestamp,
}

/// An attack that landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttackRow {
    /// Its position; the key of the row.
    pub position: Position,
    /// The id of its event.
    pub event_id: Uuid,
    /// The battle.
    pub battle_id: BattleId,
    /// Who attacked.
    pub attacker_id: ParticipantId,
    /// Who was attacked.
    pub target_id: ParticipantId,
    /// Whether a shield absorbed it.
    pub blocked: bool,
    /// What the target lost.
    pub points_deducted: u32,
    /// When.
    pub attacked_at: Timestamp,
}

/// A battle as a reader gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BattleView {
    /// What was fixed when it was created.
    pub battle: BattleRow,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished or was cancelled.
    pub ended_at: Option<Timestamp>,
    /// How many have joined and were not removed.
    pub participants: u32,
    /// The position of its last event that was applied.
    pub as_of: Position,
}

/// A participant as a reader gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantView {
    /// Who.
    pub id: ParticipantId,
    /// The battle.
    pub battle_id: BattleId,
    /// The name.
    pub username: String,
    /// The session that may act.
    pub session_id: SessionId,
    /// What the participant holds.
    pub balance: Balance,
    /// Whether the participant can be attacked.
    pub is_active: bool,
    /// Whether the participant left for good; it stays on the board.
    pub has_left: bool,
    /// Whether the participant is off the board for good.
    pub removed: bool,
    /// When it joined.
    pub joined_at: Timestamp,
    /// The position of the battle's last event that was applied.
    pub as_of: Position,
}

/// An attack as a reader gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttackView {
    /// What is stored.
    pub attack: AttackRow,
    /// The attacker's name.
    pub attacker: String,
}

/// An event that could not be projected, kept with the reason so that an operator can look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEvent {
    /// Its position; the key of the row.
    pub position: Position,
    /// The stream it is in.
    pub stream: String,
    /// Its number in the stream.
    pub revision: u64,
    /// Its id.
    pub event_id: Uuid,
    /// The name of its type.
    pub event_type: String,
    /// Why it could not be projected.
    pub reason: String,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// That an operator looked at it and wants to hear of it no more.
    pub discarded: Option<Discarded>,
}

/// Why a parked event is nobody's concern any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// Since when.
    pub at: Timestamp,
    /// What the operator said.
    pub reason: String,
}
