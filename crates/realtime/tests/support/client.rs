//! A client that speaks the Pusher protocol over a real connection.

use std::future::Future;

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use axum::http::{HeaderValue, Request};
use fastwebsockets::{Frame, OpCode, WebSocket, handshake};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Empty, Full};
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpStream;

use super::{Arena, KEY, PATIENCE, Player, SECRET};

/// A socket as a player's page has it.
pub struct Client {
    socket: WebSocket<TokioIo<Upgraded>>,
    pub socket_id: String,
    pub activity_timeout: u64,
}

/// What a client was told; `data` is what the string in the frame holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub channel: Option<String>,
    pub data: Value,
    pub user_id: Option<String>,
}

/// What the string in the frame holds; what clients and applications say need not be one, nor hold JSON.
fn data(data: &Value) -> Value {
    let held = data.as_str().and_then(|text| serde_json::from_str(text).ok());
    held.unwrap_or_else(|| data.clone())
}

/// What a socket says next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Event(Event),
    Closed(u16),
}

pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// Opens a socket on any path; nothing has been read from it.
pub async fn open(arena: &Arena, path: &str) -> WebSocket<TokioIo<Upgraded>> {
    let request = upgrade(arena, path).body(Empty::<Bytes>::new()).unwrap();
    open_with(arena, request).await
}

/// Opens a socket from a page of this origin.
pub async fn open_from(arena: &Arena, path: &str, origin: &'static str) -> WebSocket<TokioIo<Upgraded>> {
    let mut request = upgrade(arena, path).body(Empty::<Bytes>::new()).unwrap();
    request.headers_mut().insert("origin", HeaderValue::from_static(origin));
    open_with(arena, request).await
}

async fn open_with(arena: &Arena, request: Request<Empty<Bytes>>) -> WebSocket<TokioIo<Upgraded>> {
    let stream = in_time(TcpStream::connect(arena.address)).await.unwrap();
    let (mut socket, _) = in_time(handshake::client(&TokioExecutor::new(), request, stream)).await.unwrap();
    socket.set_auto_close(false);
    socket
}

/// The status of the answer to an upgrade that is refused.
pub async fn upgrade_status(arena: &Arena, path: &str) -> u16 {
    call(arena, upgrade(arena, path).body(Full::default()).unwrap()).await.0
}

/// The status of the answer to a handshake with such a key.
pub async fn handshake_status(arena: &Arena, path: &str, key: &'static str) -> u16 {
    let mut request = upgrade(arena, path).body(Full::default()).unwrap();
    request.headers_mut().insert("Sec-WebSocket-Key", HeaderValue::from_static(key));
    call(arena, request).await.0
}

fn upgrade(arena: &Arena, path: &str) -> axum::http::request::Builder {
    Request::get(path)
        .header(HOST, arena.address.to_string())
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "Upgrade")
        .header("Sec-WebSocket-Key", handshake::generate_key())
        .header("Sec-WebSocket-Version", "13")
}

impl Client {
    pub async fn connect(arena: &Arena) -> Self {
        let path = format!("/app/{KEY}?protocol=7&client=js&version=8.6.0&flash=false");
        let mut client = Self::of(open(arena, &path).await);
        let established = client.event().await;
        assert_eq!(established.name, "pusher:connection_established");
        client.socket_id = established.data["socket_id"].as_str().unwrap().to_owned();
        client.activity_timeout = established.data["activity_timeout"].as_u64().unwrap();
        client
    }

    pub fn of(socket: WebSocket<TokioIo<Upgraded>>) -> Self {
        Self { socket, socket_id: String::new(), activity_timeout: 0 }
    }

    pub async fn say(&mut self, event: &str, data: Value) {
        self.send_text(&json!({ "event": event, "data": data }).to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send(Frame::text(text.as_bytes().to_vec().into())).await;
    }

    pub async fn send(&mut self, frame: Frame<'_>) {
        in_time(self.socket.write_frame(frame)).await.unwrap();
    }

    pub async fn next(&mut self) -> Next {
        loop {
            let frame = in_time(self.socket.read_frame()).await.unwrap();
            match frame.opcode {
                OpCode::Text => {
                    let envelope: Value = serde_json::from_slice(&frame.payload).unwrap();
                    return Next::Event(Event {
                        name: envelope["event"].as_str().unwrap().to_owned(),
                        channel: envelope["channel"].as_str().map(str::to_owned),
                        data: data(&envelope["data"]),
                        user_id: envelope["user_id"].as_str().map(str::to_owned),
                    });
                }
                OpCode::Close => {
                    return Next::Closed(u16::from_be_bytes([frame.payload[0], frame.payload[1]]));
                }
                OpCode::Ping | OpCode::Pong | OpCode::Continuation | OpCode::Binary => {}
            }
        }
    }

    pub async fn event(&mut self) -> Event {
        match self.next().await {
            Next::Event(event) => event,
            Next::Closed(code) => panic!("the socket was closed with {code}"),
        }
    }

    /// The next event of this name, past all others.
    pub async fn event_named(&mut self, name: &str) -> Event {
        loop {
            let event = self.event().await;
            if event.name == name {
                return event;
            }
        }
    }

    /// The code with which the server closes the socket, past all events.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            if let Next::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    /// Subscribes to a public channel and awaits the confirmation.
    pub async fn subscribe(&mut self, channel: &str) {
        self.say("pusher:subscribe", json!({ "channel": channel })).await;
        self.confirmed(channel).await;
    }

    /// Has a player's private channel signed, subscribes to it and awaits the confirmation.
    pub async fn listen(&mut self, arena: &Arena, player: &Player) {
        self.request_listening(arena, player).await;
        self.confirmed(&player.channel()).await;
    }

    /// Has a player's private channel signed and asks for it.
    pub async fn request_listening(&mut self, arena: &Arena, player: &Player) {
        let (status, signature) =
            authorise(arena, Some(&arena.token(player)), &self.socket_id, &player.channel()).await;
        assert_eq!(status, 200, "{signature}");
        let mut data = signature;
        data["channel"] = player.channel().into();
        self.say("pusher:subscribe", data).await;
    }

    /// Has a battle's presence channel signed for a player, and subscribes; answers with the members.
    pub async fn attend(&mut self, arena: &Arena, player: &Player) -> Value {
        let channel = format!("presence-battle.{}", player.battle_id);
        loop {
            let (status, mut data) =
                authorise(arena, Some(&arena.token(player)), &self.socket_id, &channel).await;
            // Tables that are late say nothing about the player.
            if status == 503 {
                continue;
            }
            assert_eq!(status, 200, "{data}");
            data["channel"] = channel.as_str().into();
            self.say("pusher:subscribe", data).await;
            let event = self.event().await;
            assert_eq!(event.channel.as_ref(), Some(&channel));
            if event.data["status"] == 503 {
                continue;
            }
            assert_eq!(event.name, "pusher_internal:subscription_succeeded", "{event:?}");
            return event.data["presence"].clone();
        }
    }

    /// Subscribes to a channel with the application's signature, and awaits the confirmation.
    pub async fn subscribe_signed(&mut self, channel: &str, data: Option<&str>) -> Value {
        let auth = sign_socket(&self.socket_id, channel, data);
        let mut request = json!({ "channel": channel, "auth": auth });
        if let Some(data) = data {
            request["channel_data"] = data.into();
        }
        self.say("pusher:subscribe", request).await;
        let event = self.event().await;
        assert_eq!(event.name, "pusher_internal:subscription_succeeded", "{event:?}");
        assert_eq!(event.channel.as_deref(), Some(channel));
        event.data
    }

    /// Becomes a member of a presence channel and leaves again, past whatever else it is told.
    pub async fn become_member(&mut self, channel: &str, data: &str) {
        let auth = sign_socket(&self.socket_id, channel, Some(data));
        let request = json!({ "channel": channel, "auth": auth, "channel_data": data });
        self.say("pusher:subscribe", request).await;
        self.event_named("pusher_internal:subscription_succeeded").await;
        self.say("pusher:unsubscribe", json!({ "channel": channel })).await;
    }

    /// Sends an event to the others in a channel.
    pub async fn tell(&mut self, event: &str, channel: &str, data: Value) {
        self.send_text(&json!({ "event": event, "channel": channel, "data": data }).to_string()).await;
    }

    pub async fn confirmed(&mut self, channel: &str) {
        let event = self.event().await;
        assert_eq!(event.name, "pusher_internal:subscription_succeeded", "{event:?}");
        assert_eq!(event.channel.as_deref(), Some(channel));
    }
}

/// A path of the HTTP API with what its signature needs, as the application's own server makes it at that time.
pub fn sign_api(method: &str, path: &str, query: &[(&str, &str)], body: &str, at_ms: i64) -> String {
    let mut params: Vec<(String, String)> =
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    params.push(("auth_key".to_owned(), KEY.to_owned()));
    params.push(("auth_timestamp".to_owned(), (at_ms / 1_000).to_string()));
    params.push(("auth_version".to_owned(), "1.0".to_owned()));
    if !body.is_empty() {
        params.push(("body_md5".to_owned(), hex::encode(Md5::digest(body))));
    }
    params.sort();
    let pairs: Vec<_> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = pairs.join("&");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{method}\n{path}\n{query}").as_bytes());
    format!("{path}?{query}&auth_signature={}", hex::encode(mac.finalize().into_bytes()))
}

/// Calls the HTTP API as the application's own server.
pub async fn api(arena: &Arena, path: &str, body: Option<&Value>) -> (u16, Value) {
    let now_ms = arena.now_ms();
    match body {
        Some(body) => {
            let body = body.to_string();
            post(arena, &sign_api("POST", path, &[], &body, now_ms), None, "application/json", body).await
        }
        None => {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let query: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
            get(arena, &sign_api("GET", path, &query, "", now_ms)).await
        }
    }
}

/// Waits until this node hears the others, on all of which there are so many sockets, and has heard what they have said before.
pub async fn acquaint(arena: &Arena, sockets: usize) {
    let path = "/apps/1/connections";
    while api(arena, path, None).await != (200, json!({ "connections": sockets })) {}
    // What is noticed to be missing is asked for before this.
    assert_eq!(api(arena, path, None).await.0, 200);
}

/// What lets this socket, as the application's own server signs it.
pub fn sign_socket(socket_id: &str, what: &str, data: Option<&str>) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let parts: Vec<_> = [Some(socket_id), Some(what), data].into_iter().flatten().collect();
    mac.update(parts.join(":").as_bytes());
    format!("{KEY}:{}", hex::encode(mac.finalize().into_bytes()))
}

/// Asks for a signature, as a form.
pub async fn authorise(arena: &Arena, token: Option<&str>, socket_id: &str, channel: &str) -> (u16, Value) {
    let form = format!("socket_id={socket_id}&channel_name={channel}");
    post(arena, "/broadcasting/auth", token, "application/x-www-form-urlencoded", form).await
}

pub async fn post(
    arena: &Arena,
    path: &str,
    token: Option<&str>,
    content_type: &str,
    body: String,
) -> (u16, Value) {
    let mut request =
        Request::post(path).header(HOST, arena.address.to_string()).header(CONTENT_TYPE, content_type);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    call(arena, request.body(Full::new(Bytes::from(body))).unwrap()).await
}

pub async fn get(arena: &Arena, path: &str) -> (u16, Value) {
    let request = Request::get(path).header(HOST, arena.address.to_string());
    call(arena, request.body(Full::default()).unwrap()).await
}

async fn call(arena: &Arena, request: Request<Full<Bytes>>) -> (u16, Value) {
    let stream = in_time(TcpStream::connect(arena.address)).await.unwrap();
    let (mut sender, connection) =
        in_time(hyper::client::conn::http1::handshake(TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    let response = in_time(sender.send_request(request)).await.unwrap();
    let status = response.status().as_u16();
    let body = in_time(response.into_body().collect()).await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    (status, serde_json::from_slice(&body).unwrap_or(Value::String(text)))
}
