//! Why a call was not answered as wished.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use tonic::Status;
use tonic_types::StatusExt;

use crate::client::SocketError;

/// Why a call was not answered as wished.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers.
    #[error(
        "cannot connect to {url}: {reason}; start a server with 'nimaora serve', or name one with --server"
    )]
    Connect {
        /// The address.
        url: String,
        /// What happened at the bottom of it.
        reason: String,
    },
    /// The URL is not one that is spoken to; a token sent there would be readable on the way.
    #[error("cannot use the server {0}: its URL must begin with http://; this client does not speak TLS")]
    Scheme(String),
    /// The URL holds a name or a password, which servers do not ask for. It is not repeated.
    #[error(
        "cannot use the server: its URL must be http://HOST:PORT, without a user or a password; tokens have flags of their own"
    )]
    Password,
    /// The server said no.
    #[error("{0}")]
    Refused(String),
    /// Tables that were built anew are not the same.
    #[error(
        "the tables in use are not what the log comes to; look at the rows above, then use --accept-differences"
    )]
    TablesDiffer,
    /// The server's answer lacks what it must have.
    #[error("the server's answer is empty; it may be of another version")]
    Empty,
    /// There is no admin token.
    #[error(
        "cannot read the admin token from {}: {source}; name its file with --admin-token-file, or set \
         NIMAORA_ADMIN_TOKEN", .path.display()
    )]
    AdminToken {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no session of this name.
    #[error("cannot use the session file {}: {reason}; 'nimaora client join BATTLE NAME' makes it", .path.display())]
    Session {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A name cannot be that of a file.
    #[error("'{0}' cannot be the name of a session file; use letters, digits, '-' and '_'")]
    Name(String),
    /// Nobody of this name is on the board.
    #[error("nobody on the board is called '{0}'")]
    NoSuchPlayer(String),
    /// A token cannot be sent in a header.
    #[error("the token holds characters that cannot be sent")]
    Token,
    /// The socket ended.
    #[error("the socket ended: {0}")]
    Socket(#[from] SocketError),
    /// Nothing can be printed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl ClientError {
    /// Nobody answers at `url`. The transport's own words say next to nothing; what caused it does.
    pub(super) fn connect(url: String, error: &tonic::transport::Error) -> Self {
        let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
        let reason = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
        Self::Connect { url, reason }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let mut text = status.message().to_owned();
        if let Some(info) = details.error_info() {
            let _ = write!(text, " ({})", info.reason);
        } else {
            let _ = write!(text, " ({:?})", status.code());
        }
        for violation in details.bad_request().map_or([].as_slice(), |bad| &bad.field_violations) {
            let _ = write!(text, "\n  {}: {}", violation.field, violation.description);
        }
        Self::Refused(text)
    }
}

#[cfg(test)]
mod tests {
    use nimaora_api::details;

    use super::*;

    #[test]
    fn a_refusal_says_its_reason_and_the_fields() {
        let status = details::status(tonic::Code::FailedPrecondition, "NO_ARROWS", "you have no arrows");
        assert_eq!(ClientError::from(status).to_string(), "you have no arrows (NO_ARROWS)");
        let status = details::bad_field("target_id", "it is no UUID");
        assert!(ClientError::from(status).to_string().contains("\n  target_id: it is no UUID"));
    }
}
