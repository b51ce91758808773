//! HTTP/1.1 by hand, as a browser would send it, gRPC-web included.

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::PATIENCE;

/// POSTs a form with a bearer token; answers the status and the body.
pub async fn post_form(address: &str, path: &str, token: &str, form: &str) -> (u16, String) {
    let headers =
        format!("Authorization: Bearer {token}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let (status, body) = request(address, "POST", path, &headers, form.as_bytes()).await;
    (status, String::from_utf8(body).unwrap())
}

/// GETs a page; answers the status and the body.
pub async fn get(address: &str, path: &str) -> (u16, String) {
    let (status, body) = request(address, "GET", path, "", b"").await;
    (status, String::from_utf8(body).unwrap())
}

/// Calls a method over gRPC-web; answers the message, or the gRPC status when there is none.
pub async fn call<Answer: Message + Default>(
    address: &str,
    method: &str,
    question: &impl Message,
) -> Result<Answer, String> {
    let message = question.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&message);
    let headers = "Content-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\n";
    let (status, body) = request(address, "POST", method, headers, &frame).await;
    assert_eq!(status, 200);
    // Frames: a flag byte (0x80 for trailers), a length of four bytes, the content.
    let mut rest = body.as_slice();
    let mut answer = None;
    while rest.len() >= 5 {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        let (content, after) = rest[5..].split_at(length);
        if rest[0] & 0x80 == 0 {
            answer = Some(Answer::decode(content).unwrap());
        } else if answer.is_none() {
            return Err(String::from_utf8_lossy(content).into_owned());
        }
        rest = after;
    }
    answer.ok_or_else(|| "the answer held no message".to_owned())
}

async fn request(address: &str, verb: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{verb} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    let body = &answer[end + 4..];
    let chunked = head.contains("transfer-encoding: chunked");
    (status, if chunked { unchunk(body) } else { body.to_vec() })
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap().trim(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        let begin = line + 2;
        whole.extend_from_slice(&rest[begin..begin + length]);
        rest = &rest[begin + length + 2..];
    }
}
