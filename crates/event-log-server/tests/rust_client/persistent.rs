//! Groups of consumers, as the official Rust client uses them, on each log.

use std::collections::BTreeSet;
use std::time::Duration;

use kurrentdb::{
    AppendToStreamOptions, Client, DeletePersistentSubscriptionOptions, Error, EventData,
    GetPersistentSubscriptionInfoOptions, ListPersistentSubscriptionsOptions, NakAction,
    PersistentSubscription, PersistentSubscriptionEvent, PersistentSubscriptionOptions,
    PersistentSubscriptionToAllOptions, ReadStreamOptions, ReplayParkedMessagesOptions,
    RestartPersistentSubscriptionSubsystem, StreamPosition, SubscribeToPersistentSubscriptionOptions,
    SubscriptionFilter, SystemConsumerStrategy,
};

use crate::revisions;
use crate::stage::{Stage, note, soon};

fn from_start() -> PersistentSubscriptionOptions {
    PersistentSubscriptionOptions::default().start_from(StreamPosition::Start).checkpoint_lower_bound(1)
}

async fn append(client: &Client, stream: &str, count: u32) {
    let events: Vec<EventData> = (0..count).map(note).collect();
    soon(client.append_to_stream(stream, &AppendToStreamOptions::default(), events)).await.unwrap();
}

async fn create(client: &Client, stream: &str, options: &PersistentSubscriptionOptions) {
    soon(client.create_persistent_subscription(stream, "readers", options)).await.unwrap();
}

async fn consume(client: &Client, stream: &str, room: usize) -> PersistentSubscription {
    let options = SubscribeToPersistentSubscriptionOptions::default().buffer_size(room);
    soon(client.subscribe_to_persistent_subscription(stream, "readers", &options)).await.unwrap()
}

/// The next event's revision, and how often it was delivered before.
async fn next(consumer: &mut PersistentSubscription) -> (u64, usize) {
    loop {
        if let PersistentSubscriptionEvent::EventAppeared { retry_count, event } =
            soon(consumer.next_subscription_event()).await.unwrap()
        {
            return (event.get_original_event().revision, retry_count);
        }
    }
}

/// Takes so many events and says that they are done.
async fn work_off(consumer: &mut PersistentSubscription, count: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    for _ in 0..count {
        let event = soon(consumer.next()).await.unwrap();
        seen.push(event.get_original_event().revision);
        consumer.ack(&event).await.unwrap();
    }
    seen
}

async fn parked(client: &Client, stream: &str) -> usize {
    let options = GetPersistentSubscriptionInfoOptions::default();
    let info = soon(client.get_persistent_subscription_info(stream, "readers", &options)).await.unwrap();
    info.stats.parked_message_count
}

/// Waits until the log says that the group has done everything up to this place.
async fn written(stage: &Stage, place: &str) {
    let mut subscription = stage.log.subscribe(0, nimaora_event_log::Filter::default()).await.unwrap();
    let wanted = format!("\"{place}\"");
    loop {
        if let nimaora_event_log::SubscriptionMessage::Events(events) =
            soon(subscription.next()).await.unwrap()
            && events.iter().any(|event| {
                &*event.event_type == "$SubscriptionCheckpoint" && event.data == wanted.as_bytes()
            })
        {
            return;
        }
    }
}

async fn goes_on_where_it_was(stage: Stage) {
    let client = stage.client();
    append(&client, "notes", 5).await;
    create(&client, "notes", &from_start().checkpoint_after(Duration::ZERO)).await;
    let mut consumer = consume(&client, "notes", 10).await;
    assert_eq!(work_off(&mut consumer, 3).await, [0, 1, 2]);
    written(&stage, "2").await;
    drop(consumer);
    // Another server goes on there.
    let other = stage.another().await;
    let mut consumer = consume(&other.client(), "notes", 10).await;
    append(&client, "notes", 2).await;
    assert_eq!(work_off(&mut consumer, 4).await, [3, 4, 5, 6]);
    written(&stage, "6").await;
    // When the first one takes the group again, the other cuts its consumers off as soon as it would write.
    let mut first = consume(&client, "notes", 10).await;
    append(&client, "notes", 1).await;
    assert_eq!(work_off(&mut first, 1).await, [7]);
    let event = soon(consumer.next()).await.unwrap();
    consumer.ack(&event).await.unwrap();
    assert!(soon(consumer.next()).await.is_err());
}

async fn parks_and_replays(stage: Stage) {
    let client = stage.client();
    append(&client, "notes", 4).await;
    create(&client, "notes", &from_start().max_retry_count(1)).await;
    let mut consumer = consume(&client, "notes", 1).await;
    // Parked at once.
    let event = soon(consumer.next()).await.unwrap();
    consumer.nack(&event, NakAction::Park, "not today").await.unwrap();
    // Skipped.
    let event = soon(consumer.next()).await.unwrap();
    assert_eq!(event.get_original_event().revision, 1);
    consumer.nack(&event, NakAction::Skip, "").await.unwrap();
    // Tried again, then parked.
    for tries in [0, 1] {
        let event = soon(consumer.next_subscription_event()).await.unwrap();
        let PersistentSubscriptionEvent::EventAppeared { retry_count, event } = event else {
            panic!("{event:?}")
        };
        assert_eq!((event.get_original_event().revision, retry_count), (2, tries));
        consumer.nack(&event, NakAction::Retry, "").await.unwrap();
    }
    assert_eq!(work_off(&mut consumer, 1).await, [3]);
    assert_eq!(parked(&client, "notes").await, 2);
    // What is parked says which event it is.
    let mut read = client
        .read_stream("$persistentsubscription-notes::readers-parked", &ReadStreamOptions::default())
        .await
        .unwrap();
    let link = soon(read.next()).await.unwrap().unwrap();
    assert_eq!(&link.get_original_event().data[..], b"0@notes");

    let replay = ReplayParkedMessagesOptions::default().stop_at(1);
    soon(client.replay_parked_messages("notes", "readers", &replay)).await.unwrap();
    assert_eq!(work_off(&mut consumer, 1).await, [0]);
    let replay = ReplayParkedMessagesOptions::default();
    soon(client.replay_parked_messages("notes", "readers", &replay)).await.unwrap();
    assert_eq!(work_off(&mut consumer, 1).await, [2]);
    // Order tells that the last word was heard before this is answered.
    append(&client, "notes", 1).await;
    assert_eq!(work_off(&mut consumer, 1).await, [4]);
    assert_eq!(parked(&client, "notes").await, 0);
}

async fn the_whole_log_is_shared_out(stage: Stage) {
    let client = stage.client();
    stage.play("battle-1", "AnswerAccepted", 3).await;
    append(&client, "notes", 3).await;
    let options = PersistentSubscriptionToAllOptions::default()
        .start_from(StreamPosition::Start)
        .filter(SubscriptionFilter::on_stream_name().regex("^(?!notes$)"));
    soon(client.create_persistent_subscription_to_all("readers", &options)).await.unwrap();
    let room = SubscribeToPersistentSubscriptionOptions::default();
    let mut consumer =
        soon(client.subscribe_to_persistent_subscription_to_all("readers", &room)).await.unwrap();
    for revision in 0..3 {
        let event = soon(consumer.next()).await.unwrap();
        let original = event.get_original_event();
        assert_eq!((original.stream_id(), original.revision), ("battle-1", revision));
        consumer.ack(&event).await.unwrap();
    }
    // What the group writes itself is none of its events.
    stage.play("battle-2", "AnswerAccepted", 1).await;
    let event = soon(consumer.next()).await.unwrap();
    assert_eq!(event.get_original_event().stream_id(), "battle-2");
    let info = GetPersistentSubscriptionInfoOptions::default();
    let info = soon(client.get_persistent_subscription_info_to_all("readers", &info)).await.unwrap();
    assert_eq!((&*info.event_source, info.connections.len()), ("$all", 1));
}

macro_rules! on_each_log {
    ($($story:ident => $embedded:ident, $jetstream:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $embedded() {
            $story(Stage::new().await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $jetstream() {
            $story(Stage::on_jetstream().await).await;
        }
    )*};
}

on_each_log! {
    goes_on_where_it_was => a_group_goes_on_where_it_was, a_group_in_jetstream_goes_on_where_it_was;
    parks_and_replays => what_is_parked_is_delivered_again, what_is_parked_in_jetstream_is_delivered_again;
    the_whole_log_is_shared_out => a_group_shares_the_whole_log, a_group_in_jetstream_shares_the_whole_log;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_made_told_of_changed_and_ended() {
    let stage = Stage::new().await;
    let client = stage.client();
    let list = ListPersistentSubscriptionsOptions::default();
    assert!(soon(client.list_all_persistent_subscriptions(&list)).await.unwrap().is_empty());
    let options = from_start().consumer_strategy_name(SystemConsumerStrategy::Pinned).max_subscriber_count(1);
    create(&client, "notes", &options).await;
    let again = soon(client.create_persistent_subscription("notes", "readers", &options)).await;
    assert!(matches!(again, Err(Error::ResourceAlreadyExists)), "{again:?}");
    create(&client, "letters", &from_start()).await;

    let listed = soon(client.list_all_persistent_subscriptions(&list)).await.unwrap();
    let names: Vec<_> = listed.iter().map(|info| (&*info.event_source, &*info.group_name)).collect();
    assert_eq!(names, [("letters", "readers"), ("notes", "readers")]);
    let listed = soon(client.list_persistent_subscriptions_for_stream("notes", &list)).await.unwrap();
    let settings = listed[0].settings.as_ref().unwrap();
    assert_eq!(settings.consumer_strategy_name, SystemConsumerStrategy::Pinned);
    assert_eq!((settings.start_from, settings.max_retry_count), (StreamPosition::Start, 10));

    let mut consumer = consume(&client, "notes", 10).await;
    let one_more = SubscribeToPersistentSubscriptionOptions::default();
    let refused = soon(client.subscribe_to_persistent_subscription("notes", "readers", &one_more)).await;
    assert!(refused.is_err());
    // Who listens is cut off by an update, and goes on.
    let options = options.max_retry_count(3);
    soon(client.update_persistent_subscription("notes", "readers", &options)).await.unwrap();
    assert!(soon(consumer.next()).await.is_err());
    append(&client, "notes", 1).await;
    let mut consumer = consume(&client, "notes", 10).await;
    assert_eq!(work_off(&mut consumer, 1).await, [0]);
    let restart = RestartPersistentSubscriptionSubsystem::default();
    soon(client.restart_persistent_subscription_subsystem(&restart)).await.unwrap();
    assert!(soon(consumer.next()).await.is_err());

    let delete = DeletePersistentSubscriptionOptions::default();
    soon(client.delete_persistent_subscription("notes", "readers", &delete)).await.unwrap();
    let gone = soon(client.delete_persistent_subscription("notes", "readers", &delete)).await;
    assert!(matches!(gone, Err(Error::ResourceNotFound)), "{gone:?}");
    let refused = soon(client.subscribe_to_persistent_subscription("notes", "readers", &one_more)).await;
    assert!(matches!(refused, Err(Error::ResourceNotFound)));
    // A group of the name begins anew.
    create(&client, "notes", &from_start()).await;
    let mut consumer = consume(&client, "notes", 10).await;
    assert_eq!(next(&mut consumer).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_late_or_gone_loses_its_events_to_others() {
    let stage = Stage::new().await;
    let client = stage.client();
    append(&client, "notes", 3).await;
    let options = from_start().message_timeout(Duration::from_millis(200));
    create(&client, "notes", &options).await;
    let mut consumer = consume(&client, "notes", 3).await;
    for revision in 0..3 {
        assert_eq!(next(&mut consumer).await.0, revision);
    }
    // Nobody says anything, so they come again.
    let late: BTreeSet<u64> =
        [next(&mut consumer).await.0, next(&mut consumer).await.0, next(&mut consumer).await.0].into();
    assert_eq!(late, BTreeSet::from([0, 1, 2]));

    create(&client, "letters", &from_start()).await;
    append(&client, "letters", 3).await;
    let mut one = consume(&client, "letters", 3).await;
    for revision in 0..3 {
        assert_eq!(next(&mut one).await, (revision, 0));
    }
    let mut two = consume(&client, "letters", 3).await;
    drop(one);
    // In their order, and not counted as tried.
    for revision in 0..3 {
        assert_eq!(next(&mut two).await, (revision, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_consumer_gets_its_turn_and_no_more_than_it_has_room_for() {
    let stage = Stage::new().await;
    let client = stage.client();
    create(&client, "notes", &from_start().consumer_strategy_name(SystemConsumerStrategy::RoundRobin)).await;
    let mut one = consume(&client, "notes", 2).await;
    let mut two = consume(&client, "notes", 2).await;
    append(&client, "notes", 6).await;
    let mut seen: Vec<u64> = Vec::new();
    for _ in 0..2 {
        seen.extend([next(&mut one).await.0, next(&mut two).await.0]);
    }
    assert_eq!(BTreeSet::from_iter(seen), BTreeSet::from([0, 1, 2, 3]));
    let options = GetPersistentSubscriptionInfoOptions::default();
    let info = soon(client.get_persistent_subscription_info("notes", "readers", &options)).await.unwrap();
    assert_eq!((info.stats.outstanding_messages_count, info.stats.read_buffer_count), (4, 2));
    let slots: Vec<_> = info.connections.iter().map(|connection| connection.available_slots).collect();
    assert_eq!(slots, [0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_writes_what_is_done_and_says_so() {
    let stage = Stage::new().await;
    let client = stage.client();
    append(&client, "notes", 2).await;
    create(&client, "notes", &from_start().checkpoint_lower_bound(100)).await;
    let mut consumer = consume(&client, "notes", 10).await;
    assert_eq!(work_off(&mut consumer, 2).await, [0, 1]);
    append(&client, "notes", 1).await;
    assert_eq!(next(&mut consumer).await, (2, 0));
    let other = stage.another().await;
    stage.shutdown.request();
    assert!(soon(consumer.next()).await.is_err());
    written(&stage, "1").await;
    let mut consumer = consume(&other.client(), "notes", 10).await;
    assert_eq!(next(&mut consumer).await, (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_events_are_not_delivered() {
    let stage = Stage::new().await;
    let client = stage.client();
    append(&client, "notes", 2).await;
    soon(client.delete_stream("notes", &kurrentdb::DeleteStreamOptions::default())).await.unwrap();
    append(&client, "notes", 1).await;
    assert_eq!(revisions(&client, "notes", ReadStreamOptions::default()).await, [2]);
    create(&client, "notes", &from_start()).await;
    let mut consumer = consume(&client, "notes", 10).await;
    assert_eq!(next(&mut consumer).await, (2, 0));
}
