//! Why the rules said no. A refusal is an answer, not a fault: nothing is appended and nothing is broken.

use crate::ids::{ParticipantId, QuestionId};
use crate::time::Timestamp;

/// A part of a command that breaks the limits of its own shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the command, as in the API: `questions[2].prompt`.
    pub field: String,
    /// What is wrong with it, with the value, and what would be right.
    pub description: String,
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The command itself is malformed.
    #[error("{}", describe(.0))]
    Invalid(Vec<Violation>),
    /// The id was used before: for a different command, or for one that is not remembered any more.
    #[error(
        "this command_id was used before, for a different command or too many commands ago to be answered again; what it \
         did then stands and nothing was done now; ask for the present state, and give a new command a new id"
    )]
    CommandIdReused,
    /// No battle with this id.
    #[error("there is no such battle")]
    BattleUnknown,
    /// The battle exists already.
    #[error("the battle exists already")]
    BattleExists,
    /// The battle has not started.
    #[error("the battle has not started yet")]
    BattleNotStarted,
    /// The battle has started already.
    #[error("the battle has started already")]
    BattleStarted,
    /// The battle is over.
    #[error("the battle is finished")]
    BattleFinished,
    /// The battle was called off.
    #[error("the battle was cancelled")]
    BattleCancelled,
    /// The rules admit nobody after the start.
    #[error("the battle has started and admits nobody any more")]
    JoinClosed,
    /// As many as the rules admit have joined.
    #[error("the battle is full: it admits {participants_max} participants")]
    BattleFull {
        /// How many the rules admit.
        participants_max: u32,
    },
    /// The name is taken, by the same or an equivalent spelling.
    #[error("the username '{username}' is taken in this battle; choose another")]
    UsernameTaken {
        /// The name as it was asked for.
        username: String,
    },
    /// The actor may not do this.
    #[error("{actor} may not {action}")]
    NotAllowed {
        /// Who asked.
        actor: &'static str,
        /// What was asked.
        action: &'static str,
    },
    /// The participant signed in elsewhere since.
    #[error("this session was replaced by a newer sign-in; sign in again")]
    SessionReplaced,
    /// No participant with this id in this battle.
    #[error("there is no participant {participant_id} in this battle")]
    ParticipantUnknown {
        /// Who was meant.
        participant_id: ParticipantId,
    },
    /// The acting participant has left.
    #[error("you have left this battle")]
    ParticipantGone,
    /// The acting participant was removed.
    #[error("you were removed from this battle")]
    ParticipantBanned,
    /// The target has left, lapsed or was removed.
    #[error(
        "the target {target_id} is out of play: it has left, was removed, or has shown no sign of life for too long"
    )]
    TargetInactive {
        /// Who was meant.
        target_id: ParticipantId,
    },
    /// The target has nothing to lose.
    #[error("the target {target_id} has no points to lose")]
    TargetWithoutPoints {
        /// Who was meant.
        target_id: ParticipantId,
    },
    /// One does not attack oneself.
    #[error("attacking oneself is not possible")]
    TargetIsAttacker,
    /// The attacker has no arrow left.
    #[error("no arrows left; correct answers earn them")]
    NoArrows,
    /// No question with this number in this battle.
    #[error("there is no question {question_id} in this battle")]
    QuestionUnknown {
        /// What was meant.
        question_id: QuestionId,
    },
    /// The question does not take answers yet.
    #[error("question {question_id} opens at {opens_at}")]
    QuestionNotOpen {
        /// What was meant.
        question_id: QuestionId,
        /// From when it takes answers.
        opens_at: Timestamp,
    },
    /// The answer came too late.
    #[error("question {question_id} closed at {closed_at}; the answer came too late")]
    AnswerLate {
        /// What was meant.
        question_id: QuestionId,
        /// Until when it took answers.
        closed_at: Timestamp,
    },
    /// The participant has answered the question correctly already.
    #[error("question {question_id} is answered already")]
    AlreadyAnswered {
        /// What was meant.
        question_id: QuestionId,
    },
    /// An earlier answer waits for the judge.
    #[error("an earlier answer to question {question_id} still waits for its verdict")]
    VerdictPending {
        /// What was meant.
        question_id: QuestionId,
    },
    /// All attempts are used up.
    #[error("all {attempts_max} attempts at question {question_id} are used")]
    AttemptsExhausted {
        /// What was meant.
        question_id: QuestionId,
        /// How many there were.
        attempts_max: u32,
    },
    /// There is no such answer waiting for a verdict.
    #[error("attempt {attempt} at question {question_id} does not wait for a verdict")]
    NothingToJudge {
        /// What was meant.
        question_id: QuestionId,
        /// Which attempt was meant.
        attempt: u32,
    },
}

fn describe(violations: &[Violation]) -> String {
    let list: Vec<_> = violations.iter().map(|v| format!("{}: {}", v.field, v.description)).collect();
    list.join("; ")
}

impl Refusal {
    /// The stable name of this refusal in the API (`ErrorInfo.reason`).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_COMMAND",
            Self::CommandIdReused => "COMMAND_ID_REUSED",
            Self::BattleUnknown => "BATTLE_UNKNOWN",
            Self::BattleExists => "BATTLE_EXISTS",
            Self::BattleNotStarted => "BATTLE_NOT_STARTED",
            Self::BattleStarted => "BATTLE_STARTED",
            Self::BattleFinished => "BATTLE_FINISHED",
            Self::BattleCancelled => "BATTLE_CANCELLED",
            Self::JoinClosed => "JOIN_CLOSED",
            Self::BattleFull { .. } => "BATTLE_FULL",
            Self::UsernameTaken { .. } => "USERNAME_TAKEN",
            Self::NotAllowed { .. } => "NOT_ALLOWED",
            Self::SessionReplaced => "SESSION_REPLACED",
            Self::ParticipantUnknown { .. } => "PARTICIPANT_UNKNOWN",
            Self::ParticipantGone => "PARTICIPANT_LEFT",
            Self::ParticipantBanned => "PARTICIPANT_REMOVED",
            Self::TargetInactive { .. } => "TARGET_INACTIVE",
            Self::TargetWithoutPoints { .. } => "TARGET_WITHOUT_POINTS",
            Self::TargetIsAttacker => "TARGET_IS_ATTACKER",
            Self::NoArrows => "NO_ARROWS",
            Self::QuestionUnknown { .. } => "QUESTION_UNKNOWN",
            Self::QuestionNotOpen { .. } => "QUESTION_NOT_OPEN",
            Self::AnswerLate { .. } => "ANSWER_LATE",
            Self::AlreadyAnswered { .. } => "ALREADY_ANSWERED",
            Self::VerdictPending { .. } => "VERDICT_PENDING",
            Self::AttemptsExhausted { .. } => "ATTEMPTS_EXHAUSTED",
            Self::NothingToJudge { .. } => "NOTHING_TO_JUDGE",
        }
    }
}
