//! Clients that begin a request and do not finish it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
