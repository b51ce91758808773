//! A WebSocket that speaks the Pusher protocol, version 7, as a listener: about 10 KB for each, so that one process can hold
//! thousands.
//!
//! ```no_run
//! # async fn example(token: &str, id: &str) -> Result<(), nimaora::client::SocketError> {
//! use nimaora::client::{APP_KEY, PusherSocket};
//!
//! let mut socket = PusherSocket::connect("127.0.0.1:8080", APP_KEY).await?;
//! let channel = format!("private-participant.{id}");
//! let signature = socket.authorise(&channel, token).await?;
//! socket.subscribe(&channel, Some(&signature)).await?;
//! loop {
//!     let event = socket.next_event().await?;
//!     println!("{}: {}", event.name, event.data);
//! }
//! # }
//! ```

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, WebSocketError, handshake};
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::{self, HttpError};

/// How long connecting may take, the greeting included: a server may hold it back to spread a crowd.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// After how much silence a socket is given up; the server pings much earlier.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// How long one write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest message that is read, in bytes; a larger one ends the socket.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Where private channels are signed.
const AUTH_PATH: &str = "/broadcasting/auth";

/// An open socket that the server has greeted.
pub struct PusherSocket {
    socket: FragmentCollector<TokioIo<Upgraded>>,
    authority: String,
    socket_id: String,
}

/// Something the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened, as `leaderboard.updated` or `attack.received`.
    pub name: String,
    /// Where it was said; `None` for what concerns the socket as a whole.
    pub channel: Option<String>,
    /// The event's data as JSON.
    pub data: String,
}

/// The server's word that this socket may listen to a private channel.
#[derive(Clone, Debug, Deserialize)]
pub struct Signature {
    /// The application's key and the signature.
    pub auth: String,
    /// What was signed together with the channel's name.
    pub channel_data: Option<String>,
}

/// Why a socket is no more, or never was.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nobody answers at the address.
    #[error("cannot connect: {0}")]
    Io(#[from] std::io::Error),
    /// The address or the key cannot be part of a request.
    #[error("the address or the application's key cannot be sent: {0}")]
    Request(#[from] hyper::http::Error),
    /// The WebSocket broke, or was never one.
    #[error("the WebSocket failed: {0}")]
    WebSocket(#[from] WebSocketError),
    /// The server's words make no sense.
    #[error("the server said something that is not understood: {0}")]
    NotUnderstood(#[from] serde_json::Error),
    /// The server refuses the socket: wrong key, too many sockets.
    #[error("the server does not take this socket: {0}")]
    NotGreeted(String),
    /// The server ended the socket.
    #[error("the server closed the socket: {code} {reason}")]
    Closed {
        /// The protocol's number for why.
        code: u16,
        /// In words.
        reason: String,
    },
    /// The channel was not signed: the token is not its owner's.
    #[error("no signature for the channel: {0}")]
    NotSigned(#[from] HttpError),
    /// Nothing came, or nothing could be sent, for too long.
    #[error("the server was silent for too long")]
    Silent,
}

impl PusherSocket {
    /// Connects to `authority` (HOST:PORT) as a client of the application with this key, and waits for the greeting.
    ///
    /// # Errors
    /// [`SocketError`], within 20 seconds.
    pub async fn connect(authority: &str, app_key: &str) -> Result<Self, SocketError> {
        timeout(CONNECT_TIMEOUT, Self::greeted(authority, app_key)).await.unwrap_or(Err(SocketError::Silent))
    }

    async fn greeted(authority: &str, app_key: &str) -> Result<Self, SocketError> {
        #[derive(Deserialize)]
        struct Greeting {
            socket_id: String,
        }
        let socket = upgraded(authority, app_key).await?;
        let mut this = Self { socket, authority: authority.to_owned(), socket_id: String::new() };
        let first = this.next_event().await?;
        if first.name != "pusher:connection_established" {
            return Err(SocketError::NotGreeted(first.data));
        }
        this.socket_id = first.read::<Greeting>()?.socket_id;
        Ok(this)
    }

    /// The server's name for this socket, which signatures are made for.
    pub fn socket_id(&self) -> &str {
        &self.socket_id
    }

    /// Asks the server to sign a private channel for this socket and the participant whose token it is.
    ///
    /// # Errors
    /// [`SocketError::NotSigned`] when the channel is not the participant's own, or the token is not valid.
    pub async fn authorise(&mut self, channel: &str, token: &str) -> Result<Signature, SocketError> {
        let form = format!("socket_id={}&channel_name={channel}", self.socket_id);
        let answer = http::post_form(&self.authority, AUTH_PATH, token, form).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Asks for a channel; a private one needs its signature. The answer comes as an event,
    /// `pusher_internal:subscription_succeeded` or `pusher:subscription_error`.
    ///
    /// # Errors
    /// The socket broke.
    pub async fn subscribe(
        &mut self,
        channel: &str,
        signature: Option<&Signature>,
    ) -> Result<(), SocketError> {
        #[derive(Serialize)]
        struct Subscribe<'a> {
            channel: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            auth: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            channel_data: Option<&'a str>,
        }
        let data = Subscribe {
            channel,
            auth: signature.map(|signature| signature.auth.as_str()),
            channel_data: signature.and_then(|signature| signature.channel_data.as_deref()),
        };
        self.say("pusher:subscribe", &data).await
    }

    /// Waits for the next event. The server's pings are answered on the way. Not cancel safe: an event that was read in part
    /// is lost.
    ///
    /// # Errors
    /// [`SocketError::Closed`] when the server ends the socket; [`SocketError::Silent`] after two minutes without a word.
    pub async fn next_event(&mut self) -> Result<Event, SocketError> {
        loop {
            if let Some(event) = self.next_event_unless(|_| false).await? {
                return Ok(event);
            }
        }
    }

    /// As [`PusherSocket::next_event`], but an event whose text `is_skipped` is not read any further: `None` stands for it. For
    /// those who hold thousands of sockets and need not read every board.
    ///
    /// # Errors
    /// As [`PusherSocket::next_event`].
    pub async fn next_event_unless(
        &mut self,
        is_skipped: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Event>, SocketError> {
        loop {
            let text = timeout(SILENCE_MAX, self.text()).await.map_err(|_| SocketError::Silent)??;
            if is_skipped(&text) {
                return Ok(None);
            }
            let event = Event::parse(&text)?;
            if event.name != "pusher:ping" {
                return Ok(Some(event));
            }
            self.say("pusher:pong", &serde_json::json!({})).await?;
        }
    }

    async fn text(&mut self) -> Result<Payload<'static>, SocketError> {
        loop {
            let frame = self.socket.read_frame().await?;
            match frame.opcode {
                OpCode::Text => return Ok(frame.payload),
                OpCode::Close => return Err(closed(&frame.payload)),
                OpCode::Continuation | OpCode::Binary | OpCode::Ping | OpCode::Pong => {}
            }
        }
    }

    async fn say(&mut self, event: &str, data: &impl Serialize) -> Result<(), SocketError> {
        let message = serde_json::json!({ "event": event, "data": data });
        let frame = Frame::text(Payload::Owned(message.to_string().into_bytes()));
        timeout(WRITE_TIMEOUT, self.socket.write_frame(frame)).await.map_err(|_| SocketError::Silent)??;
        Ok(())
    }
}

impl Event {
    /// The event's data as a `T`.
    ///
    /// # Errors
    /// It has another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.data)
    }

    fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            event: String,
            channel: Option<String>,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        let envelope: Envelope<'_> = serde_json::from_slice(text)?;
        let json = envelope.data.map_or("null", RawValue::get);
        // Most servers put the data's JSON into a string.
        let data = if json.starts_with('"') {
            serde_json::from_str::<Cow<'_, str>>(json)?.into_owned()
        } else {
            json.to_owned()
        };
        Ok(Self { name: envelope.event, channel: envelope.channel, data })
    }
}

async fn upgraded(
    authority: &str,
    app_key: &str,
) -> Result<FragmentCollector<TokioIo<Upgraded>>, SocketError> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let path =
        format!("/app/{app_key}?protocol=7&client=nimaora&version={}&flash=false", env!("CARGO_PKG_VERSION"));
    let request = Request::get(path)
        .header(HOST, authority)
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "upgrade")
        .header(SEC_WEBSOCKET_KEY, handshake::generate_key())
        .header(SEC_WEBSOCKET_VERSION, "13")
        .body(Empty::<Bytes>::new())?;
    let (mut socket, _) = handshake::client(&TokioExecutor::new(), request, stream).await?;
    socket.set_max_message_size(MESSAGE_BYTES_MAX);
    Ok(FragmentCollector::new(socket))
}

/// What a close frame says: a number of two bytes, then words.
fn closed(payload: &[u8]) -> SocketError {
    /// Stands for a close frame without a number.
    const NO_STATUS: u16 = 1005;
    match payload.split_first_chunk::<2>() {
        Some((code, reason)) => SocketError::Closed {
            code: u16::from_be_bytes(*code),
            reason: String::from_utf8_lossy(reason).into_owned(),
        },
        None => SocketError::Closed { code: NO_STATUS, reason: String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_as_an_object_and_as_a_string() {
        for text in [
            r#"{"event":"a","channel":"c","data":{"n":"\u00e9"}}"#,
            r#"{"event":"a","channel":"c","data":"{\"n\":\"\u00e9\"}"}"#,
        ] {
            let event = Event::parse(text.as_bytes()).unwrap();
            assert_eq!((event.name.as_str(), event.channel.as_deref()), ("a", Some("c")));
            let data: serde_json::Value = event.read().unwrap();
            assert_eq!(data["n"], "é");
        }
        assert_eq!(Event::parse(br#"{"event":"pusher:pong"}"#).unwrap().data, "null");
        assert!(Event::parse(b"no json").is_err());
    }

    #[test]
    fn a_close_says_its_number_and_why() {
        assert_eq!(closed(b"\x10\x04full").to_string(), "the server closed the socket: 4100 full");
        assert!(matches!(closed(b""), SocketError::Closed { code: 1005, .. }));
    }
}
