//! Many appends in one call, each answered for itself. Appends to one stream keep their order; answers come as they are ready.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::task::Poll;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use nimaora_event_log::types::APPEND_BYTES_MAX;
use nimaora_event_log::{Append, AppendError, Appended, Expected, Revision};
use nimaora_runtime::Clock;
use prost::Message;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use crate::appending::{self, Gathered};
use crate::budget::{Budget, Share};
use crate::convert::IdForm;
use crate::wire::client::streams::batch_append_req::options::{DeadlineOption, ExpectedStreamPosition};
use crate::wire::client::streams::batch_append_req::{Options, ProposedMessage};
use crate::wire::client::streams::batch_append_resp::success::{CurrentRevisionOption, PositionOption};
use crate::wire::client::streams::batch_append_resp::{
    ExpectedStreamPosition as Echoed, Result as Outcome, Success,
};
use crate::wire::client::streams::{BatchAppendReq, BatchAppendResp};
use crate::wire::client::wrong_expected_version::{
    CurrentStreamRevisionOption, ExpectedStreamPositionOption,
};
use crate::wire::client::{
    AccessDenied, AllStreamPosition, AnyDetail, BadRequest, BatchStatus, Empty, MaximumAppendSizeExceeded,
    StreamDeleted, Timeout, Unknown, WrongExpectedVersion,
};
use crate::writing::{Admitted, Refused, Writer};
use crate::{access, convert, metrics};

/// Appends of one call that the log is at work on. When it is reached, the next part is not read.
const APPENDS_MAX: usize = 256;
/// Appends of one call of which more parts are to come. When it is reached, the call ends.
const UNFINISHED_MAX: usize = 64;

type Answers = mpsc::Sender<Result<BatchAppendResp, Status>>;
type Work = BoxFuture<'static, BatchAppendResp>;

/// An append of which more parts are to come.
struct Unfinished {
    options: Options,
    /// The first reason not to write it; the parts that follow are only counted off.
    gathered: Result<Gathered, Status>,
}

/// Takes appends until the client has no more, and answers each.
pub(crate) async fn run(
    writer: Writer,
    budget: Budget,
    clock: Clock,
    mut parts: Streaming<BatchAppendReq>,
    answers: Answers,
) {
    let mut unfinished: HashMap<Uuid, Unfinished> = HashMap::new();
    let mut work: FuturesUnordered<Work> = FuturesUnordered::new();
    let mut more = true;
    while more || !work.is_empty() {
        tokio::select! {
            Some(answer) = work.next() => {
                if answers.send(Ok(answer)).await.is_err() {
                    return;
                }
            }
            part = parts.message(), if more && work.len() < APPENDS_MAX => match part {
                Ok(Some(part)) => match take(&budget, &mut unfinished, part) {
                    Ok(Some((id, finished))) => {
                        let append = append(&writer, clock.now_ms(), id, finished).await;
                        work.push(append);
                    }
                    Ok(None) => {}
                    Err(status) => {
                        let _ = answers.send(Err(status)).await;
                        more = false;
                    }
                },
                Ok(None) | Err(_) => more = false,
            },
        }
    }
}

/// Adds a part to its append; answers the append when it is whole.
fn take(
    budget: &Budget,
    unfinished: &mut HashMap<Uuid, Unfinished>,
    part: BatchAppendReq,
) -> Result<Option<(Uuid, Unfinished)>, Status> {
    let id = convert::uuid(part.correlation_id.as_ref())?;
    let mut whole = match (unfinished.remove(&id), part.options) {
        (Some(begun), None) => begun,
        (None, Some(options)) => Unfinished { options, gathered: Ok(Gathered::new(budget.clone())) },
        (Some(_), Some(_)) => return Err(Status::invalid_argument("a batch has its options once")),
        (None, None) => return Err(Status::invalid_argument("a batch begins with its options")),
    };
    whole.gathered = whole.gathered.and_then(|gathered| gather(gathered, part.proposed_messages));
    if part.is_final {
        return Ok(Some((id, whole)));
    }
    if unfinished.len() >= UNFINISHED_MAX {
        return Err(Status::resource_exhausted(format!("more than {UNFINISHED_MAX} batches are unfinished")));
    }
    unfinished.insert(id, whole);
    Ok(None)
}

fn gather(mut gathered: Gathered, events: Vec<ProposedMessage>) -> Result<Gathered, Status> {
    for event in events {
        let id = event.id.as_ref();
        gathered.add(convert::proposed(id, &event.metadata, &event.custom_metadata, event.data)?)?;
    }
    Ok(gathered)
}

/// Looks at the append's stream and hands the append to the log now, and so in the order in which appends came; answers what waits for
/// the outcome. The append itself waits for nobody: it holds its stream, and must not do so for as long as its client reads no answers.
async fn append(writer: &Writer, now_ms: i64, id: Uuid, whole: Unfinished) -> Work {
    let Unfinished { options, gathered } = whole;
    // Clients rely on it, also when it was missing.
    let stream_identifier = options.stream_identifier.clone().unwrap_or_default();
    let echoed = options.expected_stream_position.map(echo);
    let answer = move |outcome| BatchAppendResp {
        correlation_id: Some(IdForm::Structured.write(id)),
        result: Some(outcome),
        stream_identifier: Some(stream_identifier),
        expected_stream_position: echoed,
    };
    let (append, share) = match prepare(options, gathered, now_ms) {
        Ok(append) => append,
        Err(status) => return Box::pin(ready(answer(Outcome::Error(refused(&status))))),
    };
    let admitted = writer.admit(&append.stream).await;
    let mut written = Box::pin(write(admitted, append, share));
    match futures::poll!(&mut written) {
        Poll::Ready(outcome) => Box::pin(ready(answer(outcome))),
        Poll::Pending => {
            let written = tokio::spawn(written);
            let lost = |_| Outcome::Error(refused(&Status::aborted("the append was not waited for")));
            Box::pin(async move { answer(written.await.unwrap_or_else(lost)) })
        }
    }
}

async fn write(admitted: Result<Admitted, Refused>, append: Append, share: Share) -> Outcome {
    let (stream, expected) = (Arc::clone(&append.stream), append.expected);
    let written = async { admitted?.append(append).await };
    let written = written.await;
    drop(share);
    metrics::appended(appending::outcome(&written));
    match written {
        Ok(appended) => Outcome::Success(success(&appended)),
        Err(error) => Outcome::Error(failed(&error, &stream, expected)),
    }
}

fn prepare(
    options: Options,
    gathered: Result<Gathered, Status>,
    now_ms: i64,
) -> Result<(Append, Share), Status> {
    let stream = convert::stream(options.stream_identifier)?;
    access::may_append(&stream)?;
    let expected = match options.expected_stream_position {
        Some(ExpectedStreamPosition::StreamPosition(revision)) => Expected::Exact(revision),
        Some(ExpectedStreamPosition::NoStream(_)) => Expected::NoStream,
        Some(ExpectedStreamPosition::StreamExists(_)) => Expected::Exists,
        Some(ExpectedStreamPosition::Any(_)) => Expected::Any,
        None => return Err(Status::invalid_argument("a batch says what it expects of its stream")),
    };
    if is_over(options.deadline_option.as_ref(), now_ms) {
        return Err(Status::deadline_exceeded("the deadline is over; nothing was written"));
    }
    let (events, share) = gathered?.take()?;
    Ok((Append { stream: stream.into(), expected, events }, share))
}

/// Whether the client has given up already. A longer deadline is the log's own, whatever the client says: some send one of decades.
fn is_over(deadline: Option<&DeadlineOption>, now_ms: i64) -> bool {
    match deadline {
        Some(DeadlineOption::Deadline(span)) => span.seconds <= 0 && span.nanos <= 0,
        Some(DeadlineOption::Deadline21100(moment)) => moment.seconds < now_ms / 1_000,
        None => false,
    }
}

fn echo(expected: ExpectedStreamPosition) -> Echoed {
    match expected {
        ExpectedStreamPosition::StreamPosition(revision) => Echoed::StreamPosition(revision),
        ExpectedStreamPosition::NoStream(_) => Echoed::NoStream(Empty {}),
        ExpectedStreamPosition::Any(_) => Echoed::Any(Empty {}),
        ExpectedStreamPosition::StreamExists(_) => Echoed::StreamExists(Empty {}),
    }
}

fn success(appended: &Appended) -> Success {
    let (commit_position, prepare_position) = (appended.last_position, appended.last_position);
    let position = AllStreamPosition { commit_position, prepare_position };
    Success {
        current_revision_option: Some(CurrentRevisionOption::CurrentRevision(appended.last_revision)),
        position_option: Some(PositionOption::Position(position)),
    }
}

fn failed(error: &Refused, stream: &str, expected: Expected) -> BatchStatus {
    match error {
        Refused::Log(AppendError::WrongExpectedRevision { actual }) => {
            let detail = wrong_expected_version(expected, *actual);
            outcome(Code::AlreadyExists, error.to_string(), "WrongExpectedVersion", &detail)
        }
        Refused::Log(AppendError::UnknownOutcome { .. }) => {
            outcome(Code::DeadlineExceeded, error.to_string(), "Timeout", &Timeout {})
        }
        Refused::Deleted => {
            let detail = StreamDeleted { stream_identifier: Some(convert::identifier(stream)) };
            outcome(Code::NotFound, error.to_string(), "StreamDeleted", &detail)
        }
        Refused::Look(_) | Refused::Log(AppendError::Invalid { .. } | AppendError::Unavailable { .. }) => {
            refused(&appending::status(error, stream))
        }
    }
}

/// What a batch is answered that never came to the log.
fn refused(status: &Status) -> BatchStatus {
    let message = status.message().to_owned();
    let too_large =
        status.metadata().get("exception").is_some_and(|name| name == "maximum-append-size-exceeded");
    match status.code() {
        Code::InvalidArgument if too_large => {
            let max_append_size = u32::try_from(APPEND_BYTES_MAX).unwrap_or(u32::MAX);
            let detail = MaximumAppendSizeExceeded { max_append_size };
            outcome(Code::InvalidArgument, message, "MaximumAppendSizeExceeded", &detail)
        }
        Code::InvalidArgument => {
            let detail = BadRequest { message: message.clone() };
            outcome(Code::InvalidArgument, message, "BadRequest", &detail)
        }
        Code::PermissionDenied => outcome(Code::PermissionDenied, message, "AccessDenied", &AccessDenied {}),
        Code::DeadlineExceeded => outcome(Code::DeadlineExceeded, message, "Timeout", &Timeout {}),
        code => outcome(code, message, "Unknown", &Unknown {}),
    }
}

fn outcome(code: Code, message: String, name: &str, detail: &impl Message) -> BatchStatus {
    let type_url = format!("type.googleapis.com/event_store.client.{name}");
    let details = Some(AnyDetail { type_url, value: detail.encode_to_vec().into() });
    BatchStatus { code: code.into(), message, details }
}

fn wrong_expected_version(expected: Expected, actual: Option<Revision>) -> WrongExpectedVersion {
    let current = match actual {
        Some(revision) => CurrentStreamRevisionOption::CurrentStreamRevision(revision),
        None => CurrentStreamRevisionOption::CurrentNoStream(Empty {}),
    };
    let wanted = match expected {
        Expected::Exact(revision) => ExpectedStreamPositionOption::ExpectedStreamPosition(revision),
        Expected::Any => ExpectedStreamPositionOption::ExpectedAny(Empty {}),
        Expected::Exists => ExpectedStreamPositionOption::ExpectedStreamExists(Empty {}),
        Expected::NoStream => ExpectedStreamPositionOption::ExpectedNoStream(Empty {}),
    };
    WrongExpectedVersion {
        current_stream_revision_option: Some(current),
        expected_stream_position_option: Some(wanted),
    }
}
