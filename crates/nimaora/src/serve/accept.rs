//! The loop that takes connections, and the life of one of them.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use nimaora_realtime::Realtime;
use nimaora_runtime::Shutdown;
use rustix::net::RecvFlags;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::answer::Watched;
use super::front::Front;
use super::metrics;
use super::outbox::{Outbox, Outlet};
use crate::config::Limits;

/// How an HTTP/2 connection begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to rest after the system could not hand over a connection. It doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What every connection needs.
pub(super) struct Door {
    limits: Limits,
    builder: Builder<TokioExecutor>,
    outlet: Arc<Outlet>,
    /// Absent where the process serves no sockets.
    realtime: Option<Realtime>,
    shutdown: Shutdown,
    /// Connections of HTTP/1.1 and HTTP/2; those that became sockets are the realtime service's.
    open: AtomicUsize,
    /// Whether the last newcomer found no room, so that the log says it once.
    full: AtomicBool,
}

impl Door {
    pub(super) fn new(limits: Limits, realtime: Option<Realtime>, shutdown: Shutdown) -> Self {
        let (builder, outlet) = (builder(&limits), Arc::new(Outlet::new(&limits)));
        let (open, full) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { limits, builder, outlet, realtime, shutdown, open, full }
    }

    fn enter(self: &Arc<Self>) -> Option<Guest> {
        let sockets = self.realtime.as_ref().map_or(0, Realtime::connections);
        let taken = self.open.load(Ordering::Relaxed) + sockets;
        let full = taken >= self.limits.connections_max;
        if full != self.full.swap(full, Ordering::Relaxed) {
            if full {
                tracing::warn!(
                    connections = taken,
                    "no further connections are taken: limits.connections_max"
                );
            } else {
                tracing::info!("connections are taken again");
            }
        }
        (!full).then(|| Guest::new(Arc::clone(self)))
    }
}

/// A place among the open connections.
struct Guest(Arc<Door>);

impl Guest {
    fn new(door: Arc<Door>) -> Self {
        door.open.fetch_add(1, Ordering::Relaxed);
        metrics::opened();
        Self(door)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        metrics::closed();
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_read_timeout_ms))
        .max_buf_size(limits.header_bytes_max.max(HTTP1_BUFFER_BYTES_MIN) as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.requests_per_connection_max)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_header_list_size(limits.header_bytes_max)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(Duration::from_millis(limits.keep_alive_interval_ms))
        .keep_alive_timeout(Duration::from_millis(limits.keep_alive_timeout_ms));
    builder
}

/// The smallest buffer that hyper reads HTTP/1.1 into.
const HTTP1_BUFFER_BYTES_MIN: u32 = 8 * 1024;
/// When so much of a stream's answer is unsent, the next piece is not asked for.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Takes connections until the server stops.
pub(super) async fn run(listener: TcpListener, door: Arc<Door>, front: Front) {
    let mut pause = PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            biased;
            () = door.shutdown.requested() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                pause = PAUSE_MIN;
                match door.enter() {
                    Some(guest) => drop(door.shutdown.spawn(attend(stream, guest, front.clone()))),
                    None => metrics::refused(),
                }
            }
            Err(error) if concerns_one_connection(&error) => metrics::accept_failed(),
            Err(error) => {
                // For want of files or memory: each attempt fails until somebody leaves.
                metrics::accept_failed();
                tracing::warn!(%error, "no connection can be taken");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Whether the client was gone before its connection was taken.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Serves one connection to its end, or until it becomes a socket. When the server stops, requests that have begun are finished.
async fn attend(stream: TcpStream, guest: Guest, front: Front) {
    let door = &guest.0;
    let patience = Duration::from_millis(door.limits.header_read_timeout_ms);
    let begun = tokio::select! {
        () = door.shutdown.requested() => return,
        begun = timeout(patience, begins(&stream)) => begun,
    };
    if !matches!(begun, Ok(Ok(()))) || stream.set_nodelay(true).is_err() {
        return;
    }
    let outbox = Outbox::new(&door.outlet);
    let service = Watched::new(front, Arc::clone(&outbox));
    let connection = door.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return told(ended),
        () = door.shutdown.requested() => {}
        () = outbox.overdue() => {
            metrics::cut_off();
            tracing::debug!("a client did not read its answers within limits.answer_write_timeout_ms");
            return;
        }
    }
    connection.as_mut().graceful_shutdown();
    let drain_timeout = Duration::from_millis(door.limits.drain_timeout_ms);
    if let Ok(ended) = timeout(drain_timeout, connection).await {
        told(ended);
    }
}

fn told(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Waits until the client has sent enough to tell which protocol it speaks: the layer below waits for that without end. What
/// was sent stays unread. It wakes only when something arrives or the client closes.
async fn begins(stream: &TcpStream) -> io::Result<()> {
    loop {
        let ready = stream.ready(Interest::READABLE).await?;
        match stream.try_io(Interest::READABLE, || has_begun(stream)) {
            // No more will come.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && ready.is_read_closed() => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // Whatever has arrived has been seen: the stream is ready again when there is more.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            decided => return decided,
        }
    }
}

/// Whether what has arrived tells the protocol; it would block while that is undecided.
fn has_begun(stream: &TcpStream) -> io::Result<()> {
    let mut seen = [0; PREFACE.len()];
    let (count, _) = rustix::net::recv(stream, &mut seen, RecvFlags::PEEK)?;
    let undecided = count < PREFACE.len() && PREFACE.starts_with(&seen[..count]);
    match count {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if undecided => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::task::yield_now;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, server) = tokio::join!(client, listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_preface_in_pieces_is_waited_for_without_a_timer() {
        for said in [PREFACE, b"PRI * HTTP/1.1\r\n", b"G"] {
            let started = tokio::time::Instant::now();
            let (mut client, server) = pair().await;
            let begun = tokio::spawn(async move { begins(&server).await.map(|()| server) });
            for piece in said.chunks(5) {
                client.write_all(piece).await.unwrap();
                for _ in 0..100 {
                    yield_now().await;
                }
            }
            begun.await.unwrap().unwrap();
            // The paused clock goes on only when somebody waits for it.
            assert_eq!(started.elapsed(), Duration::ZERO);
        }
    }

    #[tokio::test]
    async fn who_leaves_within_the_preface_is_not_waited_for() {
        for said in [b"".as_slice(), b"PRI"] {
            let (mut client, server) = pair().await;
            client.write_all(said).await.unwrap();
            let begun = tokio::spawn(async move { begins(&server).await });
            for _ in 0..100 {
                yield_now().await;
            }
            drop(client);
            let error = begun.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
