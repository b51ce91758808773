//! The life of a socket, from its upgrade to its end.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use tokio::time::Instant;

use super::requests::Listening;
use super::wire::Wire;
use super::{Class, Progress, Socket};
use crate::error::CloseReason;
use crate::hub::Hub;
use crate::hub::registry::Admission;
use crate::metrics;
use crate::pusher::events;
use crate::websocket::encode;
use crate::websocket::read::{Message, Reader};

/// What a connection holds from the answer to its upgrade to its end.
pub(crate) struct Entry {
    /// Counts it.
    _admission: Admission,
    refused: Option<CloseReason>,
    /// When it is let in.
    turn: Instant,
    /// Whether it was agreed that messages may be compressed.
    deflates: bool,
}

impl Entry {
    /// For a connection that is let in at that time.
    pub(crate) fn admitted(admission: Admission, turn: Instant) -> Self {
        Self { _admission: admission, refused: None, turn, deflates: false }
    }

    /// For one that is only told why it is not.
    pub(crate) fn refused(admission: Admission, reason: CloseReason) -> Self {
        Self { _admission: admission, refused: Some(reason), turn: Instant::now(), deflates: false }
    }

    /// With what was agreed on about compressed messages.
    pub(crate) fn deflating(self, deflates: bool) -> Self {
        Self { deflates, ..self }
    }
}

/// Serves a connection until it ends. One that was not let in is told why and closed; it too counts until it is gone.
pub(crate) async fn run(hub: Arc<Hub>, upgraded: Upgraded, entry: Entry) {
    let config = &hub.config;
    let (wire, early) = Wire::of(upgraded, config.send_buffer_bytes);
    let timeout_s = spread(config.activity_timeout_s);
    let socket = Socket::new(wire, timeout_s, config.outbox_bytes_max, hub.now_s());
    let socket = Arc::new(socket.deflating(entry.deflates));
    match entry.refused {
        None => {
            let registered = hub.sockets.register(Arc::clone(&socket));
            wait_for_turn(&hub, entry.turn).await;
            socket.heard(hub.now_s());
            socket.send(Class::Answer, &events::established(&socket.id.to_string(), timeout_s));
            // Those that were there when the stop was requested are closed in waves; they did not include this one.
            if hub.shutdown.is_requested() {
                socket.close(CloseReason::Draining);
            }
            serve(&hub, &socket, early).await;
            drop(registered);
        }
        Some(reason) => socket.close_with_error(reason),
    }
    let patience = Duration::from_millis(config.close_timeout_ms);
    // A client that does not read or answer within this time is dropped as it is.
    let _ = Box::pin(tokio::time::timeout(patience, linger(&socket, config.message_bytes_max))).await;
    drop(entry);
}

/// Boxed, so that it takes no room of the socket's task afterwards. A server that stops lets nobody wait.
async fn wait_for_turn(hub: &Hub, turn: Instant) {
    let wait = turn.saturating_duration_since(Instant::now());
    if wait.is_zero() {
        return;
    }
    metrics::handshake_waited(wait);
    let waiting = async {
        tokio::select! {
            () = hub.shutdown.requested() => {}
            () = tokio::time::sleep_until(turn) => {}
        }
    };
    Box::pin(waiting).await;
}

/// Up to a sixth shorter or longer.
fn spread(timeout_s: u16) -> u16 {
    let sixth = timeout_s / 6;
    fastrand::u16(timeout_s - sixth..=timeout_s.saturating_add(sixth)).max(1)
}

/// Until the socket is closed by either side. What the client has asked for is seen to beside everything else.
async fn serve(hub: &Arc<Hub>, socket: &Arc<Socket>, early: Bytes) {
    let mut reader = Reader::new(hub.config.message_bytes_max, socket.deflates);
    let mut listening = Listening::default();
    let mut flow = take(hub, socket, &mut reader, &mut listening, &early);
    // Even when it is empty, it holds the HTTP server's whole read buffer.
    drop(early);
    while flow.is_continue() {
        flow = tokio::select! {
            biased;
            () = listening.progress(hub, socket), if listening.is_asked() => ControlFlow::Continue(()),
            progress = socket.progress() => match progress {
                Progress::Read(bytes) => {
                    socket.heard(hub.now_s());
                    take(hub, socket, &mut reader, &mut listening, &bytes)
                }
                Progress::Closing | Progress::Gone => ControlFlow::Break(()),
            },
        };
    }
}

/// Does what the client says in `bytes`, or begins with it.
fn take(
    hub: &Arc<Hub>,
    socket: &Arc<Socket>,
    reader: &mut Reader,
    listening: &mut Listening,
    mut bytes: &[u8],
) -> ControlFlow<()> {
    loop {
        match reader.next(&mut bytes) {
            Ok(None) => return ControlFlow::Continue(()),
            Ok(Some(Message::Text(text))) => listening.request(hub, socket, &text),
            Ok(Some(Message::Ping(payload))) => socket.send(Class::Answer, &encode::pong(&payload)),
            Ok(Some(Message::Pong)) => {}
            Ok(Some(Message::Close(_))) => {
                socket.close(CloseReason::Answered);
                return ControlFlow::Break(());
            }
            Err(reason) => {
                metrics::misunderstood();
                socket.close(reason);
                return ControlFlow::Break(());
            }
        }
    }
}

/// Writes what is left, and waits for the client to close too; else the kernel would throw away what the client has not read.
async fn linger(socket: &Socket, message_bytes_max: usize) {
    let mut reader = Reader::new(message_bytes_max, socket.deflates);
    while let Progress::Read(bytes) = poll_fn(|cx| socket.poll_closing(cx)).await {
        let mut bytes = &bytes[..];
        loop {
            match reader.next(&mut bytes) {
                Ok(Some(Message::Close(_))) => return,
                Ok(Some(_)) => {}
                Ok(None) => break,
                // After a frame that broke the rules, the next bytes may well begin a frame that does not.
                Err(_) => {
                    reader = Reader::new(message_bytes_max, socket.deflates);
                    break;
                }
            }
        }
    }
}
