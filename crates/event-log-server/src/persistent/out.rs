//! What consumers are sent.

use nimaora_event_log::RecordedEvent;

use super::settings::GroupId;
use crate::convert::{self, IdForm};
use crate::wire::client::persistent_subscriptions::ReadResp;
use crate::wire::client::persistent_subscriptions::read_resp::read_event::{
    Count, Position, RecordedEvent as Recorded,
};
use crate::wire::client::persistent_subscriptions::read_resp::{
    Content, ReadEvent, SubscriptionConfirmation,
};

/// An event, and how often it was delivered before.
pub(super) fn event(event: RecordedEvent, tries: u32, ids: IdForm) -> ReadResp {
    let position = Some(Position::CommitPosition(event.position));
    let recorded = convert::recorded(event, ids);
    let recorded = Recorded {
        id: recorded.id,
        stream_identifier: recorded.stream_identifier,
        stream_revision: recorded.stream_revision,
        prepare_position: recorded.prepare_position,
        commit_position: recorded.commit_position,
        metadata: recorded.metadata,
        custom_metadata: recorded.custom_metadata,
        data: recorded.data,
    };
    let count = Some(Count::RetryCount(i32::try_from(tries).unwrap_or(i32::MAX)));
    let event = ReadEvent { event: Some(recorded), link: None, position, count };
    ReadResp { content: Some(Content::Event(event)) }
}

/// The first answer to a consumer.
pub(super) fn confirmation(id: &GroupId) -> ReadResp {
    let confirmation = SubscriptionConfirmation { subscription_id: id.subscription() };
    ReadResp { content: Some(Content::SubscriptionConfirmation(confirmation)) }
}
