//! Clients that begin a request and do not finish it.

use nimaora_api::v1::{GetBattleRequest, GetBattleResponse, JoinRequest, JoinResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt;

use crate::host::{Host, PATIENCE};

#[tokio::test]
async fn a_body_that_does_not_arrive_ends_its_request_and_its_connection() {
    let host = Host::start(&[("limits.body_read_timeout_ms", "50")]).await;
    let authorization = format!("Authorization: Bearer {}", host.server.admin_token());
    for (path, content_type) in [
        ("/broadcasting/auth", "application/json"),
        ("/nimaora.v1.CommandService/Join", "application/grpc-web+proto"),
    ] {
        let mut stream = TcpStream::connect(host.authority()).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\nContent-Type: {content_type}\r\nContent-Length: 1000\r\n\r\n{{"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
    }
    host.server.stop().await;
}

#[tokio::test]
async fn a_grpc_message_that_does_not_arrive_ends_its_call_and_no_other() {
    let host = Host::start(&[("limits.body_read_timeout_ms", "50")]).await;
    let channel = Channel::from_shared(format!("http://{}", host.authority())).unwrap();
    let channel = channel.connect().await.unwrap();
    // Reflection is a stream that its client keeps open between two questions.
    let (ask, questions) = mpsc::channel(1);
    let list = || ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    ask.send(list()).await.unwrap();
    let mut reflection = ServerReflectionClient::new(channel.clone());
    let answers = reflection.server_reflection_info(ReceiverStream::new(questions)).await.unwrap();
    let mut answers = answers.into_inner();
    answers.message().await.unwrap().unwrap();

    for path in [
        "/nimaora.v1.CommandService/Join",
        "/nimaora.v1.QueryService/GetBattle",
        "/grpc.health.v1.Health/Check",
    ] {
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await.unwrap();
        // Whatever the method takes, it never comes.
        let codec = ProstCodec::<GetBattleRequest, GetBattleResponse>::default();
        let nothing = tonic::Request::new(tokio_stream::pending());
        let call = grpc.client_streaming(nothing, PathAndQuery::from_static(path), codec);
        let status = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{path}: {status}");
        assert_eq!(status.get_error_details().error_info().unwrap().reason, "MESSAGE_TOO_SLOW", "{path}");
    }
    ask.send(list()).await.unwrap();
    answers.message().await.unwrap().unwrap();
    drop(ask);
    host.server.stop().await;
}

/// More than the server holds of unfinished bodies below.
const UNFINISHED_BYTES: usize = 5_000;
const UNFINISHED_BYTES_MAX: (&str, &str) = ("limits.unfinished_body_bytes_max", "4096");

#[tokio::test]
async fn past_the_bound_of_unfinished_bodies_a_grpc_call_is_told_to_try_again() {
    let host = Host::start(&[UNFINISHED_BYTES_MAX]).await;
    let channel = Channel::from_shared(format!("http://{}", host.authority())).unwrap();
    let mut grpc = Grpc::new(channel.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let username = "a".repeat(UNFINISHED_BYTES);
    let join = JoinRequest { username, ..JoinRequest::default() };
    // The message is there, but not the end of the stream.
    let unfinished = tonic::Request::new(tokio_stream::once(join).chain(tokio_stream::pending()));
    let codec = ProstCodec::<JoinRequest, JoinResponse>::default();
    let path = PathAndQuery::from_static("/nimaora.v1.CommandService/Join");
    let call = grpc.client_streaming(unfinished, path, codec);
    let status = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "TOO_MANY_UNFINISHED_MESSAGES");
    assert!(details.retry_info().unwrap().retry_delay.is_some());
    // Others are served meanwhile.
    host.battle(&host.connection().await).await;
    host.server.stop().await;
}

#[tokio::test]
async fn past_the_bound_of_unfinished_bodies_a_page_is_told_to_try_again() {
    let host = Host::start(&[UNFINISHED_BYTES_MAX]).await;
    let authorization = format!("Authorization: Bearer {}", host.server.admin_token());
    for (path, content_type, expected) in [
        ("/broadcasting/auth", "application/json", ["HTTP/1.1 503", "retry-after: 2"]),
        ("/nimaora.v1.CommandService/Join", "application/grpc-web+proto", ["HTTP/1.1 200", "grpc-status: 8"]),
    ] {
        let mut stream = TcpStream::connect(host.authority()).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://page\r\n{authorization}\r\nContent-Type: {content_type}\r\n\
             Content-Length: 8000\r\n\r\n"
        );
        // For gRPC-web: not compressed, and so many bytes.
        let mut body = vec![0, 0, 0, 0x1f, 0];
        body.resize(UNFINISHED_BYTES, b' ');
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer);
        for words in expected.into_iter().chain(["access-control-allow-origin: *"]) {
            assert!(answer.contains(words), "{path}: '{words}' is not in {answer}");
        }
    }
    host.server.stop().await;
}
