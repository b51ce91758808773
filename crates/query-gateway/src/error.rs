//! Why a question has no answer. `status` says what each becomes on the wire.

use nimaora_api::details::FieldViolation;
use nimaora_read_models::{Position, StoreError};
use nimaora_sessions::TokenError;

/// Why a question has no answer, or none now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Fields of the request are malformed.
    #[error("{}", describe(.0))]
    Malformed(Vec<FieldViolation>),
    /// There is no such battle.
    #[error("there is no battle '{asked}'")]
    BattleUnknown {
        /// The id or the join code that was asked for.
        asked: String,
    },
    /// The battle has no such participant, or has it no more.
    #[error("the battle has no participant {asked}")]
    ParticipantUnknown {
        /// The id that was asked for.
        asked: String,
    },
    /// The caller's token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The participant signed in again since this token was issued.
    #[error("the participant has signed in again since this token was issued; use the newer one")]
    SessionReplaced,
    /// The caller's token is somebody else's.
    #[error("this needs the token of the participant it is about, or an admin's")]
    NotAllowed,
    /// The position that the answer must have reached was not reached in time.
    #[error("the read models are at position {reached}, not yet at {wanted}; try again")]
    PositionNotReached {
        /// What was asked for.
        wanted: Position,
        /// How far the store was that would have answered.
        reached: Position,
    },
    /// Too many queries are being worked on.
    #[error("too many queries are being answered; try again")]
    Overloaded,
    /// Too many queries wait for a position.
    #[error("too many queries wait for a position; try again")]
    TooManyWaiting,
    /// Too many boards are watched.
    #[error("too many clients watch boards on this server; try again")]
    TooManyWatchers,
    /// The server stops.
    #[error("the server is stopping; try again, on another server if there is one")]
    Draining,
    /// No store can answer now.
    #[error("{reason}")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
    /// What is stored is not what was written.
    #[error("{reason}")]
    Damaged {
        /// What does not fit.
        reason: String,
    },
    /// A store answered what it never may: a fault of this server.
    #[error("a fault of the server: {reason}")]
    Internal {
        /// What happened.
        reason: String,
    },
}

impl QueryError {
    /// The stable name of this error in the API (`ErrorInfo.reason`).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "INVALID_FIELD",
            Self::BattleUnknown { .. } => "BATTLE_UNKNOWN",
            Self::ParticipantUnknown { .. } => "PARTICIPANT_UNKNOWN",
            Self::Token(error) => error.reason(),
            Self::SessionReplaced => "SESSION_REPLACED",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::PositionNotReached { .. } => "POSITION_NOT_REACHED",
            Self::Overloaded => "QUERIES_OVERLOADED",
            Self::TooManyWaiting => "TOO_MANY_WAITING",
            Self::TooManyWatchers => "TOO_MANY_WATCHERS",
            Self::Draining => "DRAINING",
            Self::Unavailable { .. } => "READ_MODELS_UNAVAILABLE",
            Self::Damaged { .. } => "READ_MODELS_DAMAGED",
            Self::Internal { .. } => "INTERNAL",
        }
    }

    /// Whether it says that something is not there, which may only mean that it is not there yet.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::BattleUnknown { .. } | Self::ParticipantUnknown { .. })
    }
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotHeld(battle_id) => Self::BattleUnknown { asked: battle_id.to_string() },
            StoreError::Unavailable { .. } => Self::Unavailable { reason: error.to_string() },
            StoreError::Damaged { .. } => Self::Damaged { reason: error.to_string() },
            StoreError::Constraint { .. } | StoreError::Overtaken { .. } => {
                Self::Internal { reason: error.to_string() }
            }
        }
    }
}

fn describe(violations: &[FieldViolation]) -> String {
    let list: Vec<_> = violations.iter().map(|v| format!("{}: {}", v.field, v.description)).collect();
    list.join("; ")
}
