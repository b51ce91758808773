//! One append for a call.

use std::sync::Arc;
use std::time::Duration;

use nimaora_event_log::types::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX};
use nimaora_event_log::{Append, AppendError, Appended, Expected, NewEvent, Revision};
use tokio::time::{Instant, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::{Status, Streaming};

use crate::budget::{Budget, Share};
use crate::metrics::{self, Outcome as Counted};
use crate::wire::client::streams::append_req::options::ExpectedStreamRevision;
use crate::wire::client::streams::append_req::{Content, Options};
use crate::wire::client::streams::append_resp::success::{CurrentRevisionOption, PositionOption};
use crate::wire::client::streams::append_resp::wrong_expected_version as wrong;
use crate::wire::client::streams::append_resp::{Position, Result as Outcome, Success, WrongExpectedVersion};
use crate::wire::client::streams::{AppendReq, AppendResp};
use crate::wire::client::{Empty, StreamIdentifier};
use crate::writing::{Refused, Writer};
use crate::{access, convert, refusal};

/// How long a client may take to send its events, whatever deadline it has.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the events as they come and appends them together.
pub(crate) async fn append(
    writer: &Writer,
    budget: &Budget,
    metadata: &MetadataMap,
    mut parts: Streaming<AppendReq>,
) -> Result<AppendResp, Status> {
    let patience = deadline(metadata).unwrap_or(ARRIVAL_TIMEOUT).min(ARRIVAL_TIMEOUT);
    if patience.is_zero() {
        return Err(refusal::timed_out("the deadline is now; nothing was written"));
    }
    let arrived = timeout_at(Instant::now() + patience, collect(budget, &mut parts)).await;
    let (append, _share) =
        arrived.map_err(|_| refusal::timed_out("not all events came in time; nothing was written"))??;
    let (stream, expected) = (Arc::clone(&append.stream), append.expected);
    let written = async { writer.admit(&stream).await?.append(append).await };
    answer(written.await, &stream, expected)
}

/// What an append answers.
///
/// # Errors
/// It failed, and not because of the stream's revision.
pub(crate) fn answer(
    written: Result<Appended, Refused>,
    stream: &str,
    expected: Expected,
) -> Result<AppendResp, Status> {
    metrics::appended(outcome(&written));
    let result = match written {
        Ok(appended) => Outcome::Success(success(&appended)),
        Err(Refused::Log(AppendError::WrongExpectedRevision { actual })) => {
            Outcome::WrongExpectedVersion(wrong_expected_version(expected, actual))
        }
        Err(refused) => return Err(status(&refused, stream)),
    };
    Ok(AppendResp { result: Some(result) })
}

async fn collect(budget: &Budget, parts: &mut Streaming<AppendReq>) -> Result<(Append, Share), Status> {
    let Some(AppendReq { content: Some(Content::Options(options)) }) = parts.message().await? else {
        return Err(Status::invalid_argument("an append begins with its options"));
    };
    let (stream, expected) = target(options)?;
    let mut gathered = Gathered::new(budget.clone());
    while let Some(part) = parts.message().await? {
        let Some(Content::ProposedMessage(event)) = part.content else {
            return Err(Status::invalid_argument("an append has its options once, and then events"));
        };
        let id = event.id.as_ref();
        gathered.add(convert::proposed(id, &event.metadata, &event.custom_metadata, event.data)?)?;
    }
    let (events, share) = gathered.take()?;
    Ok((Append { stream: stream.into(), expected, events }, share))
}

fn target(options: Options) -> Result<(String, Expected), Status> {
    let stream = convert::stream(options.stream_identifier)?;
    access::may_append(&stream)?;
    Ok((stream, expected(options.expected_stream_revision)?))
}

/// # Errors
/// The client expects nothing, which is not the same as anything.
pub(crate) fn expected(of_client: Option<ExpectedStreamRevision>) -> Result<Expected, Status> {
    match of_client {
        Some(ExpectedStreamRevision::Revision(revision)) => Ok(Expected::Exact(revision)),
        Some(ExpectedStreamRevision::NoStream(_)) => Ok(Expected::NoStream),
        Some(ExpectedStreamRevision::Any(_)) => Ok(Expected::Any),
        Some(ExpectedStreamRevision::StreamExists(_)) => Ok(Expected::Exists),
        None => Err(Status::invalid_argument("an append says what it expects of its stream")),
    }
}

/// The stream that is to be deleted or ended, and what the client expects of it.
///
/// # Errors
/// Something is missing, or it cannot be deleted.
pub(crate) fn ended(
    identifier: Option<StreamIdentifier>,
    expected: Option<Expected>,
) -> Result<(String, Expected), Status> {
    let stream = convert::stream(identifier)?;
    access::may_end(&stream)?;
    let missing = || Status::invalid_argument("say what is expected of the stream");
    Ok((stream, expected.ok_or_else(missing)?))
}

/// What a stream answers that was not deleted or ended.
pub(crate) fn not_ended(refused: &Refused, stream: &str, expected: Expected) -> Status {
    match refused {
        Refused::Log(AppendError::WrongExpectedRevision { actual }) => {
            refusal::wrong_expected_version(stream, expected, *actual)
        }
        _ => status(refused, stream),
    }
}

/// The events of an append so far, within the limits of one.
pub(crate) struct Gathered {
    events: Vec<NewEvent>,
    bytes: usize,
    budget: Budget,
    share: Share,
}

impl Gathered {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { events: Vec::new(), bytes: 0, budget, share: Share::default() }
    }

    /// # Errors
    /// With this event the append is too large, or all appends together are.
    pub(crate) fn add(&mut self, event: NewEvent) -> Result<(), Status> {
        let bytes = convert::bytes_of(&event);
        self.budget.add(&mut self.share, bytes)?;
        self.bytes += bytes;
        if self.bytes > APPEND_BYTES_MAX {
            return Err(refusal::append_too_large(APPEND_BYTES_MAX));
        }
        if self.events.len() >= APPEND_EVENTS_MAX {
            let reason = format!("an append has at most {APPEND_EVENTS_MAX} events");
            return Err(Status::invalid_argument(reason));
        }
        self.events.push(event);
        Ok(())
    }

    /// The events, and what they hold until the log has answered.
    ///
    /// # Errors
    /// There is no event.
    pub(crate) fn take(self) -> Result<(Vec<NewEvent>, Share), Status> {
        match self.events.is_empty() {
            true => Err(Status::invalid_argument("an append has at least one event")),
            false => Ok((self.events, self.share)),
        }
    }
}

fn success(appended: &Appended) -> Success {
    let (commit_position, prepare_position) = (appended.last_position, appended.last_position);
    Success {
        current_revision_option: Some(CurrentRevisionOption::CurrentRevision(appended.last_revision)),
        position_option: Some(PositionOption::Position(Position { commit_position, prepare_position })),
    }
}

fn wrong_expected_version(expected: Expected, actual: Option<Revision>) -> WrongExpectedVersion {
    use wrong::{
        CurrentRevisionOption as Current, CurrentRevisionOption2060 as OldCurrent,
        ExpectedRevisionOption as Wanted, ExpectedRevisionOption2060 as OldWanted,
    };
    let nothing = Empty {};
    let (current, old_current) = match actual {
        Some(revision) => (Current::CurrentRevision(revision), OldCurrent::CurrentRevision2060(revision)),
        None => (Current::CurrentNoStream(nothing), OldCurrent::NoStream2060(nothing)),
    };
    let (wanted, old_wanted) = match expected {
        Expected::Exact(revision) => {
            (Wanted::ExpectedRevision(revision), Some(OldWanted::ExpectedRevision2060(revision)))
        }
        Expected::Any => (Wanted::ExpectedAny(nothing), Some(OldWanted::Any2060(nothing))),
        Expected::Exists => {
            (Wanted::ExpectedStreamExists(nothing), Some(OldWanted::StreamExists2060(nothing)))
        }
        // The older form has no word for it.
        Expected::NoStream => (Wanted::ExpectedNoStream(nothing), None),
    };
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(old_current),
        expected_revision_option_20_6_0: old_wanted,
        current_revision_option: Some(current),
        expected_revision_option: Some(wanted),
    }
}

/// What became of an append, for who counts them.
pub(crate) fn outcome(written: &Result<Appended, Refused>) -> Counted {
    match written {
        Ok(_) => Counted::Written,
        Err(Refused::Deleted) => Counted::Refused,
        Err(Refused::Log(AppendError::WrongExpectedRevision { .. } | AppendError::Invalid { .. })) => {
            Counted::Refused
        }
        Err(Refused::Look(_)) => Counted::Failed,
        Err(Refused::Log(AppendError::Unavailable { .. } | AppendError::UnknownOutcome { .. })) => {
            Counted::Failed
        }
    }
}

/// What a refused write answers where it is not about the stream's revision.
pub(crate) fn status(refused: &Refused, stream: &str) -> Status {
    match refused {
        Refused::Deleted => refusal::stream_deleted(stream),
        Refused::Look(error) => refusal::read(error),
        Refused::Log(error @ AppendError::WrongExpectedRevision { .. }) => {
            Status::failed_precondition(error.to_string())
        }
        Refused::Log(error @ AppendError::Invalid { .. }) => Status::invalid_argument(error.to_string()),
        Refused::Log(error @ AppendError::Unavailable { .. }) => Status::unavailable(error.to_string()),
        Refused::Log(error @ AppendError::UnknownOutcome { .. }) => refusal::timed_out(&error.to_string()),
    }
}

/// The deadline that came with a call.
fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let value = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.saturating_mul(3_600))),
        "M" => Some(Duration::from_secs(count.saturating_mul(60))),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}
