//! Each protocol of the one port.

use nimaora::client::{APP_KEY, PusherSocket, SocketError, bearer, command_id, with_token};
use nimaora_api::v1::{GetBattleRequest, SubmitAnswerRequest, get_battle_request};
use prost::Message;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::host::Host;
use crate::http1::{exchange, get};

#[tokio::test]
async fn a_command_over_grpc_is_heard_on_a_websocket() {
    let host = Host::start(&[]).await;
    let connection = host.connection().await;
    let (battle_id, ada) = host.battle(&connection).await;
    let mut socket = PusherSocket::connect(&host.authority(), APP_KEY).await.unwrap();
    let own = format!("private-participant.{}", ada.participant_id);
    let signature = socket.authorise(&own, &ada.token).await.unwrap();
    socket.subscribe(&own, Some(&signature)).await.unwrap();
    socket.subscribe(&format!("battle.{battle_id}"), None).await.unwrap();

    let answer = SubmitAnswerRequest { command_id: command_id(), question_id: 2, answer: "8".to_owned() };
    let token = bearer(&ada.token).unwrap();
    let answered = connection.commands().submit_answer(with_token(answer, Some(&token))).await.unwrap();
    let position = answered.into_inner().position;
    loop {
        let event = socket.next_event().await.unwrap();
        assert_ne!(event.name, "pusher:subscription_error", "{}", event.data);
        let data: serde_json::Value = event.read().unwrap();
        if event.name == "leaderboard.updated" && data["as_of"].as_u64().unwrap() >= position {
            assert_eq!(data["entries"][0]["username"], "ada");
            assert_eq!(data["entries"][0]["points"], 10);
            break;
        }
    }
    drop(socket);
    host.server.stop().await;
}

#[tokio::test]
async fn browsers_call_over_grpc_web_from_any_page() {
    let host = Host::start(&[]).await;
    let (battle_id, ada) = host.battle(&host.connection().await).await;
    let asked = GetBattleRequest {
        battle: Some(get_battle_request::Battle::BattleId(battle_id)),
        min_position: ada.position,
        wait_ms: 10_000,
    };
    let mut body = vec![0];
    let message = asked.encode_to_vec();
    body.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&message);
    let line = "POST /nimaora.v1.QueryService/GetBattle";

    let preflight = "Origin: http://page\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: authorization,content-type,x-grpc-web\r\n";
    let allowed = exchange(&host.authority(), &line.replace("POST", "OPTIONS"), preflight, b"").await;
    assert!(allowed.contains("access-control-allow-origin: *"), "{allowed}");
    assert!(
        allowed.contains("access-control-allow-headers: authorization,content-type,x-grpc-web"),
        "{allowed}"
    );

    let headers = "Origin: http://page\r\nContent-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\n";
    let answer = exchange(&host.authority(), line, headers, &body).await;
    assert!(answer.contains("access-control-allow-origin: *"), "{answer}");
    assert!(answer.contains("grpc-status:0"), "{answer}");
    assert!(answer.contains("A battle"), "{answer}");

    // Native gRPC cannot work over HTTP/1.1, and the client is told so.
    let native = exchange(&host.authority(), line, "Content-Type: application/grpc\r\n", &body).await;
    assert!(native.starts_with("HTTP/1.1 400"), "{native}");
    host.server.stop().await;
}

#[tokio::test]
async fn probes_metrics_health_and_reflection_share_the_port() {
    let host = Host::start(&[]).await;
    assert!(get(&host.authority(), "/healthz").await.contains("alive"));
    assert!(get(&host.authority(), "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get(&host.authority(), "/no/such/page").await.starts_with("HTTP/1.1 404"));
    let metrics = get(&host.authority(), "/metrics").await;
    for name in ["process_cpu_seconds_total", "nimaora_connections_open"] {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    for shown in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE nimaora_")) {
        let name = shown.split(' ').next().unwrap();
        assert!(
            metrics.contains(&format!("# HELP nimaora_{name} ")),
            "nobody says what nimaora_{name} means"
        );
    }

    let url = format!("http://{}", host.authority());
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    for service in ["", "nimaora.v1.CommandService", "nimaora.v1.QueryService"] {
        let asked = HealthCheckRequest { service: service.to_owned() };
        let health = HealthClient::new(channel.clone()).check(asked).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::Serving, "{service}");
    }
    let asked = HealthCheckRequest { service: "unknown".to_owned() };
    let unknown = HealthClient::new(channel.clone()).check(asked).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel.clone())
        .server_reflection_info(tokio_stream::once(list))
        .await
        .unwrap()
        .into_inner();
    let listed = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(listed)) = listed else { panic!("{listed:?}") };
    let names: Vec<_> = listed.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["nimaora.v1.CommandService", "nimaora.v1.QueryService", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    // Nobody has to hold more of a question than the longest name.
    let long = "a".repeat(5_000);
    let asked = HealthCheckRequest { service: long.clone() };
    let refused = HealthClient::new(channel.clone()).check(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    let list = ServerReflectionRequest { host: long, message_request: None };
    let answers =
        ServerReflectionClient::new(channel).server_reflection_info(tokio_stream::once(list)).await.unwrap();
    assert!(answers.into_inner().message().await.unwrap().is_none(), "it was read");
    host.server.stop().await;
}

#[tokio::test]
async fn an_unknown_service_and_an_unknown_application_are_refused() {
    let host = Host::start(&[]).await;
    let unknown = PusherSocket::connect(&host.authority(), "another").await.err().unwrap();
    assert!(matches!(&unknown, SocketError::NotGreeted(why) if why.contains("4001")), "{unknown}");
    let headers = "Content-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\n";
    let answer = exchange(&host.authority(), "POST /nimaora.v1.NoService/Call", headers, b"\0\0\0\0\0").await;
    assert!(answer.contains("grpc-status: 12"), "{answer}");
    host.server.stop().await;
}

#[tokio::test]
async fn past_the_limit_of_connections_a_newcomer_is_closed_at_once() {
    let host = Host::start(&[("limits.connections_max", "2")]).await;
    let first = PusherSocket::connect(&host.authority(), APP_KEY).await.unwrap();
    let second = PusherSocket::connect(&host.authority(), APP_KEY).await.unwrap();
    assert!(PusherSocket::connect(&host.authority(), APP_KEY).await.is_err());
    drop((first, second));
    // The places are free once the server has noticed.
    while PusherSocket::connect(&host.authority(), APP_KEY).await.is_err() {
        tokio::task::yield_now().await;
    }
    host.server.stop().await;
}

#[tokio::test]
async fn refused_sockets_that_stay_count_as_connections() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let settings = [("limits.connections_max", "2"), ("realtime.close_timeout_ms", "100000")];
    let host = Host::start(&settings).await;
    let mut staying = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(host.authority()).await.unwrap();
        let request = "GET /app/another?protocol=7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let code = 4001_u16.to_be_bytes();
        let mut told = Vec::new();
        while !told.windows(2).any(|bytes| bytes == code) {
            assert!(stream.read_buf(&mut told).await.unwrap() > 0, "{}", String::from_utf8_lossy(&told));
        }
        staying.push(stream);
    }
    let mut third = tokio::net::TcpStream::connect(host.authority()).await.unwrap();
    // It may be closed before it can ask.
    let _ = third.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let read = tokio::time::timeout(crate::host::PATIENCE, third.read(&mut [0])).await.unwrap();
    assert!(!matches!(read, Ok(1..)), "a third connection was taken");
    drop(staying);
    while PusherSocket::connect(&host.authority(), APP_KEY).await.is_err() {
        tokio::task::yield_now().await;
    }
    host.server.stop().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_not_waited_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = Host::start(&[("limits.header_read_timeout_ms", "50")]).await;
    for said in [b"".as_slice(), b"PRI * HT", b"GET / HTTP/1.1\r\nHos"] {
        let mut stream = tokio::net::TcpStream::connect(host.authority()).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(crate::host::PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "after {:?} the connection stayed open", String::from_utf8_lossy(said));
    }
    host.server.stop().await;
}
