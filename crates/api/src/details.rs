//! One way from an error to a gRPC status. Every status of ours carries `google.rpc.ErrorInfo` with a reason in
//! `UPPER_SNAKE` and the domain [`ERROR_DOMAIN`]; malformed requests add `BadRequest`, passing faults add `RetryInfo`.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `ErrorInfo` of ours.
pub const ERROR_DOMAIN: &str = "nimaora";

/// A field of a request that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path in the request: `questions[2].prompt`.
    pub field: String,
    /// What is wrong, with the value, and what would be right.
    pub description: String,
}

/// A status with its reason.
pub fn status(code: Code, reason: &str, message: impl Into<String>) -> Status {
    Status::with_error_details(code, message, details(reason))
}

/// A status for a request whose fields are malformed.
pub fn bad_request(reason: &str, message: impl Into<String>, violations: Vec<FieldViolation>) -> Status {
    let mut details = details(reason);
    for violation in violations {
        details.add_bad_request_violation(violation.field, violation.description);
    }
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A status for something that passes: trying again after `retry_after` can help.
pub fn retry(code: Code, reason: &str, message: impl Into<String>, retry_after: Duration) -> Status {
    let mut details = details(reason);
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(code, message, details)
}

/// A status for one malformed field.
pub fn bad_field(field: &str, description: impl Into<String>) -> Status {
    let description = description.into();
    let message = format!("{field}: {description}");
    let violation = FieldViolation { field: field.to_owned(), description };
    bad_request("INVALID_FIELD", message, vec![violation])
}

/// The reason of a status of ours; `None` for one that is not.
pub fn reason(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == ERROR_DOMAIN).then_some(info.reason)
}

fn details(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, ERROR_DOMAIN, std::collections::HashMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_fault_says_when_to_try_again() {
        let status =
            retry(Code::Unavailable, "LOG_UNAVAILABLE", "the disk is full", Duration::from_millis(250));
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_millis(250)));
        assert_eq!(details.error_info().unwrap().reason, "LOG_UNAVAILABLE");
        assert_eq!(details.error_info().unwrap().domain, ERROR_DOMAIN);
        assert_eq!(reason(&status).as_deref(), Some("LOG_UNAVAILABLE"));
        assert_eq!(reason(&Status::unavailable("no connection")), None);
    }

    #[test]
    fn a_malformed_request_names_its_fields() {
        let status = bad_field("command_id", "'x' is no UUID");
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "command_id");
    }
}
