//! Events that stand for others, and what is asked for of several streams at once.

use std::future::poll_fn;

use axum::http;
use bytes::Bytes;
use kurrentdb::{
    AppendToStreamOptions, EventData, ReadStreamOptions, StreamPosition, SubscribeToStreamOptions,
};

use tonic::codegen::Service;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::stage::{Stage, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_followed_for_who_asks() {
    let stage = Stage::new().await;
    let client = stage.client();
    stage.play("battle-1", "AnswerAccepted", 3).await;
    let link = |to: &'static str| EventData::binary("$>", Bytes::from_static(to.as_bytes()));
    let links = vec![link("1@battle-1"), link("7@battle-1"), link("nowhere")];
    client.append_to_stream("found", &AppendToStreamOptions::default(), links).await.unwrap();

    let plain = ReadStreamOptions::default();
    let mut read = client.read_stream("found", &plain).await.unwrap();
    let one = soon(read.next()).await.unwrap().unwrap();
    assert_eq!((one.get_original_event().stream_id(), one.link.is_none()), ("found", true));

    let mut read = client.read_stream("found", &plain.resolve_link_tos()).await.unwrap();
    let one = soon(read.next()).await.unwrap().unwrap();
    let (event, link) = (one.event.unwrap(), one.link.unwrap());
    assert_eq!((event.stream_id(), event.revision, &*event.event_type), ("battle-1", 1, "AnswerAccepted"));
    assert_eq!((link.stream_id(), link.revision), ("found", 0));
    // What is not there is told as it is: a link that leads nowhere.
    for revision in [1, 2] {
        let one = soon(read.next()).await.unwrap().unwrap();
        assert!(one.event.is_none());
        assert_eq!(one.link.unwrap().revision, revision);
    }

    let following = SubscribeToStreamOptions::default().start_from(StreamPosition::Start).resolve_link_tos();
    let mut listener = client.subscribe_to_stream("found", &following).await;
    let one = soon(listener.next()).await.unwrap();
    assert_eq!(one.event.unwrap().revision, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_to_several_streams_at_once_is_refused_with_the_reason() {
    let stage = Stage::new().await;
    let url = format!("http://{}", stage.address);
    let mut channel = Channel::from_shared(url.clone()).unwrap().connect().await.unwrap();
    let request =
        http::Request::post(format!("{url}/kurrentdb.protocol.v2.streams.StreamsService/AppendSession"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {}", stage.token))
            .body(tonic::body::Body::empty())
            .unwrap();
    soon(poll_fn(|context| channel.poll_ready(context))).await.unwrap();
    let answer = soon(channel.call(request)).await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("one stream"), "{status}");
}
