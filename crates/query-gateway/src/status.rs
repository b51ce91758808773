//! The one place where an error becomes a gRPC status.

use std::time::Duration;

use nimaora_api::details;
use tonic::{Code, Status};

use crate::error::QueryError;

/// When to try again after overload: queries are answered within milliseconds.
const RETRY_AFTER_OVERLOAD: Duration = Duration::from_millis(50);
/// When to try again for a position: a projection that is behind is so by a few batches.
const RETRY_AFTER_LAG: Duration = Duration::from_millis(250);
/// When to try again after an outage, or on another server.
const RETRY_AFTER_OUTAGE: Duration = Duration::from_millis(500);
/// When to try again where somebody else has to stop watching first.
const RETRY_AFTER_WATCHERS: Duration = Duration::from_secs(5);

/// What the caller is answered.
pub(crate) fn status(error: &QueryError) -> Status {
    let (reason, message) = (error.reason(), error.to_string());
    match error {
        QueryError::Malformed(violations) => details::bad_request(reason, message, violations.clone()),
        QueryError::BattleUnknown { .. } | QueryError::ParticipantUnknown { .. } => {
            details::status(Code::NotFound, reason, message)
        }
        QueryError::Token(_) | QueryError::SessionReplaced => {
            details::status(Code::Unauthenticated, reason, message)
        }
        QueryError::NotAllowed => details::status(Code::PermissionDenied, reason, message),
        QueryError::PositionNotReached { .. } => {
            details::retry(Code::Unavailable, reason, message, RETRY_AFTER_LAG)
        }
        QueryError::Overloaded | QueryError::TooManyWaiting => {
            details::retry(Code::ResourceExhausted, reason, message, RETRY_AFTER_OVERLOAD)
        }
        QueryError::TooManyWatchers => {
            details::retry(Code::ResourceExhausted, reason, message, RETRY_AFTER_WATCHERS)
        }
        QueryError::Draining | QueryError::Unavailable { .. } => {
            details::retry(Code::Unavailable, reason, message, RETRY_AFTER_OUTAGE)
        }
        QueryError::Damaged { .. } => details::status(Code::DataLoss, reason, message),
        QueryError::Internal { .. } => details::status(Code::Internal, reason, message),
    }
}
