//! The one place where an error becomes a gRPC status.
//!
//! Bad input, a refusal by the rules, overload and an outage are four different things, and each has codes of its own.

use std::time::Duration;

use nimaora_api::details::{self, FieldViolation};
use nimaora_domain::Refusal;
use tonic::{Code, Status};

use crate::error::CommandError;

/// When to try again after overload: a mailbox is worked off within milliseconds.
const RETRY_AFTER_OVERLOAD: Duration = Duration::from_millis(50);
/// When to try again after an outage, or on another server.
const RETRY_AFTER_OUTAGE: Duration = Duration::from_millis(500);
/// When to try again where battles have to leave the memory first.
const RETRY_AFTER_EVICTION: Duration = Duration::from_secs(5);

/// What the caller is answered.
pub(crate) fn status(error: &CommandError) -> Status {
    let (reason, message) = (error.reason(), error.to_string());
    match error {
        CommandError::Refused(Refusal::Invalid(violations)) => {
            let violations = violations.iter().map(|v| field_violation(&v.field, &v.description)).collect();
            details::bad_request(reason, message, violations)
        }
        CommandError::Refused(refusal) => details::status(refusal_code(refusal), reason, message),
        CommandError::Malformed(violations) => details::bad_request(reason, message, violations.clone()),
        CommandError::Token(_) => details::status(Code::Unauthenticated, reason, message),
        CommandError::AdminRequired | CommandError::ParticipantRequired => {
            details::status(Code::PermissionDenied, reason, message)
        }
        CommandError::SignInRepeatExpired => details::status(Code::FailedPrecondition, reason, message),
        CommandError::TooLarge { .. } => details::status(Code::InvalidArgument, reason, message),
        CommandError::MailboxFull => {
            details::retry(Code::ResourceExhausted, reason, message, RETRY_AFTER_OVERLOAD)
        }
        CommandError::WritersFull => {
            details::retry(Code::ResourceExhausted, reason, message, RETRY_AFTER_EVICTION)
        }
        CommandError::Draining
        | CommandError::NotOwner
        | CommandError::OwnerUnavailable { .. }
        | CommandError::LogUnavailable { .. }
        | CommandError::TimedOut => details::retry(Code::Unavailable, reason, message, RETRY_AFTER_OUTAGE),
        CommandError::LogDamaged { .. } => details::status(Code::DataLoss, reason, message),
        CommandError::Internal { .. } => details::status(Code::Internal, reason, message),
        CommandError::DeadlinePassed => details::status(Code::DeadlineExceeded, reason, message),
    }
}

fn field_violation(field: &str, description: &str) -> FieldViolation {
    FieldViolation { field: field.to_owned(), description: description.to_owned() }
}

/// The code of each refusal. A full battle is no overload: trying again does not help.
fn refusal_code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Invalid(_) => Code::InvalidArgument,
        Refusal::BattleUnknown | Refusal::ParticipantUnknown { .. } | Refusal::QuestionUnknown { .. } => {
            Code::NotFound
        }
        Refusal::BattleExists | Refusal::UsernameTaken { .. } => Code::AlreadyExists,
        Refusal::NotAllowed { .. } => Code::PermissionDenied,
        Refusal::SessionReplaced => Code::Unauthenticated,
        Refusal::CommandIdReused
        | Refusal::BattleNotStarted
        | Refusal::BattleStarted
        | Refusal::BattleFinished
        | Refusal::BattleCancelled
        | Refusal::JoinClosed
        | Refusal::BattleFull { .. }
        | Refusal::ParticipantGone
        | Refusal::ParticipantBanned
        | Refusal::TargetInactive { .. }
        | Refusal::TargetWithoutPoints { .. }
        | Refusal::TargetIsAttacker
        | Refusal::NoArrows
        | Refusal::QuestionNotOpen { .. }
        | Refusal::AnswerLate { .. }
        | Refusal::AlreadyAnswered { .. }
        | Refusal::VerdictPending { .. }
        | Refusal::AttemptsExhausted { .. }
        | Refusal::NothingToJudge { .. } => Code::FailedPrecondition,
    }
}
