//! What the official Rust client gets from this server, over a real port and a real log.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "a suite of assertions")]

mod crowded;
mod deleting;
mod edges;
mod links;
mod persistent;
mod stage;
mod wire;

use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use axum::http;
use bytes::Bytes;
use futures::{StreamExt, stream};
use kurrentdb::{
    AppendToStreamOptions, BatchAppendOptions, Client, Error, EventData, Position, ReadAllOptions,
    ReadStreamOptions, StreamPosition, StreamState, SubscribeToAllOptions, SubscribeToStreamOptions,
    SubscriptionEvent, SubscriptionFilter,
};
use nimaora_event_log_server::ConnectionBounds;
use stage::{PATIENCE, Stage, note, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codegen::Service;
use tonic::transport::Channel;
use tonic::{Code, Status};
use uuid::Uuid;

/// What the Python client sends with every read of the whole log unless told otherwise.
const NO_SYSTEM_EVENTS: &str = r"^(?!(\$.+$|PersistentConfig\d+$|Result$))";

async fn revisions(client: &Client, stream: &str, options: ReadStreamOptions) -> Vec<u64> {
    let mut read = client.read_stream(stream, &options).await.unwrap();
    let mut found = Vec::new();
    while let Some(event) = soon(read.next()).await.unwrap() {
        found.push(event.get_original_event().revision);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_battle_is_read_both_ways_from_anywhere() {
    let stage = Stage::new().await;
    stage.play("battle-1", "AnswerAccepted", 3_000).await;
    let client = stage.client();
    let all = ReadStreamOptions::default();
    assert_eq!(revisions(&client, "battle-1", all.clone()).await, Vec::from_iter(0..3_000));
    let back = all.clone().backwards().position(StreamPosition::End).max_count(2);
    assert_eq!(revisions(&client, "battle-1", back).await, [2_999, 2_998]);
    let middle = all.position(StreamPosition::Position(1_500)).max_count(2);
    assert_eq!(revisions(&client, "battle-1", middle).await, [1_500, 1_501]);

    let mut read = client.read_stream("battle-1", &ReadStreamOptions::default()).await.unwrap();
    let event = soon(read.next()).await.unwrap().unwrap();
    let event = event.get_original_event();
    assert_eq!((&*event.event_type, event.is_json), ("AnswerAccepted", true));
    assert_eq!((event.position.commit, event.position.prepare), (1, 1));
    assert_eq!(&event.custom_metadata[..], br#"{"hash":"00"}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_there_is_not_found() {
    let stage = Stage::new().await;
    let mut read = stage.client().read_stream("nothing", &ReadStreamOptions::default()).await.unwrap();
    assert!(matches!(soon(read.next()).await, Err(Error::ResourceNotFound)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_log_is_filtered_by_prefix_and_by_expression() {
    let stage = Stage::new().await;
    stage.play("battle-1", "Result", 2).await;
    stage.play("battle-2", "AnswerAccepted", 2).await;
    stage.play("other", "AnswerAccepted", 2).await;
    let client = stage.client();
    let cases = [
        (SubscriptionFilter::on_stream_name().add_prefix("battle-"), vec![1, 2, 3, 4]),
        (SubscriptionFilter::on_event_type().regex(NO_SYSTEM_EVENTS), vec![3, 4, 5, 6]),
        (SubscriptionFilter::on_stream_name().regex("^battle-2$"), vec![3, 4]),
        (SubscriptionFilter::on_event_type().add_prefix("Res"), vec![1, 2]),
    ];
    for (filter, expected) in cases {
        let options = ReadAllOptions::default()
            .position(StreamPosition::Start)
            .forwards()
            .filter(filter)
            .max_count(100);
        let mut read = client.read_all(&options).await.unwrap();
        let mut found = Vec::new();
        while let Some(event) = soon(read.next()).await.unwrap() {
            found.push(event.get_original_event().position.commit);
        }
        assert_eq!(found, expected);
    }
    let malformed = SubscriptionFilter::on_event_type().regex("(");
    let refused = client.read_all(&ReadAllOptions::default().filter(malformed)).await;
    assert!(matches!(refused, Err(Error::Grpc { code, .. }) if code as i32 == 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_answered_than_was_asked_for_however_far_apart_it_is() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage.play("other", "Happened", 1_500).await;
        stage.play("battle-1", "AnswerAccepted", 3).await;
    }
    let filter = SubscriptionFilter::on_stream_name().regex("^battle-1$");
    let all = ReadAllOptions::default().filter(filter).max_count(4);
    let cases = [
        (all.clone().forwards().position(StreamPosition::Start), [1_501, 1_502, 1_503, 3_004]),
        (all.backwards().position(StreamPosition::End), [4_509, 4_508, 4_507, 3_006]),
    ];
    let client = stage.client();
    for (options, expected) in cases {
        let mut read = client.read_all(&options).await.unwrap();
        let mut found = Vec::new();
        while let Some(event) = soon(read.next()).await.unwrap() {
            found.push(event.get_original_event().position.commit);
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_appended_is_there_once_and_as_it_was() {
    let stage = Stage::new().await;
    let client = stage.client();
    let fresh = AppendToStreamOptions::default().stream_state(StreamState::NoStream);
    let written =
        note(1).metadata_as_json(&serde_json::json!({ "by": "me" })).unwrap().id(Uuid::from_u128(5));
    let first = client.append_to_stream("notes", &fresh, written.clone()).await.unwrap();
    let again = client.append_to_stream("notes", &fresh, written).await.unwrap();
    assert_eq!((first.next_expected_version, first.position), (again.next_expected_version, again.position));
    let binary = EventData::binary("Drawn", Bytes::from_static(b"\x00\x01"));
    client.append_to_stream("notes", &AppendToStreamOptions::default(), binary).await.unwrap();

    let mut read = client.read_stream("notes", &ReadStreamOptions::default()).await.unwrap();
    let one = soon(read.next()).await.unwrap().unwrap();
    let one = one.get_original_event();
    assert_eq!(
        (one.id, one.is_json, &one.custom_metadata[..]),
        (Uuid::from_u128(5), true, &br#"{"by":"me"}"#[..])
    );
    let two = soon(read.next()).await.unwrap().unwrap();
    let two = two.get_original_event();
    assert_eq!((two.is_json, &two.data[..], two.position.commit), (false, &b"\x00\x01"[..], 2));
    assert!(soon(read.next()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_expectation_is_told_and_writes_nothing() {
    let stage = Stage::new().await;
    let client = stage.client();
    let append = |stream: &'static str, expected| {
        let client = client.clone();
        let options = AppendToStreamOptions::default().stream_state(expected);
        async move { soon(client.append_to_stream(stream, &options, note(1))).await }
    };
    append("notes", StreamState::Any).await.unwrap();
    for (stream, expected) in [
        ("notes", StreamState::NoStream),
        ("notes", StreamState::StreamRevision(7)),
        ("nothing", StreamState::StreamExists),
        ("nothing", StreamState::StreamRevision(0)),
    ] {
        let refused = append(stream, expected).await;
        assert!(matches!(refused, Err(Error::WrongExpectedVersion { .. })), "{refused:?}");
    }
    assert_eq!(stage.log.status().await.unwrap().head, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn battles_are_read_only_and_strangers_are_turned_away() {
    let stage = Stage::new().await;
    stage.play("battle-1", "AnswerAccepted", 1).await;
    let options = AppendToStreamOptions::default();
    let refused = stage.client().append_to_stream("battle-1", &options, note(1)).await;
    assert!(matches!(refused, Err(Error::AccessDenied)), "{refused:?}");
    let refused = stage.client_of("").read_stream("battle-1", &ReadStreamOptions::default()).await;
    assert!(matches!(refused, Err(Error::AccessDenied)));
    let refused =
        stage.client_of("admin:changeit@").read_stream("battle-1", &ReadStreamOptions::default()).await;
    assert!(refused.is_err());
    let large = EventData::binary("Drawn", Bytes::from(vec![0; 1024 * 1024]));
    let refused = stage.client().append_to_stream("notes", &options, large).await;
    assert!(refused.is_err());
    let late = AppendToStreamOptions::default().deadline(Duration::ZERO);
    assert!(stage.client().append_to_stream("notes", &late, note(1)).await.is_err());
    assert_eq!(stage.log.status().await.unwrap().head, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_appended_in_order() {
    let stage = Stage::new().await;
    let client = stage.client();
    let batches = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
    for n in 0..20 {
        let state = if n == 0 { StreamState::NoStream } else { StreamState::StreamRevision(2 * n - 1) };
        let events = vec![note(1), note(2)];
        let written = soon(batches.append_to_stream("notes", state, events)).await.unwrap();
        assert_eq!(written.current_revision(), Some(2 * n + 1));
    }
    assert!(soon(batches.append_to_stream("notes", StreamState::NoStream, vec![note(3)])).await.is_err());
    assert_eq!(revisions(&client, "notes", ReadStreamOptions::default()).await, Vec::from_iter(0..40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_followed_from_its_beginning_into_the_present() {
    let stage = Stage::new().await;
    stage.play("battle-1", "AnswerAccepted", 5).await;
    stage.play("battle-10", "AnswerAccepted", 5).await;
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Position(1));
    let mut listener = stage.client().subscribe_to_stream("battle-1", &options).await;
    assert!(matches!(
        soon(listener.next_subscription_event()).await.unwrap(),
        SubscriptionEvent::Confirmed(_)
    ));
    for revision in 2..5 {
        assert_eq!(soon(listener.next()).await.unwrap().get_original_event().revision, revision);
    }
    let SubscriptionEvent::CaughtUp(Some(caught_up)) =
        soon(listener.next_subscription_event()).await.unwrap()
    else {
        panic!("not caught up")
    };
    assert_eq!(caught_up.stream_revision, Some(4));
    stage.play("battle-10", "AnswerAccepted", 5).await;
    stage.play("battle-1", "AnswerAccepted", 1).await;
    assert_eq!(soon(listener.next()).await.unwrap().get_original_event().revision, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_subscription_makes_progress_and_goes_on_from_its_checkpoint() {
    let stage = Stage::new().await;
    for _ in 0..10 {
        stage.play("other", "Happened", 1_000).await;
    }
    stage.play("battle-1", "AnswerAccepted", 1).await;
    let filter = SubscriptionFilter::on_stream_name().add_prefix("battle-");
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter);
    let mut listener = stage.client().subscribe_to_all(&options).await;
    let mut checkpoints: Vec<Position> = Vec::new();
    let mut found = Vec::new();
    loop {
        match soon(listener.next_subscription_event()).await.unwrap() {
            SubscriptionEvent::Checkpoint(position) => checkpoints.push(position),
            SubscriptionEvent::EventAppeared(event) => found.push(event.get_original_event().position.commit),
            SubscriptionEvent::CaughtUp(_) => break,
            _ => {}
        }
    }
    assert_eq!(found, [10_001]);
    assert!(checkpoints.len() >= 2, "{checkpoints:?}");
    assert!(checkpoints.windows(2).all(|two| two[0].commit < two[1].commit), "{checkpoints:?}");
    let resumed = options.position(StreamPosition::Position(checkpoints[checkpoints.len() - 1]));
    let mut listener = stage.client().subscribe_to_all(&resumed).await;
    stage.play("battle-1", "AnswerAccepted", 1).await;
    assert_eq!(soon(listener.next()).await.unwrap().get_original_event().position.commit, 10_002);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_ends_its_subscriptions() {
    let stage = Stage::new().await;
    let mut listener = stage.client().subscribe_to_all(&SubscribeToAllOptions::default()).await;
    soon(listener.next_subscription_event()).await.unwrap();
    assert!(stage.shutdown.finish(PATIENCE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_or_too_little_is_not_kept() {
    let bounds =
        ConnectionBounds { opening_timeout: Duration::from_millis(50), ..ConnectionBounds::default() };
    let stage = Stage::with_bounds(bounds).await;
    for said in [b"".as_slice(), b"PRI * HT"] {
        let mut connection = TcpStream::connect(stage.address).await.unwrap();
        connection.write_all(said).await.unwrap();
        // The server may close with what was said unread.
        assert!(matches!(soon(connection.read(&mut [0])).await, Ok(0) | Err(_)));
    }
}

/// Announces a message of 15 MiB, sends a little of it, and never ends. Answers the status of the call.
async fn begin_large(stage: &Stage, method: &str, token: Option<&str>) -> Code {
    let mut channel =
        Channel::from_shared(format!("http://{}", stage.address)).unwrap().connect().await.unwrap();
    let head = Bytes::from_static(&[0, 0, 0xf0, 0, 0]);
    let pieces = vec![head, Bytes::from(vec![0; 128 * 1024])];
    let pieces = stream::iter(pieces).map(Ok::<_, Infallible>).chain(stream::pending());
    let mut request = http::Request::post(format!("http://{}/event_store.client.{method}", stage.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(tonic::body::Body::new(axum::body::Body::from_stream(pieces))).unwrap();
    soon(poll_fn(|context| channel.poll_ready(context))).await.unwrap();
    let answer = soon(channel.call(request)).await.unwrap();
    Status::from_header_map(answer.headers()).unwrap().code()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_token_is_refused_before_it_is_read() {
    let stage = Stage::new().await;
    for method in ["Read", "Append", "BatchAppend", "Delete", "Tombstone"] {
        let method = format!("streams.Streams/{method}");
        assert_eq!(begin_large(&stage, &method, None).await, Code::PermissionDenied, "{method}");
        assert_eq!(begin_large(&stage, &method, Some("a.b")).await, Code::Unauthenticated, "{method}");
    }
    for method in ["gossip.Gossip/Read", "server_features.ServerFeatures/GetSupportedMethods"] {
        assert_eq!(begin_large(&stage, method, None).await, Code::OutOfRange, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_only_asks_is_not_read_beyond_what_asking_takes() {
    let stage = Stage::new().await;
    for method in ["Read", "Delete", "Tombstone"] {
        let code = begin_large(&stage, &format!("streams.Streams/{method}"), Some(&stage.token)).await;
        assert_eq!(code, Code::ResourceExhausted, "{method}");
    }
}
