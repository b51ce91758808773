//! The hard edges of the protocol: what the official clients rely on without a word, and what only a faulty client sends.

use std::collections::HashMap;

use bytes::Bytes;
use futures::stream;
use kurrentdb::{
    AppendToStreamOptions, Client, Error, EventData, ReadAllOptions, ReadStreamOptions, StreamPosition,
    StreamState, SubscribeToStreamOptions, SubscriptionEvent,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::stage::{Stage, note, soon};
use crate::wire::client::server_features::server_features_client::ServerFeaturesClient;
use crate::wire::client::streams::append_req::options::ExpectedStreamRevision;
use crate::wire::client::streams::append_req::{Content, Options, ProposedMessage};
use crate::wire::client::streams::batch_append_req::options::{DeadlineOption, ExpectedStreamPosition};
use crate::wire::client::streams::batch_append_req::{
    Options as BatchOptions, ProposedMessage as BatchMessage,
};
use crate::wire::client::streams::batch_append_resp::Result as BatchResult;
use crate::wire::client::streams::read_req::options::{
    ControlOption, CountOption, FilterOption, StreamOption, StreamOptions, UuidOption,
    stream_options::RevisionOption, uuid_option::Content as IdForm,
};
use crate::wire::client::streams::streams_client::StreamsClient;
use crate::wire::client::streams::{AppendReq, BatchAppendReq, ReadReq, Span, read_req, read_resp};
use crate::wire::client::uuid::Value;
use crate::wire::client::{Empty, StreamIdentifier, Uuid as WireUuid};

type Raw<I> = StreamsClient<InterceptedService<Channel, I>>;

async fn raw(stage: &Stage) -> Raw<impl FnMut(Request<()>) -> Result<Request<()>, Status> + use<>> {
    let channel = Channel::from_shared(format!("http://{}", stage.address)).unwrap().connect().await.unwrap();
    let bearer: tonic::metadata::MetadataValue<_> = format!("Bearer {}", stage.token).parse().unwrap();
    StreamsClient::with_interceptor(channel, move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", bearer.clone());
        Ok(request)
    })
}

fn identifier(stream: &str) -> Option<StreamIdentifier> {
    Some(StreamIdentifier { stream_name: Bytes::copy_from_slice(stream.as_bytes()) })
}

fn text_id(id: &str) -> Option<WireUuid> {
    Some(WireUuid { value: Some(Value::String(id.to_owned())) })
}

fn like(fields: &[(&str, &str)]) -> HashMap<String, String> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const PROPER: [(&str, &str); 2] = [("type", "Noted"), ("content-type", "application/json")];

fn append(id: Option<WireUuid>, metadata: HashMap<String, String>) -> Vec<AppendReq> {
    let options = Options {
        stream_identifier: identifier("notes"),
        expected_stream_revision: Some(ExpectedStreamRevision::Any(Empty {})),
    };
    let event =
        ProposedMessage { id, metadata, custom_metadata: Bytes::new(), data: Bytes::from_static(b"{}") };
    [Content::Options(options), Content::ProposedMessage(event)]
        .map(|content| AppendReq { content: Some(content) })
        .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_what_it_needs_is_refused_by_name() {
    let stage = Stage::new().await;
    let mut raw = raw(&stage).await;
    let id = || text_id(&Uuid::new_v4().to_string());
    for missing in ["type", "content-type"] {
        let metadata = like(&PROPER.into_iter().filter(|(name, _)| *name != missing).collect::<Vec<_>>());
        let refused = soon(raw.append(stream::iter(append(id(), metadata)))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.metadata().get("exception").unwrap(), "missing-required-metadata-property");
        assert_eq!(refused.metadata().get("required-metadata-properties").unwrap(), "type,content-type");
    }
    for malformed in [None, text_id("no uuid"), Some(WireUuid { value: None })] {
        let refused = soon(raw.append(stream::iter(append(malformed, like(&PROPER))))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let mut no_options = append(id(), like(&PROPER));
    no_options.remove(0);
    assert_eq!(soon(raw.append(stream::iter(no_options))).await.unwrap_err().code(), Code::InvalidArgument);
    let nameless = append(id(), like(&PROPER)).into_iter().map(|mut part| {
        if let Some(Content::Options(options)) = &mut part.content {
            options.stream_identifier = identifier("");
        }
        part
    });
    let nameless: Vec<_> = nameless.collect();
    assert_eq!(soon(raw.append(stream::iter(nameless))).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(stage.log.status().await.unwrap().head, 0);
}

fn part(id: Uuid, options: Option<BatchOptions>, events: &[Uuid], is_final: bool) -> BatchAppendReq {
    let event = |id: &Uuid| BatchMessage {
        id: text_id(&id.to_string()),
        metadata: like(&PROPER),
        custom_metadata: Bytes::new(),
        data: Bytes::from_static(b"{}"),
    };
    let proposed_messages = events.iter().map(event).collect();
    BatchAppendReq { correlation_id: text_id(&id.to_string()), options, proposed_messages, is_final }
}

fn wanted(stream: &str, expected: ExpectedStreamPosition, seconds: Option<i64>) -> Option<BatchOptions> {
    let deadline = |seconds| DeadlineOption::Deadline(Span { seconds, nanos: 0 });
    Some(BatchOptions {
        stream_identifier: identifier(stream),
        expected_stream_position: Some(expected),
        deadline_option: seconds.map(deadline),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_come_in_parts_and_each_is_answered_for_itself() {
    let stage = Stage::new().await;
    let mut raw = raw(&stage).await;
    let (parts, sent) = mpsc::channel(16);
    let ids: Vec<Uuid> = (0..6).map(|_| Uuid::new_v4()).collect();
    let [whole, late, wrong, mixed] = [0; 4].map(|_| Uuid::new_v4());
    let none = ExpectedStreamPosition::NoStream(Empty {});
    // One client sends a moment of decades from now as its deadline, another one infinity.
    parts.send(part(whole, wanted("notes", none, Some(1_700_000_000)), &ids[..1], false)).await.unwrap();
    parts.send(part(late, wanted("notes", none, Some(0)), &ids[4..5], true)).await.unwrap();
    parts.send(part(whole, None, &ids[1..2], false)).await.unwrap();
    parts.send(part(whole, None, &ids[2..3], true)).await.unwrap();
    let mut answers = soon(raw.batch_append(ReceiverStream::new(sent))).await.unwrap().into_inner();
    let mut outcome = async |id: Uuid| {
        let answer = soon(answers.message()).await.unwrap().unwrap();
        assert_eq!(answer.stream_identifier, identifier("notes"));
        let correlation = match answer.correlation_id.unwrap().value.unwrap() {
            Value::Structured(halves) => Uuid::from_u64_pair(
                halves.most_significant_bits.cast_unsigned(),
                halves.least_significant_bits.cast_unsigned(),
            ),
            Value::String(text) => text.parse().unwrap(),
        };
        assert_eq!(correlation, id);
        match answer.result.unwrap() {
            BatchResult::Success(_) => None,
            BatchResult::Error(status) => {
                let name = status.details.unwrap().type_url;
                Some((status.code, name.rsplit_once('.').unwrap().1.to_owned()))
            }
        }
    };
    assert_eq!(outcome(late).await, Some((Code::DeadlineExceeded.into(), "Timeout".to_owned())));
    assert_eq!(outcome(whole).await, None);
    parts.send(part(wrong, wanted("notes", none, None), &ids[3..4], true)).await.unwrap();
    let refused = Some((Code::AlreadyExists.into(), "WrongExpectedVersion".to_owned()));
    assert_eq!(outcome(wrong).await, refused);
    // Some of its events are there, and some are not.
    let any = ExpectedStreamPosition::Any(Empty {});
    parts.send(part(mixed, wanted("notes", any, None), &[ids[2], ids[5]], true)).await.unwrap();
    assert_eq!(outcome(mixed).await, refused);
    // Of what was begun and not finished, nothing is written when its client goes.
    parts.send(part(wrong, wanted("notes", any, None), &ids[3..4], false)).await.unwrap();
    drop((parts, answers));
    let kept = stage.log.read_stream("notes", 0, nimaora_event_log::Direction::Forwards, 10).await.unwrap();
    assert_eq!(kept.iter().map(|event| event.id).collect::<Vec<_>>(), ids[..3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_of_a_stream_are_told_to_who_understands_them() {
    let stage = Stage::new().await;
    stage.play("battle-1", "AnswerAccepted", 3).await;
    let mut raw = raw(&stage).await;
    for compatibility in [0, 1] {
        let stream = StreamOptions {
            stream_identifier: identifier("battle-1"),
            revision_option: Some(RevisionOption::Start(Empty {})),
        };
        let options = read_req::Options {
            stream_option: Some(StreamOption::Stream(stream)),
            read_direction: 0,
            resolve_links: false,
            count_option: Some(CountOption::Count(1)),
            filter_option: Some(FilterOption::NoFilter(Empty {})),
            uuid_option: Some(UuidOption { content: Some(IdForm::String(Empty {})) }),
            control_option: Some(ControlOption { compatibility }),
        };
        let mut answers = soon(raw.read(ReadReq { options: Some(options) })).await.unwrap().into_inner();
        let mut told = Vec::new();
        while let Some(answer) = soon(answers.message()).await.unwrap() {
            match answer.content.unwrap() {
                read_resp::Content::FirstStreamPosition(first) => told.push(("first", first)),
                read_resp::Content::LastStreamPosition(last) => told.push(("last", last)),
                read_resp::Content::Event(event) => {
                    let event = event.event.unwrap();
                    assert!(matches!(event.id.unwrap().value, Some(Value::String(_))));
                    // A time of this century, in ticks.
                    assert!(event.metadata["created"].parse::<i64>().unwrap() > 16_000_000_000_000_000);
                }
                other => panic!("{other:?}"),
            }
        }
        let expected = if compatibility == 0 { vec![] } else { vec![("first", 0), ("last", 2)] };
        assert_eq!(told, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_are_told_in_lower_case_and_with_a_version_of_three_numbers() {
    let stage = Stage::new().await;
    let channel = Channel::from_shared(format!("http://{}", stage.address)).unwrap().connect().await.unwrap();
    let mut features = ServerFeaturesClient::new(channel);
    let told = soon(features.get_supported_methods(Empty {})).await.unwrap().into_inner();
    let numbers: Vec<u32> =
        told.event_store_server_version.split('.').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers.len(), 3);
    let has = |service: &str, method: &str, feature: &str| {
        told.methods.iter().any(|told| {
            told.service_name == service
                && told.method_name == method
                && (feature.is_empty() || told.features.iter().any(|told| told == feature))
        })
    };
    assert!(has("event_store.client.streams.streams", "batchappend", "deadline_duration"));
    assert!(has("event_store.client.persistent_subscriptions.persistentsubscriptions", "create", "all"));
    for told in &told.methods {
        assert_eq!(told.service_name, told.service_name.to_lowercase());
        assert_eq!(told.method_name, told.method_name.to_lowercase());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_several_addresses_finds_the_server_by_gossip() {
    let stage = Stage::new().await;
    stage.play("battle-1", "AnswerAccepted", 1).await;
    let Stage { address, token, .. } = &stage;
    let url = format!("kurrentdb://admin:{token}@{address},{address}?tls=false");
    let client = Client::new(url.parse().unwrap()).unwrap();
    let mut read = soon(client.read_stream("battle-1", &ReadStreamOptions::default())).await.unwrap();
    assert!(soon(read.next()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_on_the_same_port() {
    let stage = Stage::new().await;
    let mut connection = TcpStream::connect(stage.address).await.unwrap();
    let asked = b"GET /health/live HTTP/1.1\r\nhost: log\r\nconnection: close\r\n\r\n";
    connection.write_all(asked).await.unwrap();
    let mut answer = String::new();
    soon(connection.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_live_and_falls_behind_is_told_so_and_when_it_is_over() {
    let stage = Stage::new().await;
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Start);
    let mut listener = stage.client().subscribe_to_stream("battle-1", &options).await;
    while !matches!(soon(listener.next_subscription_event()).await.unwrap(), SubscriptionEvent::CaughtUp(_)) {
    }
    // More at once than is delivered at once.
    stage.play("battle-1", "AnswerAccepted", 4_000).await;
    let (mut events, mut told) = (0, Vec::new());
    while told.len() < 2 {
        match soon(listener.next_subscription_event()).await.unwrap() {
            SubscriptionEvent::EventAppeared(_) => events += 1,
            SubscriptionEvent::FellBehind(_) => told.push(("behind", events)),
            SubscriptionEvent::CaughtUp(_) => told.push(("caught up", events)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, [("behind", 0), ("caught up", 4_000)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_or_out_of_reach_is_refused_and_changes_nothing() {
    let stage = Stage::new().await;
    let client = stage.client();
    let options = AppendToStreamOptions::default();
    // Each event is small enough, and all of them together are not.
    let events: Vec<_> =
        (0..9).map(|_| EventData::binary("Drawn", Bytes::from(vec![0; 1_000_000]))).collect();
    assert!(soon(client.append_to_stream("notes", &options, events)).await.is_err());
    assert_eq!(stage.log.status().await.unwrap().head, 0);
    // The connection and the client are as good as before.
    let options = options.stream_state(StreamState::NoStream);
    soon(client.append_to_stream("notes", &options, note(1))).await.unwrap();

    let beyond = ReadStreamOptions::default().position(StreamPosition::Position(100));
    let mut read = client.read_stream("notes", &beyond).await.unwrap();
    assert!(soon(read.next()).await.unwrap().is_none());
    let beyond = kurrentdb::Position { commit: 100, prepare: 100 };
    let all = ReadAllOptions::default().position(StreamPosition::Position(beyond)).max_count(10);
    let mut read = client.read_all(&all).await.unwrap();
    assert!(soon(read.next()).await.unwrap().is_none());
    let options = kurrentdb::SubscribeToAllOptions::default().position(StreamPosition::Position(beyond));
    let mut listener = client.subscribe_to_all(&options).await;
    let refused = soon(listener.next()).await;
    assert!(matches!(refused, Err(Error::Grpc { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_writes_a_stream_and_its_metadata_waits_for_neither() {
    let stage = Stage::new().await;
    let mut raw = raw(&stage).await;
    let (parts, sent) = mpsc::channel(200);
    let any = ExpectedStreamPosition::Any(Empty {});
    for n in 0..200 {
        let stream = if n % 4 == 3 { "$$notes" } else { "notes" };
        parts.send(part(Uuid::new_v4(), wanted(stream, any, None), &[Uuid::new_v4()], true)).await.unwrap();
    }
    let mut answers = soon(raw.batch_append(ReceiverStream::new(sent))).await.unwrap().into_inner();
    for _ in 0..200 {
        let answer = soon(answers.message()).await.unwrap().unwrap();
        assert!(matches!(answer.result, Some(BatchResult::Success(_))), "{answer:?}");
    }
}
