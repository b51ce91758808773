//! The client's errors: what was done, and whether to try again.

use kurrentdb::{CurrentRevision, Error};

use crate::error::ReadError;
use crate::types::Revision;

/// What became of a call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The stream is not there.
    Missing,
    /// The stream's last revision is another one. Nothing was done.
    WrongRevision(Option<Revision>),
    /// Nothing was done, and never will be.
    Refused(String),
    /// Nothing was done, and will not be before somebody changes what we may do.
    Denied,
    /// What is stored is not what was written.
    Damaged(String),
    /// The client has no connection and gave up. Nothing was done.
    Disconnected(String),
    /// Nothing was done, and it may be tried again.
    NotTaken(String),
    /// There was no answer in time. It is not known what was done.
    Late,
    /// It is not known what was done.
    Unknown(String),
}

const DENIED: &str = "the server denies access: check user and password, and what they may do";
/// The status codes of gRPC by which the client tells the errors that it has no name for.
const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const FAILED_PRECONDITION: i32 = 9;
const OUT_OF_RANGE: i32 = 11;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            Error::WrongExpectedVersion { current, .. } => Self::WrongRevision(match current {
                CurrentRevision::Current(revision) => Some(revision),
                CurrentRevision::NoStream => None,
            }),
            Error::ResourceNotFound => Self::Missing,
            Error::ResourceDeleted => Self::Damaged("the stream was deleted".into()),
            Error::NotLeaderException(_) => Self::NotTaken("another server leads the cluster by now".into()),
            Error::AccessDenied => Self::Denied,
            Error::ConnectionClosed | Error::GrpcConnectionError(_) | Error::InitializationError(_) => {
                Self::Disconnected(reason)
            }
            Error::UnsupportedFeature | Error::InternalParsingError(_) => Self::Refused(reason),
            Error::Grpc { code, message } => match code as i32 {
                INVALID_ARGUMENT | OUT_OF_RANGE => Self::Refused(message),
                FAILED_PRECONDITION => Self::Damaged(message),
                RESOURCE_EXHAUSTED => Self::NotTaken(message),
                _ => Self::Unknown(message),
            },
            Error::DeadlineExceeded => Self::Late,
            Error::ServerError(_)
            | Error::ResourceAlreadyExists
            | Error::InternalClientError
            | Error::IllegalStateError(_) => Self::Unknown(reason),
        }
    }
}

impl Fault {
    /// What a read says to it when trying again at once cannot help.
    pub(super) fn final_for_reads(&self, place: &str) -> Option<ReadError> {
        match self {
            Self::Damaged(reason) => {
                Some(ReadError::Damaged { place: place.to_owned(), reason: reason.clone() })
            }
            Self::Denied => Some(ReadError::Unavailable { reason: DENIED.to_owned() }),
            Self::Refused(reason) => Some(ReadError::Invalid { reason: reason.clone() }),
            Self::WrongRevision(_) => Some(ReadError::Invalid { reason: self.reason().to_owned() }),
            Self::Missing | Self::Disconnected(_) | Self::NotTaken(_) | Self::Late | Self::Unknown(_) => None,
        }
    }

    /// What hinders, in words.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Missing => "the stream is not there",
            Self::Denied => DENIED,
            Self::Late => "the server did not answer in time",
            Self::WrongRevision(_) => "the stream has another revision",
            Self::Refused(reason)
            | Self::Damaged(reason)
            | Self::Disconnected(reason)
            | Self::NotTaken(reason)
            | Self::Unknown(reason) => reason,
        }
    }
}
