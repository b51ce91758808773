//! One socket: what is written to it, what it says, and its life.

pub(crate) mod id;
pub(crate) mod outbox;
pub(crate) mod requests;
pub(crate) mod task;
pub(crate) mod wire;
pub(crate) mod wishes;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::id::SocketId;
use self::outbox::{BoardKey, Class, Outbox, Sent};
use self::wire::Wire;
use crate::config::Config;
use crate::error::CloseReason;
use crate::metrics;
use crate::pusher::events;
use crate::websocket::encode;

/// An open socket. Anybody may send to it; its task reads it, and writes what had to wait.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: SocketId,
    wire: Wire,
    /// Locked for as long as one write takes, which never blocks.
    outbox: Mutex<Outbox>,
    outbox_bytes_max: usize,
    /// Tells the task that something waits in the outbox, or that the connection is broken.
    kick: Notify,
    is_broken: AtomicBool,
    /// When the client was last heard of, in seconds of the hub's time.
    last_heard_s: AtomicU32,
    is_pinged: AtomicBool,
    /// What this client was told, in seconds.
    activity_timeout_s: u16,
    /// Whether it takes compressed messages.
    pub(crate) deflates: bool,
}

/// What a socket's silence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    Short,
    /// It must be asked whether it is there.
    Long,
    /// It was asked and did not answer.
    Dead,
}

/// What a socket's task has to look at.
enum Progress {
    /// The client sent this.
    Read(Vec<u8>),
    /// The server closes the socket.
    Closing,
    /// The connection has ended.
    Gone,
}

impl Socket {
    pub(crate) fn new(wire: Wire, activity_timeout_s: u16, outbox_bytes_max: usize, now_s: u32) -> Self {
        Self {
            id: SocketId::random(),
            wire,
            outbox: Mutex::default(),
            outbox_bytes_max,
            kick: Notify::new(),
            is_broken: AtomicBool::new(false),
            last_heard_s: AtomicU32::new(now_s),
            is_pinged: AtomicBool::new(false),
            activity_timeout_s,
            deflates: false,
        }
    }

    /// With what was agreed on about compressed messages.
    pub(crate) fn deflating(self, deflates: bool) -> Self {
        Self { deflates, ..self }
    }

    /// Sends a frame; a socket that is too slow for it is closed. Never waits.
    pub(crate) fn send(&self, class: Class, frame: &Bytes) {
        let sent = self.outbox.lock().send(&self.wire, class, frame, self.outbox_bytes_max);
        self.follow_up(sent);
    }

    /// Sends a board; it replaces an older one of the same key that still waits.
    pub(crate) fn send_board(&self, key: BoardKey, frame: &Bytes) {
        let sent = self.outbox.lock().send_board(&self.wire, key, frame, self.outbox_bytes_max);
        self.follow_up(sent);
    }

    /// Closes the socket behind what was sent before.
    pub(crate) fn close(&self, reason: CloseReason) {
        if self.outbox.lock().close(encode::close(reason.code(), reason.message())) {
            metrics::closed(reason);
            self.kick.notify_one();
        }
    }

    /// Tells the client in the protocol's own words why it is closed, and closes it.
    pub(crate) fn close_with_error(&self, reason: CloseReason) {
        self.send(Class::Answer, &events::closing(reason));
        self.close(reason);
    }

    /// The client is there.
    pub(crate) fn heard(&self, now_s: u32) {
        self.last_heard_s.store(now_s, Ordering::Relaxed);
        self.is_pinged.store(false, Ordering::Relaxed);
    }

    /// What the client's silence means now.
    pub(crate) fn silence(&self, now_s: u32, config: &Config) -> Silence {
        let silent_s = now_s.saturating_sub(self.last_heard_s.load(Ordering::Relaxed));
        let long_s = u32::from(self.activity_timeout_s) + u32::from(config.ping_grace_s);
        if silent_s < long_s {
            Silence::Short
        } else if !self.is_pinged.load(Ordering::Relaxed) {
            Silence::Long
        } else if silent_s < long_s + u32::from(config.pong_timeout_s) {
            Silence::Short
        } else {
            Silence::Dead
        }
    }

    /// Asks the client whether it is there.
    pub(crate) fn ping(&self) {
        self.is_pinged.store(true, Ordering::Relaxed);
        self.send(Class::Answer, &events::PING);
    }

    /// Waits until there is something for the socket's task to do.
    async fn progress(&self) -> Progress {
        loop {
            tokio::select! {
                biased;
                () = self.kick.notified() => {}
                progress = std::future::poll_fn(|cx| self.poll_progress(cx)) => return progress,
            }
        }
    }

    fn poll_progress(&self, cx: &mut Context<'_>) -> Poll<Progress> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Poll::Ready(Progress::Gone);
        }
        let mut outbox = self.outbox.lock();
        if outbox.is_closed() {
            return Poll::Ready(Progress::Closing);
        }
        if let Poll::Ready(Err(_)) = outbox.poll_flush(&self.wire, cx) {
            return Poll::Ready(Progress::Gone);
        }
        drop(outbox);
        self.poll_read(cx)
    }

    /// Like [`Socket::progress`] for a socket that is being closed: everything must leave before anything is read.
    fn poll_closing(&self, cx: &mut Context<'_>) -> Poll<Progress> {
        match self.outbox.lock().poll_flush(&self.wire, cx) {
            Poll::Ready(Ok(())) => self.poll_read(cx),
            Poll::Ready(Err(_)) => Poll::Ready(Progress::Gone),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<Progress> {
        self.wire.poll_read(cx).map(|read| match read {
            Ok(bytes) if !bytes.is_empty() => Progress::Read(bytes),
            Ok(_) | Err(_) => Progress::Gone,
        })
    }

    fn follow_up(&self, sent: Sent) {
        match sent {
            Sent::Written | Sent::Closed => {}
            Sent::Waiting => self.kick.notify_one(),
            Sent::Overflow => {
                let reason = CloseReason::TooSlow;
                if self.outbox.lock().cut_off(encode::close(reason.code(), reason.message())) {
                    metrics::closed(reason);
                    self.kick.notify_one();
                }
            }
            Sent::Broken => {
                self.is_broken.store(true, Ordering::Relaxed);
                self.kick.notify_one();
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A socket that was told 30 seconds, and its other end.
    pub(crate) async fn socket() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (Socket::new(Wire::Tcp(server), 30, 1_000, 0), client)
    }

    #[tokio::test]
    async fn silence_is_asked_about_once_and_then_ends_the_socket() {
        let config = Config { ping_grace_s: 5, pong_timeout_s: 20, ..Config::default() };
        let (socket, _client) = socket().await;
        assert_eq!(socket.silence(34, &config), Silence::Short);
        assert_eq!(socket.silence(35, &config), Silence::Long);
        socket.ping();
        assert_eq!(socket.silence(54, &config), Silence::Short);
        assert_eq!(socket.silence(55, &config), Silence::Dead);
        socket.heard(55);
        assert_eq!(socket.silence(89, &config), Silence::Short);
        assert_eq!(socket.silence(90, &config), Silence::Long);
    }
}
