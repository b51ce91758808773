//! A Pusher client as small as can be: a real WebSocket, and the frames as they come.

use std::future::Future;

use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, handshake};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::server::PATIENCE;
use crate::web;

/// A socket that has shaken hands.
pub struct Pusher {
    socket: FragmentCollector<TokioIo<Upgraded>>,
    address: String,
    socket_id: String,
}

/// An event, its data decoded.
#[derive(Debug)]
pub struct Event {
    pub name: String,
    pub channel: Option<String>,
    pub data: Value,
}

struct Spawn;

impl<F> hyper::rt::Executor<F> for Spawn
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        tokio::spawn(task);
    }
}

impl Pusher {
    pub async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let request = hyper::Request::get("/app/nimaora?protocol=7&client=test&version=1")
            .header("Host", address)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "upgrade")
            .header("Sec-WebSocket-Key", handshake::generate_key())
            .header("Sec-WebSocket-Version", "13")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let (socket, _) = handshake::client(&Spawn, request, stream).await.unwrap();
        let socket = FragmentCollector::new(socket);
        let mut pusher = Self { socket, address: address.to_owned(), socket_id: String::new() };
        let established = pusher.expect("pusher:connection_established").await;
        pusher.socket_id = established.data["socket_id"].as_str().unwrap().to_owned();
        pusher
    }

    /// Subscribes to a channel and waits until the server says so; a private one is authorised with the player's token.
    pub async fn subscribe(&mut self, channel: &str, token: Option<&str>) {
        let mut data = json!({ "channel": channel });
        if let Some(token) = token {
            let form = format!("socket_id={}&channel_name={channel}", self.socket_id);
            let (status, answer) = web::post_form(&self.address, "/broadcasting/auth", token, &form).await;
            assert_eq!(status, 200, "{answer}");
            let signature: Value = serde_json::from_str(&answer).unwrap();
            data["auth"] = signature["auth"].clone();
            data["channel_data"] = signature["channel_data"].clone();
        }
        self.send(&json!({ "event": "pusher:subscribe", "data": data })).await;
        let succeeded = self.expect("pusher_internal:subscription_succeeded").await;
        assert_eq!(succeeded.channel.as_deref(), Some(channel));
    }

    pub async fn send(&mut self, message: &Value) {
        let text = message.to_string().into_bytes();
        self.socket.write_frame(Frame::text(Payload::Owned(text))).await.unwrap();
    }

    /// The next event, whatever it is.
    pub async fn next(&mut self) -> Event {
        let frame = tokio::time::timeout(PATIENCE, self.socket.read_frame()).await.unwrap().unwrap();
        assert_eq!(frame.opcode, OpCode::Text, "{:?}", frame.payload);
        let message: Value = serde_json::from_slice(&frame.payload).unwrap();
        let data = match &message["data"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            other => other.clone(),
        };
        Event {
            name: message["event"].as_str().unwrap().to_owned(),
            channel: message["channel"].as_str().map(str::to_owned),
            data,
        }
    }

    /// The next event with this name; others before it are passed over.
    pub async fn expect(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await;
            if event.name == name {
                return event;
            }
        }
    }
}
