//! Why a command was not carried out. [`crate::status`] says what each becomes on the wire.

use nimaora_api::details::FieldViolation;
use nimaora_domain::Refusal;
use nimaora_event_log::ReadError;
use nimaora_sessions::TokenError;

use crate::ownership::OwnershipError;

/// Why a command was not carried out, or why that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Fields of the request are malformed.
    #[error("{}", describe(.0))]
    Malformed(Vec<FieldViolation>),
    /// The caller's token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Only an admin may.
    #[error("this needs the admin token")]
    AdminRequired,
    /// Only a participant may.
    #[error("this needs the token of a participant")]
    ParticipantRequired,
    /// A sign-in was repeated too late to be answered with a token again.
    #[error("this sign-in was carried out before, too long ago to be answered with a token again")]
    SignInRepeatExpired,
    /// The change is larger than the log takes.
    #[error("the command is too large: its events take {bytes} bytes, and the log takes at most {bytes_max}")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// Too many commands wait for this battle.
    #[error("too many commands wait for this battle; try again")]
    MailboxFull,
    /// Too many battles are live.
    #[error("too many battles are live on this server; try again")]
    WritersFull,
    /// The server stops.
    #[error("the server is stopping; try again, on another server if there is one")]
    Draining,
    /// Another node writes this battle, and this request was sent here by one that thought otherwise.
    #[error("another server writes this battle; try again")]
    NotOwner,
    /// The node that writes this battle cannot be reached, or it is not known which one it is.
    #[error(
        "the server that writes this battle cannot be reached: {reason}; send the command again with the same command_id"
    )]
    OwnerUnavailable {
        /// What hinders it.
        reason: String,
    },
    /// The log takes no writes or gives no reads now.
    #[error("{reason}; send the command again with the same command_id")]
    LogUnavailable {
        /// What hinders it.
        reason: String,
    },
    /// The battle's history is damaged.
    #[error("the battle's history is damaged: {reason}")]
    LogDamaged {
        /// Where, and what does not fit.
        reason: String,
    },
    /// The log refused what this server made: a fault of this server.
    #[error("a fault of the server: {reason}")]
    Internal {
        /// What happened.
        reason: String,
    },
    /// It took longer than a command may, and the caller would have waited. Whether it was carried out, a repeat tells.
    #[error("the command was not answered in time; send it again with the same command_id")]
    TimedOut,
    /// The caller's time was up first. Whether the command was carried out, a repeat tells.
    #[error(
        "the time for this command is over; send it again with the same command_id to learn what became of it"
    )]
    DeadlinePassed,
}

impl CommandError {
    /// The stable name of this error in the API (`ErrorInfo.reason`).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::Malformed(_) => "INVALID_FIELD",
            Self::Token(error) => error.reason(),
            Self::AdminRequired => "ADMIN_REQUIRED",
            Self::ParticipantRequired => "PARTICIPANT_REQUIRED",
            Self::SignInRepeatExpired => "SIGN_IN_REPEAT_EXPIRED",
            Self::TooLarge { .. } => "COMMAND_TOO_LARGE",
            Self::MailboxFull => "MAILBOX_FULL",
            Self::WritersFull => "WRITERS_FULL",
            Self::Draining => "DRAINING",
            Self::NotOwner => "NOT_OWNER",
            Self::OwnerUnavailable { .. } => "OWNER_UNAVAILABLE",
            Self::LogUnavailable { .. } => "LOG_UNAVAILABLE",
            Self::LogDamaged { .. } => "LOG_DAMAGED",
            Self::Internal { .. } => "INTERNAL",
            Self::TimedOut => "COMMAND_TIMED_OUT",
            Self::DeadlinePassed => "DEADLINE_PASSED",
        }
    }
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { .. } => Self::LogDamaged { reason: error.to_string() },
            ReadError::Unavailable { reason } => Self::LogUnavailable { reason },
            ReadError::Invalid { reason } => Self::Internal { reason },
        }
    }
}

impl From<OwnershipError> for CommandError {
    fn from(error: OwnershipError) -> Self {
        match error {
            OwnershipError::Leaving => Self::Draining,
            OwnershipError::Unavailable { reason } => Self::OwnerUnavailable { reason },
        }
    }
}

fn describe(violations: &[FieldViolation]) -> String {
    let list: Vec<_> = violations.iter().map(|v| format!("{}: {}", v.field, v.description)).collect();
    list.join("; ")
}
