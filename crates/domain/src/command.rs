//! Every command a battle takes, and the context it arrives in.

use serde::{Deserialize, Serialize};

use crate::ids::{CommandId, ParticipantId, QuestionId, SessionId};
use crate::rules::{Balance, QuestionKind, Rules};
use crate::time::Timestamp;

/// Who gives a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Actor {
    /// The holder of an admin token.
    Admin,
    /// A participant, in one of its sessions. Only the newest session may act.
    Participant(ParticipantId, SessionId),
    /// Somebody who is not a participant yet; may only join.
    Guest,
    /// The command-service itself: scheduled starts and ends, lapses.
    System,
}

/// What surrounds a command: all that `decide` knows besides the state and the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandContext {
    /// Chosen by the client; a repeat gets the same answer.
    pub command_id: CommandId,
    /// Who gives the command.
    pub actor: Actor,
    /// When the server received it; answering times are judged by this.
    pub received_at: Timestamp,
}

/// A question as its author states it, the accepted answers in the clear. They are hashed by `decide`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewQuestion {
    /// How an answer is judged.
    pub kind: QuestionKind,
    /// What the players read.
    pub prompt: String,
    /// The texts of the choices, for [`QuestionKind::Choice`].
    pub choices: Vec<String>,
    /// The accepted answers: for a choice its number from 1; at least one unless the judge is external.
    pub accepted_answers: Vec<String>,
    /// What the first correct answer earns.
    pub reward: Balance,
    /// How often one participant may answer.
    pub attempts_max: u32,
    /// From how long after the start the question takes answers, in milliseconds.
    pub opens_after_ms: u64,
    /// For how long it takes answers once open, in milliseconds; 0 for as long as the battle runs.
    pub answering_time_ms: u64,
}

/// Something that somebody wants to happen in a battle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Makes the battle. Only an admin may.
    CreateBattle {
        /// What the players see, 1 to [`crate::rules::TITLE_CHARS_MAX`] characters.
        title: String,
        /// How it is played.
        rules: Rules,
        /// What is asked.
        questions: Vec<NewQuestion>,
        /// When it starts by itself.
        starts_at: Option<Timestamp>,
        /// When it finishes by itself.
        ends_at: Option<Timestamp>,
        /// The short code people type to find it.
        join_code: String,
    },
    /// Starts the battle now. An admin, or the system at the scheduled time.
    StartBattle,
    /// Ends the battle; the standings are final. An admin, or the system at the scheduled time.
    FinishBattle,
    /// Calls the battle off, before or after its start. Only an admin may.
    CancelBattle {
        /// Said to the players, at most 200 characters.
        reason: String,
    },
    /// Takes part under a name that is free in this battle.
    Join {
        /// The id minted for the new participant.
        participant_id: ParticipantId,
        /// The wanted name, as typed.
        username: String,
        /// The id minted for the new session.
        session_id: SessionId,
    },
    /// Signs the participant in again; its earlier session can act no more.
    ReplaceSession {
        /// Who signs in.
        participant_id: ParticipantId,
        /// The id minted for the new session.
        session_id: SessionId,
    },
    /// Answers a question.
    SubmitAnswer {
        /// Who answers.
        participant_id: ParticipantId,
        /// What is answered.
        question_id: QuestionId,
        /// The answer as typed.
        answer: String,
    },
    /// Spends an arrow on another participant.
    Attack {
        /// Who attacks.
        attacker_id: ParticipantId,
        /// Who is attacked.
        target_id: ParticipantId,
    },
    /// Leaves for good; the score stays on the board.
    Leave {
        /// Who leaves.
        participant_id: ParticipantId,
    },
    /// The external judge's verdict on an answer. Only an admin may.
    JudgeAnswer {
        /// Who answered.
        participant_id: ParticipantId,
        /// What was answered.
        question_id: QuestionId,
        /// Which of the participant's attempts at it, from 1.
        attempt: u32,
        /// The verdict.
        correct: bool,
    },
    /// Takes a participant out of the battle and off the board. Only an admin may.
    RemoveParticipant {
        /// Who is removed.
        participant_id: ParticipantId,
        /// For the record, at most 200 characters.
        reason: String,
    },
    /// Has a participant's name shown no more, also of a battle that is over. Only an admin may.
    EraseName {
        /// Whose name.
        participant_id: ParticipantId,
        /// For the record, 1 to 200 characters; it must not hold the name.
        reason: String,
    },
    /// Records that participants have been silent too long. Only the system does.
    RecordLapse {
        /// Who lapsed; those that are not active are passed over.
        participant_ids: Vec<ParticipantId>,
    },
    /// Records that a lapsed participant is back. Only the system does.
    RecordReturn {
        /// Who returned.
        participant_id: ParticipantId,
    },
}
