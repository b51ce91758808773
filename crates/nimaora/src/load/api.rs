//! Calls to the server: a few shared connections, a deadline on each attempt, and commands that are repeated with the
//! same id until their outcome is known.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nimaora_api::details::ERROR_DOMAIN;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_api::v1::query_service_client::QueryServiceClient;
use tokio::time::{Instant, sleep, timeout};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use super::error::LoadError;
use super::targets::Targets;

/// Connections of one process, shared by all of its players.
pub(super) const CONNECTIONS: usize = 4;
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a command is repeated while its outcome is not known. Then it counts as failed and as unresolved.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(60);
/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before the first repeat; it doubles up to the longest, and half of it is drawn.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// For how long what changes no battle is tried again while servers say that they are not there. Then it counts as failed.
const ASK_PATIENCE: Duration = Duration::from_secs(10);

/// A bearer token, ready to be sent.
pub(super) type Token = MetadataValue<Ascii>;
/// The commands over one of the connections.
pub(super) type Commands = CommandServiceClient<Channel>;
/// The queries over one of the connections.
pub(super) type Queries = QueryServiceClient<Channel>;

/// The server, as everybody in this process reaches it.
#[derive(Debug)]
pub(super) struct Api {
    commands: Vec<Channel>,
    queries: Vec<Channel>,
    turn: AtomicUsize,
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Reply<T> {
    Accepted(T),
    /// The rules said no.
    Refused(String),
    /// It failed for good, and changed nothing.
    Failed(Status),
    /// It failed, and whether it changed something is not known.
    Unknown(Status),
}

impl Api {
    /// Connects when the first call is made, and again whenever a connection was lost.
    pub(super) fn new(targets: &Targets) -> Result<Self, LoadError> {
        let (commands, queries) = (channels(&targets.commands)?, channels(&targets.queries)?);
        Ok(Self { commands, queries, turn: AtomicUsize::new(0) })
    }

    pub(super) fn commands(&self) -> Commands {
        CommandServiceClient::new(self.channel(&self.commands))
    }

    pub(super) fn queries(&self) -> Queries {
        QueryServiceClient::new(self.channel(&self.queries))
    }

    fn channel(&self, channels: &[Channel]) -> Channel {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        channels[turn % channels.len()].clone()
    }

    /// Gives a command, again and again with the same id while its outcome is not known, each time over another
    /// connection. Adds the repeats to `retries`.
    pub(super) async fn command<T, F>(&self, retries: &mut u64, attempt: impl Fn(Commands) -> F) -> Reply<T>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let may_pass = |status: &Status| matches!(Failure::of(status), Failure::Passing);
        let outcome = persist(OUTCOME_TIMEOUT, retries, may_pass, || attempt(self.commands())).await;
        match outcome {
            Ok(response) => Reply::Accepted(response),
            Err(status) => match Failure::of(&status) {
                Failure::Refusal(reason) => Reply::Refused(reason),
                Failure::Final => Reply::Failed(status),
                Failure::Passing => Reply::Unknown(status),
            },
        }
    }

    /// Asks or says what may be repeated freely: when a server is not there, again over another connection, as a client does that
    /// knows several. Adds the repeats to `retries`.
    pub(super) async fn ask<T, F>(&self, retries: &mut u64, attempt: impl Fn() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        persist(ASK_PATIENCE, retries, is_gone, attempt).await
    }
}

/// Tries again and again while `may_pass` says so of the failure, for as long as the patience lasts; the pauses grow, and what the
/// server asks for counts. Adds the repeats to `retries`.
async fn persist<T, F>(
    patience: Duration,
    retries: &mut u64,
    may_pass: impl Fn(&Status) -> bool,
    attempt: impl Fn() -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let (mut pause, give_up) = (PAUSE_MIN, Instant::now() + patience);
    loop {
        match within_deadline(attempt()).await {
            Err(status) if may_pass(&status) && Instant::now() < give_up => {
                *retries += 1;
                sleep(retry_delay(&status).unwrap_or_default().max(drawn(pause))).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            outcome => return outcome,
        }
    }
}

/// Whether a server said that it is not there for now, or was gone before it could answer: the client library tells a connection
/// that broke in the middle of a call as cancelled or unknown.
fn is_gone(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown)
}

/// Half of a pause, and a part of the other half.
fn drawn(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Connections to all of the servers, in turns.
fn channels(targets: &[String]) -> Result<Vec<Channel>, LoadError> {
    let connect = |target: &String| {
        let endpoint = Endpoint::from_shared(target.clone())
            .map_err(|error| LoadError::Target { target: target.clone(), reason: error.to_string() })?;
        Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true).connect_lazy())
    };
    let count = CONNECTIONS.max(targets.len());
    targets.iter().cycle().take(count).map(connect).collect()
}

/// A request with the token's bearer.
pub(super) fn with_token<T>(message: T, token: &Token) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", token.clone());
    request
}

/// The token as it is sent.
pub(super) fn bearer(token: &str) -> Result<Token, LoadError> {
    format!("Bearer {token}").parse().map_err(|_| LoadError::Token)
}

/// One attempt, which fails with DEADLINE_EXCEEDED when it takes too long.
pub(super) async fn within_deadline<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match timeout(ATTEMPT_TIMEOUT, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer in time")),
    }
}

/// The name of the status' code, as the API's documents write it.
pub(super) fn code_name(status: &Status) -> &'static str {
    match status.code() {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The status in words.
pub(super) fn describe(status: &Status) -> String {
    format!("{}: {}", code_name(status), status.message())
}

/// What a status means for whoever called.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// The rules said no, for this reason.
    Refusal(String),
    /// Trying again can help.
    Passing,
    /// Trying again cannot help.
    Final,
}

impl Failure {
    fn of(status: &Status) -> Self {
        match status.code() {
            Code::FailedPrecondition | Code::AlreadyExists | Code::NotFound => match rule(status) {
                Some(reason) => Self::Refusal(reason),
                None => Self::Final,
            },
            Code::Unavailable
            | Code::ResourceExhausted
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Aborted
            | Code::Unknown
            | Code::Internal => Self::Passing,
            Code::Ok
            | Code::InvalidArgument
            | Code::PermissionDenied
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => Self::Final,
        }
    }
}

fn rule(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == ERROR_DOMAIN).then_some(info.reason)
}

fn retry_delay(status: &Status) -> Option<Duration> {
    // The server's word counts up to the longest pause of our own.
    status.get_details_retry_info()?.retry_delay.map(|delay| delay.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use nimaora_api::details;

    use super::*;
    use crate::load::LoadArgs;

    #[derive(Parser)]
    struct LoadCli {
        #[command(flatten)]
        args: LoadArgs,
    }

    #[test]
    fn a_refusal_by_the_rules_is_told_from_an_error() {
        let refused = details::status(Code::FailedPrecondition, "NO_ARROWS", "no arrows left");
        assert_eq!(Failure::of(&refused), Failure::Refusal("NO_ARROWS".to_owned()));
        let foreign = Status::failed_precondition("said by a proxy");
        assert_eq!(Failure::of(&foreign), Failure::Final);
        assert_eq!(Failure::of(&details::bad_field("target_id", "no UUID")), Failure::Final);
    }

    #[test]
    fn what_passes_is_tried_again_after_the_time_the_server_names() {
        let wait = Duration::from_millis(250);
        let full = details::retry(Code::ResourceExhausted, "MAILBOX_FULL", "try again", wait);
        assert_eq!((Failure::of(&full), retry_delay(&full)), (Failure::Passing, Some(wait)));
        let gone = Status::unavailable("connection refused");
        assert_eq!((Failure::of(&gone), retry_delay(&gone)), (Failure::Passing, None));
    }

    #[test]
    fn only_plain_http_is_a_target() {
        let args = |target: &str| LoadCli::parse_from(["load", "--target", target]).args;
        for wrong in ["https://127.0.0.1:1", "not a url", "http://127.0.0.1:1,127.0.0.1:2"] {
            assert!(matches!(Targets::of(&args(wrong)), Err(LoadError::Target { .. })), "{wrong}");
        }
        let targets = Targets::of(&args("http://127.0.0.1:1,http://127.0.0.1:2/")).unwrap();
        assert_eq!(targets.socket_authority(3), "127.0.0.1:2");
    }
}
