//! HTTP/1.1 by hand.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::host::PATIENCE;

/// Sends a request and answers everything that comes back until the server closes. Each header ends with a line break.
pub async fn exchange(authority: &str, line: &str, headers: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// GETs a page.
pub async fn get(authority: &str, path: &str) -> String {
    exchange(authority, &format!("GET {path}"), "", b"").await
}
