//! Appends of nodes whose log this is: to battles' streams, whose events are stored as the game itself stores them.

use std::sync::Arc;
use std::time::Duration;

use nimaora_event_log::log::SharedLog;
use nimaora_event_log::types::EVENT_BYTES_MAX;
use nimaora_event_log::{Append, NewEvent};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::appending::{self, Gathered};
use crate::budget::{Budget, Share};
use crate::wire::client::streams::append_req::{Content, ProposedMessage};
use crate::wire::client::streams::{AppendReq, AppendResp};
use crate::writing::Refused;
use crate::{access, convert, refusal};

/// How long a node may take to send its events.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the events as they come and appends them together.
///
/// # Errors
/// It is no battle's stream, something is missing or too large, or the log does not take it.
pub(crate) async fn append(
    log: &SharedLog,
    budget: &Budget,
    parts: Streaming<AppendReq>,
) -> Result<AppendResp, Status> {
    let arrived = timeout(ARRIVAL_TIMEOUT, collect(budget, parts)).await;
    let late = |_| refusal::timed_out("not all events came in time; nothing was written");
    let (append, _share) = arrived.map_err(late)??;
    let (stream, expected) = (Arc::clone(&append.stream), append.expected);
    let written = log.append(append).await.map_err(Refused::Log);
    appending::answer(written, &stream, expected)
}

async fn collect(budget: &Budget, mut parts: Streaming<AppendReq>) -> Result<(Append, Share), Status> {
    let Some(AppendReq { content: Some(Content::Options(options)) }) = parts.message().await? else {
        return Err(Status::invalid_argument("an append begins with its options"));
    };
    let stream = convert::stream(options.stream_identifier)?;
    if !access::is_battle(&stream) {
        return Err(refusal::access_denied("nodes append to battles' streams only"));
    }
    let expected = appending::expected(options.expected_stream_revision)?;
    let mut gathered = Gathered::new(budget.clone());
    while let Some(part) = parts.message().await? {
        let Some(Content::ProposedMessage(event)) = part.content else {
            return Err(Status::invalid_argument("an append has its options once, and then events"));
        };
        gathered.add(proposed(event)?)?;
    }
    let (events, share) = gathered.take()?;
    Ok((Append { stream: stream.into(), expected, events }, share))
}

fn proposed(event: ProposedMessage) -> Result<NewEvent, Status> {
    let id = convert::uuid(event.id.as_ref())?;
    let event_type = event.metadata.get("type").filter(|name| !name.is_empty());
    let event_type = event_type.ok_or_else(|| refusal::metadata_missing("type"))?.as_str().into();
    let event = NewEvent { id, event_type, data: event.data, metadata: event.custom_metadata };
    match convert::bytes_of(&event) {
        bytes if bytes > EVENT_BYTES_MAX => Err(refusal::event_too_large(id, bytes, EVENT_BYTES_MAX)),
        _ => Ok(event),
    }
}
