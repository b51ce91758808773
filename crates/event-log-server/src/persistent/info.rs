//! How a group is doing, as clients are told.

use super::consumers::Consumer;
use super::settings::{Group, Place, Start};
use crate::wire::client::persistent_subscriptions::SubscriptionInfo;
use crate::wire::client::persistent_subscriptions::subscription_info::ConnectionInfo;

/// How a group is doing.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) now_ms: i64,
    pub(super) since_ms: i64,
    pub(super) delivered: u64,
    pub(super) checkpoint: Option<Place>,
    pub(super) last_read: Option<Place>,
    pub(super) waiting: usize,
    pub(super) again: usize,
    pub(super) out: usize,
    pub(super) parked: u64,
    pub(super) consumers: Vec<ConsumerNumbers>,
}

/// How a consumer is doing.
#[derive(Debug)]
pub(super) struct ConsumerNumbers {
    name: String,
    room: usize,
    has: usize,
    delivered: u64,
    since_ms: i64,
}

impl ConsumerNumbers {
    pub(super) fn of(consumer: &Consumer) -> Self {
        let Consumer { name, room, has, delivered, since_ms, .. } = consumer;
        Self { name: name.clone(), room: *room, has: *has, delivered: *delivered, since_ms: *since_ms }
    }
}

/// The group's settings and numbers.
pub(super) fn of(group: &Group, numbers: &Numbers) -> SubscriptionInfo {
    let (id, settings) = (&group.id, &group.settings);
    let average = per_second(numbers.delivered, numbers.since_ms, numbers.now_ms);
    let connections = numbers.consumers.iter().map(|consumer| connection(consumer, numbers.now_ms)).collect();
    let status = if numbers.consumers.is_empty() { "NotReady" } else { "Live" };
    let start_from = match (settings.start, id.is_all()) {
        (Start::Beginning, true) => "C:0/P:0".to_owned(),
        (Start::Beginning, false) => "0".to_owned(),
        (Start::End, true) => "C:-1/P:-1".to_owned(),
        (Start::End, false) => "-1".to_owned(),
        (Start::At(place), _) => id.write_place(Some(place)),
    };
    let place = |place: Option<Place>| place.map(|place| id.write_place(Some(place))).unwrap_or_default();
    SubscriptionInfo {
        event_source: id.source.clone(),
        group_name: id.name.clone(),
        status: status.to_owned(),
        connections,
        average_per_second: average,
        total_items: long(numbers.delivered),
        count_since_last_measurement: long(numbers.delivered),
        last_checkpointed_event_position: place(numbers.checkpoint),
        last_known_event_position: place(numbers.last_read),
        resolve_link_tos: settings.resolve_links,
        start_from,
        message_timeout_milliseconds: int(settings.message_timeout_ms),
        extra_statistics: settings.extra_statistics,
        max_retry_count: int(settings.max_retry_count),
        live_buffer_size: int(settings.live_buffer_size),
        buffer_size: int(settings.history_buffer_size),
        read_batch_size: int(settings.read_batch_size),
        check_point_after_milliseconds: int(settings.checkpoint_after_ms),
        min_check_point_count: int(settings.min_checkpoint_count),
        max_check_point_count: int(settings.max_checkpoint_count),
        read_buffer_count: count(numbers.waiting),
        live_buffer_count: count(numbers.waiting).into(),
        retry_buffer_count: count(numbers.again),
        total_in_flight_messages: count(numbers.out),
        outstanding_messages_count: count(numbers.out),
        named_consumer_strategy: settings.strategy.name().to_owned(),
        max_subscriber_count: int(settings.max_subscriber_count),
        parked_message_count: long(numbers.parked),
    }
}

fn connection(consumer: &ConsumerNumbers, now_ms: i64) -> ConnectionInfo {
    ConnectionInfo {
        from: String::new(),
        username: "admin".to_owned(),
        average_items_per_second: per_second(consumer.delivered, consumer.since_ms, now_ms),
        total_items: long(consumer.delivered),
        count_since_last_measurement: long(consumer.delivered),
        observed_measurements: Vec::new(),
        available_slots: count(consumer.room.saturating_sub(consumer.has)),
        in_flight_messages: count(consumer.has),
        connection_name: consumer.name.clone(),
    }
}

fn per_second(events: u64, since_ms: i64, now_ms: i64) -> i32 {
    let seconds = u64::try_from((now_ms - since_ms) / 1_000).unwrap_or(0).max(1);
    i32::try_from(events / seconds).unwrap_or(i32::MAX)
}

fn int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn count(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn long(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
