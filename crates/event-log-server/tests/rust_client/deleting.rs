//! Streams that are deleted, ended, truncated and given metadata, on each log.

use bytes::Bytes;
use kurrentdb::{
    Acl, AppendToStreamOptions, BatchAppendOptions, Client, DeleteStreamOptions, Error, EventData,
    ReadAllOptions, ReadStreamOptions, StreamMetadataBuilder, StreamMetadataResult, StreamPosition,
    StreamState, SubscribeToStreamOptions, SubscriptionEvent, TombstoneStreamOptions,
};
use serde_json::{Value, json};

use crate::revisions;
use crate::stage::{Stage, note, soon};

async fn append(client: &Client, stream: &str, state: StreamState) -> kurrentdb::Result<u64> {
    let options = AppendToStreamOptions::default().stream_state(state);
    Ok(soon(client.append_to_stream(stream, &options, note(1))).await?.next_expected_version)
}

async fn append_many(client: &Client, stream: &str, count: u32) {
    let events: Vec<EventData> = (0..count).map(note).collect();
    soon(client.append_to_stream(stream, &AppendToStreamOptions::default(), events)).await.unwrap();
}

async fn delete(client: &Client, stream: &str, state: StreamState) -> kurrentdb::Result<Option<u64>> {
    let options = DeleteStreamOptions::default().stream_state(state);
    Ok(soon(client.delete_stream(stream, &options)).await?.map(|position| position.commit))
}

async fn tombstone(client: &Client, stream: &str, state: StreamState) -> kurrentdb::Result<Option<u64>> {
    let options = TombstoneStreamOptions::default().stream_state(state);
    Ok(soon(client.tombstone_stream(stream, &options)).await?.map(|position| position.commit))
}

/// The revisions that a reader is shown; `None` where there is no such stream.
async fn shown(client: &Client, stream: &str) -> Option<Vec<u64>> {
    let mut read = client.read_stream(stream, &ReadStreamOptions::default()).await.unwrap();
    let mut found = Vec::new();
    loop {
        match soon(read.next()).await {
            Ok(Some(event)) => found.push(event.get_original_event().revision),
            Ok(None) => return Some(found),
            Err(Error::ResourceNotFound) => return None,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn set_metadata(client: &Client, stream: &str, metadata: &Value) {
    let event = EventData::json("$metadata", metadata).unwrap();
    let options = AppendToStreamOptions::default();
    soon(client.append_to_stream(format!("$${stream}"), &options, event)).await.unwrap();
}

async fn metadata(client: &Client, stream: &str) -> Value {
    let options = ReadStreamOptions::default().backwards().position(StreamPosition::End).max_count(1);
    let mut read = client.read_stream(format!("$${stream}"), &options).await.unwrap();
    soon(read.next()).await.unwrap().unwrap().get_original_event().as_json().unwrap()
}

#[track_caller]
fn is_wrong(refused: kurrentdb::Result<Option<u64>>, actual: i64) {
    let Err(Error::Grpc { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("WrongExpectedVersion"), "{message}");
    assert!(message.ends_with(&format!("Actual version: {actual}")), "{message}");
}

async fn deleted_and_brought_back(stage: Stage) {
    let client = stage.client();
    is_wrong(delete(&client, "notes", StreamState::Any).await, -1);
    is_wrong(delete(&client, "notes", StreamState::NoStream).await, -1);
    append_many(&client, "notes", 2).await;
    is_wrong(delete(&client, "notes", StreamState::StreamRevision(0)).await, 1);
    assert!(delete(&client, "notes", StreamState::StreamRevision(1)).await.unwrap().is_some());
    assert_eq!(shown(&client, "notes").await, None);

    // Again, in each form.
    assert_eq!(delete(&client, "notes", StreamState::StreamRevision(1)).await.unwrap(), None);
    assert_eq!(delete(&client, "notes", StreamState::Any).await.unwrap(), None);
    is_wrong(delete(&client, "notes", StreamState::StreamRevision(0)).await, 1);
    assert!(matches!(delete(&client, "notes", StreamState::StreamExists).await, Err(Error::ResourceDeleted)));

    // It goes on where it was.
    let refused = append(&client, "notes", StreamState::StreamRevision(0)).await;
    assert!(matches!(refused, Err(Error::WrongExpectedVersion { .. })), "{refused:?}");
    let refused = append(&client, "notes", StreamState::StreamExists).await;
    assert!(matches!(refused, Err(Error::ResourceDeleted)), "{refused:?}");
    assert_eq!(append(&client, "notes", StreamState::NoStream).await.unwrap(), 2);
    assert_eq!(shown(&client, "notes").await, Some(vec![2]));
    assert_eq!(metadata(&client, "notes").await, json!({ "$tb": 2 }));
    assert_eq!(append(&client, "notes", StreamState::StreamRevision(2)).await.unwrap(), 3);
    let back = ReadStreamOptions::default().backwards().position(StreamPosition::End);
    assert_eq!(revisions(&client, "notes", back).await, [3, 2]);
    let refused = append(&client, "notes", StreamState::NoStream).await;
    assert!(matches!(refused, Err(Error::WrongExpectedVersion { .. })), "{refused:?}");

    // Another server of the same log knows as much.
    let other = stage.another().await;
    assert!(delete(&other.client(), "notes", StreamState::Any).await.unwrap().is_some());
    assert_eq!(shown(&client, "notes").await, None);
    assert_eq!(append(&client, "notes", StreamState::Any).await.unwrap(), 4);
    assert_eq!(shown(&other.client(), "notes").await, Some(vec![4]));
}

async fn ended(stage: Stage) {
    let client = stage.client();
    append_many(&client, "notes", 2).await;
    is_wrong(tombstone(&client, "notes", StreamState::StreamRevision(0)).await, 1);
    is_wrong(tombstone(&client, "notes", StreamState::NoStream).await, 1);
    is_wrong(tombstone(&client, "nothing", StreamState::StreamExists).await, -1);
    let position = tombstone(&client, "notes", StreamState::StreamRevision(1)).await.unwrap();
    assert!(tombstone(&client, "never", StreamState::Any).await.unwrap().is_some());

    for stream in ["notes", "never"] {
        for state in [StreamState::Any, StreamState::NoStream, StreamState::StreamRevision(1)] {
            let refused = append(&client, stream, state).await;
            assert!(matches!(refused, Err(Error::ResourceDeleted)), "{refused:?}");
            let refused = tombstone(&client, stream, state).await;
            assert!(matches!(refused, Err(Error::ResourceDeleted)), "{refused:?}");
            let refused = delete(&client, stream, state).await;
            assert!(matches!(refused, Err(Error::ResourceDeleted)), "{refused:?}");
        }
        // Told before the first message.
        let refused = client.read_stream(stream, &ReadStreamOptions::default()).await;
        assert!(matches!(refused, Err(Error::ResourceDeleted)));
        let found = client.get_stream_metadata(stream, &ReadStreamOptions::default()).await;
        assert!(matches!(found, Err(Error::ResourceDeleted) | Ok(StreamMetadataResult::Deleted)));
    }
    // Metadata can be written, and changes nothing.
    set_metadata(&client, "notes", &json!({ "$maxCount": 1 })).await;
    let refused = client.read_stream("notes", &ReadStreamOptions::default()).await;
    assert!(matches!(refused, Err(Error::ResourceDeleted)));
    let refused = append(&client, "notes", StreamState::Any).await;
    assert!(matches!(refused, Err(Error::ResourceDeleted)));

    // The whole log has everything, and the end where clients look for it.
    let all = ReadAllOptions::default().forwards().position(StreamPosition::Start).max_count(100);
    let mut read = client.read_all(&all).await.unwrap();
    let mut types = Vec::new();
    while let Some(event) = soon(read.next()).await.unwrap() {
        let event = event.get_original_event();
        if &*event.event_type == "$streamDeleted" && event.stream_id() == "notes" {
            assert_eq!((event.revision, Some(event.position.commit)), (i64::MAX as u64, position));
        }
        types.push(event.event_type.clone());
    }
    assert_eq!(types, ["Noted", "Noted", "$streamDeleted", "$streamDeleted", "$metadata"]);
}

async fn kept_by_metadata(stage: Stage) {
    let client = stage.client();
    append_many(&client, "notes", 10).await;
    let found = client.get_stream_metadata("notes", &ReadStreamOptions::default()).await.unwrap();
    assert!(matches!(found, StreamMetadataResult::NotFound));

    let acl = Acl::UserStream;
    let wanted =
        StreamMetadataBuilder::new().max_count(3).acl(acl).insert_custom_property("owner", "me").build();
    let options = AppendToStreamOptions::default().stream_state(StreamState::NoStream);
    client.set_stream_metadata("notes", &options, &wanted).await.unwrap();
    assert!(client.set_stream_metadata("notes", &options, &wanted).await.is_err());
    let found = client.get_stream_metadata("notes", &ReadStreamOptions::default()).await.unwrap();
    let StreamMetadataResult::Success(found) = found else { panic!("there is none") };
    assert_eq!(found.metadata(), &wanted);
    assert_eq!(shown(&client, "notes").await, Some(vec![7, 8, 9]));
    let middle = ReadStreamOptions::default().backwards().position(StreamPosition::Position(8));
    assert_eq!(revisions(&client, "notes", middle).await, [8, 7]);

    set_metadata(&client, "notes", &json!({ "$tb": 5, "$maxCount": 100 })).await;
    assert_eq!(shown(&client, "notes").await, Some(vec![5, 6, 7, 8, 9]));
    set_metadata(&client, "notes", &json!({ "$tb": 50 })).await;
    assert_eq!(shown(&client, "notes").await, Some(vec![]));
    // What is no metadata says nothing.
    let event = EventData::binary("$metadata", Bytes::from_static(b"[1")).metadata(Bytes::new());
    client.append_to_stream("$$notes", &AppendToStreamOptions::default(), event).await.unwrap();
    assert_eq!(shown(&client, "notes").await, Some(Vec::from_iter(0..10)));

    // Deleting keeps the other fields, and metadata alone brings a stream back without what was deleted.
    set_metadata(&client, "notes", &json!({ "owner": "me" })).await;
    delete(&client, "notes", StreamState::Any).await.unwrap();
    assert_eq!(metadata(&client, "notes").await, json!({ "owner": "me", "$tb": i64::MAX }));
    set_metadata(&client, "notes", &json!({ "owner": "you" })).await;
    assert_eq!(metadata(&client, "notes").await, json!({ "owner": "you", "$tb": 10 }));
    assert_eq!(shown(&client, "notes").await, Some(vec![]));

    // A client may delete by metadata too.
    append_many(&client, "letters", 2).await;
    set_metadata(&client, "letters", &json!({ "$tb": i64::MAX })).await;
    assert_eq!(shown(&client, "letters").await, None);
    assert_eq!(append(&client, "letters", StreamState::NoStream).await.unwrap(), 2);
    assert_eq!(shown(&client, "letters").await, Some(vec![2]));
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
    deleted_and_brought_back =>
        a_deleted_stream_goes_on_where_it_was, a_deleted_stream_in_jetstream_goes_on_where_it_was;
    ended => a_stream_that_was_ended_stays_so, a_stream_in_jetstream_that_was_ended_stays_so;
    kept_by_metadata => metadata_says_what_is_shown, metadata_in_jetstream_says_what_is_shown;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_are_not_shown() {
    let stage = Stage::with_manual_clock().await;
    let client = stage.client();
    for count in [3, 1, 2] {
        append_many(&client, "notes", count).await;
        stage.clock.advance(10_000);
    }
    for (seconds, expected) in
        [(31, vec![0, 1, 2, 3, 4, 5]), (20, vec![3, 4, 5]), (10, vec![4, 5]), (9, vec![])]
    {
        set_metadata(&client, "notes", &json!({ "$maxAge": seconds })).await;
        assert_eq!(shown(&client, "notes").await, Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_told_of_streams_that_are_over() {
    let stage = Stage::new().await;
    let client = stage.client();
    append_many(&client, "notes", 2).await;
    delete(&client, "notes", StreamState::Any).await.unwrap();
    tombstone(&client, "letters", StreamState::Any).await.unwrap();
    let batches = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
    let written =
        soon(batches.append_to_stream("notes", StreamState::NoStream, vec![note(3)])).await.unwrap();
    assert_eq!(written.current_revision(), Some(2));
    let refused = soon(batches.append_to_stream("letters", StreamState::Any, vec![note(3)])).await;
    assert!(refused.is_err());
    assert_eq!(shown(&client, "notes").await, Some(vec![2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn battles_and_the_protocols_own_streams_are_not_deleted() {
    let stage = Stage::new().await;
    stage.play("battle-1", "AnswerAccepted", 1).await;
    let client = stage.client();
    let head = stage.log.status().await.unwrap().head;
    for stream in ["battle-1", "$users", "$$notes"] {
        for refused in [
            delete(&client, stream, StreamState::Any).await,
            tombstone(&client, stream, StreamState::Any).await,
        ] {
            assert!(matches!(refused, Err(Error::AccessDenied)), "{stream}: {refused:?}");
        }
    }
    for stream in ["$$battle-1", "$users", "$$$users"] {
        let refused = append(&client, stream, StreamState::Any).await;
        assert!(matches!(refused, Err(Error::AccessDenied)), "{stream}: {refused:?}");
    }
    assert_eq!(stage.log.status().await.unwrap().head, head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_stream_is_told_that_it_is_over() {
    let stage = Stage::new().await;
    let client = stage.client();
    append_many(&client, "notes", 2).await;
    delete(&client, "notes", StreamState::Any).await.unwrap();
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
    let mut listener = client.subscribe_to_stream("notes", &options).await;
    loop {
        match soon(listener.next_subscription_event()).await.unwrap() {
            SubscriptionEvent::CaughtUp(_) => break,
            SubscriptionEvent::EventAppeared(event) => panic!("{event:?}"),
            _ => {}
        }
    }
    // Deleted events are not shown, what comes then is, and the end of another stream is none.
    append_many(&client, "notes", 1).await;
    assert_eq!(soon(listener.next()).await.unwrap().get_original_event().revision, 2);
    tombstone(&client, "notes-of-others", StreamState::Any).await.unwrap();
    append_many(&client, "notes", 1).await;
    assert_eq!(soon(listener.next()).await.unwrap().get_original_event().revision, 3);
    tombstone(&client, "notes", StreamState::Any).await.unwrap();
    assert!(matches!(soon(listener.next()).await, Err(Error::ResourceDeleted)));
}
