//! What clients ask for, in our terms.

use tonic::Status;

use super::settings::{ALL, Group, GroupFilter, GroupId, Settings, Start, Strategy};
use crate::convert;
use crate::wire::client::StreamIdentifier;
use crate::wire::client::persistent_subscriptions::create_req::all_options::filter_options::Filter as Looked;
use crate::wire::client::persistent_subscriptions::create_req::all_options::{AllOption, FilterOption};
use crate::wire::client::persistent_subscriptions::create_req::options::StreamOption;
use crate::wire::client::persistent_subscriptions::create_req::settings::{CheckpointAfter, MessageTimeout};
use crate::wire::client::persistent_subscriptions::create_req::stream_options::RevisionOption;
use crate::wire::client::persistent_subscriptions::create_req::{self, Settings as Wished};
use crate::wire::client::persistent_subscriptions::update_req::all_options::AllOption as UpdatedAll;
use crate::wire::client::persistent_subscriptions::update_req::options::StreamOption as UpdatedStream;
use crate::wire::client::persistent_subscriptions::update_req::stream_options::RevisionOption as UpdatedRevision;
use crate::wire::client::persistent_subscriptions::{CreateReq, UpdateReq};

/// 100-nanosecond ticks in a millisecond.
const TICKS_PER_MS: i64 = 10_000;

/// The group of this name, of a stream or of the whole log where there is none.
pub(super) fn id(stream: Option<Option<StreamIdentifier>>, name: String) -> Result<GroupId, Status> {
    let source = match stream {
        Some(identifier) => convert::stream(identifier)?,
        None => ALL.to_owned(),
    };
    GroupId::new(source, name)
}

fn missing(what: &str) -> Status {
    Status::invalid_argument(format!("a group needs {what}"))
}

pub(super) fn created(request: CreateReq) -> Result<Group, Status> {
    let options = request.options.ok_or_else(|| missing("options"))?;
    let wished = options.settings.ok_or_else(|| missing("settings"))?;
    let (id, start, filter) = match options.stream_option {
        Some(StreamOption::All(all)) => {
            let start = match all.all_option {
                Some(AllOption::Position(position)) => Start::At(position.commit_position),
                Some(AllOption::End(_)) => Start::End,
                Some(AllOption::Start(_)) | None => Start::Beginning,
            };
            (id(None, options.group_name)?, start, filter(all.filter_option))
        }
        Some(StreamOption::Stream(stream)) => {
            let start = match stream.revision_option {
                Some(RevisionOption::Revision(revision)) => Start::At(revision),
                Some(RevisionOption::End(_)) => Start::End,
                Some(RevisionOption::Start(_)) | None => Start::Beginning,
            };
            (id(Some(stream.stream_identifier), options.group_name)?, start, None)
        }
        None => {
            let id = id(Some(options.stream_identifier), options.group_name)?;
            (id, Start::At(wished.revision), None)
        }
    };
    Ok(Group { id, settings: settings(&wished, start)?, filter })
}

fn filter(option: Option<FilterOption>) -> Option<GroupFilter> {
    let Some(FilterOption::Filter(filter)) = option else { return None };
    let (by_type, expression) = match filter.filter? {
        Looked::StreamIdentifier(expression) => (false, expression),
        Looked::EventType(expression) => (true, expression),
    };
    let create_req::all_options::filter_options::Expression { regex, prefix } = expression;
    Some(GroupFilter { by_type, regex, prefixes: prefix })
}

pub(super) fn updated(request: UpdateReq) -> Result<(GroupId, Settings), Status> {
    let options = request.options.ok_or_else(|| missing("options"))?;
    let wished = options.settings.ok_or_else(|| missing("settings"))?;
    let (id, start) = match options.stream_option {
        Some(UpdatedStream::All(all)) => {
            let start = match all.all_option {
                Some(UpdatedAll::Position(position)) => Start::At(position.commit_position),
                Some(UpdatedAll::End(_)) => Start::End,
                Some(UpdatedAll::Start(_)) | None => Start::Beginning,
            };
            (id(None, options.group_name)?, start)
        }
        Some(UpdatedStream::Stream(stream)) => {
            let start = match stream.revision_option {
                Some(UpdatedRevision::Revision(revision)) => Start::At(revision),
                Some(UpdatedRevision::End(_)) => Start::End,
                Some(UpdatedRevision::Start(_)) | None => Start::Beginning,
            };
            (id(Some(stream.stream_identifier), options.group_name)?, start)
        }
        None => (id(Some(options.stream_identifier), options.group_name)?, Start::At(wished.revision)),
    };
    Ok((id, settings(&wished, start)?))
}

fn settings(wished: &Wished, start: Start) -> Result<Settings, Status> {
    let strategy = match &*wished.consumer_strategy {
        "" => match wished.named_consumer_strategy() {
            create_req::ConsumerStrategy::DispatchToSingle => Strategy::DispatchToSingle,
            create_req::ConsumerStrategy::RoundRobin => Strategy::RoundRobin,
            create_req::ConsumerStrategy::Pinned => Strategy::Pinned,
        },
        name => Strategy::from_name(name)
            .ok_or_else(|| Status::invalid_argument(format!("there is no consumer strategy '{name}'")))?,
    };
    let message_timeout_ms = match wished.message_timeout {
        Some(MessageTimeout::MessageTimeoutTicks(ticks)) => ticks / TICKS_PER_MS,
        Some(MessageTimeout::MessageTimeoutMs(millis)) => millis.into(),
        None => 0,
    };
    let checkpoint_after_ms = match wished.checkpoint_after {
        Some(CheckpointAfter::CheckpointAfterTicks(ticks)) => ticks / TICKS_PER_MS,
        Some(CheckpointAfter::CheckpointAfterMs(millis)) => millis.into(),
        None => 0,
    };
    Ok(Settings {
        resolve_links: wished.resolve_links,
        extra_statistics: wished.extra_statistics,
        max_retry_count: natural("max_retry_count", wished.max_retry_count)?,
        min_checkpoint_count: natural("min_checkpoint_count", wished.min_checkpoint_count)?,
        max_checkpoint_count: natural("max_checkpoint_count", wished.max_checkpoint_count)?,
        max_subscriber_count: natural("max_subscriber_count", wished.max_subscriber_count)?,
        live_buffer_size: natural("live_buffer_size", wished.live_buffer_size)?,
        read_batch_size: natural("read_batch_size", wished.read_batch_size)?,
        history_buffer_size: natural("history_buffer_size", wished.history_buffer_size)?,
        message_timeout_ms: natural("message_timeout", message_timeout_ms)?,
        checkpoint_after_ms: natural("checkpoint_after", checkpoint_after_ms)?,
        strategy,
        start,
    })
}

fn natural(name: &str, value: impl Into<i64>) -> Result<u32, Status> {
    let value = value.into();
    u32::try_from(value)
        .ok()
        .filter(|value| i32::try_from(*value).is_ok())
        .ok_or_else(|| Status::invalid_argument(format!("{name} cannot be {value}")))
}
