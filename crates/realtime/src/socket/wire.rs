//! The bytes of one socket: read by its task, written by whoever has something to say.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::os;

/// Bytes that are read at a time; clients' messages are small.
const READ_BYTES: usize = 4 * 1024;

/// A connection after its upgrade.
pub(crate) enum Wire {
    /// The bare stream: nothing of the HTTP server is kept.
    Tcp(TcpStream),
    /// Anything else that can be upgraded, such as TLS.
    Other(Mutex<Pin<Box<TokioIo<Upgraded>>>>),
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            Self::Other(_) => "Other",
        })
    }
}

impl Wire {
    /// The connection's wire, and what the client sent before the upgrade was through.
    pub(crate) fn of(upgraded: Upgraded, send_buffer_bytes: u32) -> (Self, Bytes) {
        match hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => {
                let stream = parts.io.into_inner();
                tune(&stream, send_buffer_bytes);
                (Self::Tcp(stream), parts.read_buf)
            }
            Err(upgraded) => (Self::Other(Mutex::new(Box::pin(TokioIo::new(upgraded)))), Bytes::new()),
        }
    }

    /// Writes what can be written now; `WouldBlock` when that is nothing.
    pub(crate) fn try_write(&self, frame: &[u8]) -> io::Result<usize> {
        match self {
            // The kernel takes one piece more cheaply than a list of one.
            Self::Tcp(stream) => stream.try_write(frame),
            Self::Other(_) => {
                let mut nobody = Context::from_waker(Waker::noop());
                match self.poll_write(&mut nobody, &[IoSlice::new(frame)]) {
                    Poll::Ready(result) => result,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Writes what can be written, or wakes the task when something can.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write_vectored(slices) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            Self::Other(io) => {
                let mut io = io.lock();
                let written = ready!(io.as_mut().poll_write_vectored(cx, slices))?;
                // What does not leave now leaves with the next write or read of the layer below.
                match io.as_mut().poll_flush(cx) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(written)),
                }
            }
        }
    }

    /// Reads what has come, or wakes the task when something comes. Nothing was read at the end of the stream.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut room = [0; READ_BYTES];
        match self {
            Self::Tcp(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match stream.try_read(&mut room) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result.map(|read| room[..read].to_vec())),
                }
            },
            Self::Other(io) => {
                let mut buffer = ReadBuf::new(&mut room);
                ready!(io.lock().as_mut().poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().to_vec()))
            }
        }
    }
}

/// Frames leave at once, and the kernel keeps only so much for a slow client. A socket that cannot be tuned works still.
fn tune(stream: &TcpStream, send_buffer_bytes: u32) {
    let tuned = stream.set_nodelay(true).and_then(|()| match send_buffer_bytes {
        0 => Ok(()),
        bytes => os::set_send_buffer_bytes(stream.as_fd(), bytes),
    });
    if let Err(error) = tuned {
        tracing::debug!(%error, "a socket could not be tuned");
    }
}
