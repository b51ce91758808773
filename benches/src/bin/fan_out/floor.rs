//! The least that a server can do: one `write` of the same bytes to each of the same sockets, and nothing else.

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nimaora_benches::BenchError;
use nimaora_benches::sockets::HEAD_END;

use crate::receiver::frame;

/// What it is told on its command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    pub(crate) sockets: usize,
    pub(crate) frame_bytes: usize,
    /// Pause from the beginning of one round to that of the next; zero is as fast as it goes.
    pub(crate) every: Duration,
}

/// Takes the sockets and then writes to them, round after round, until it is killed.
///
/// # Errors
/// The system refuses something.
#[allow(clippy::disallowed_methods, reason = "one thread, and no runtime that it could block")]
pub(crate) fn run(floor: Floor) -> Result<(), BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    let mut sockets = Vec::with_capacity(floor.sockets);
    while sockets.len() < floor.sockets {
        let (mut socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        socket.write_all(HEAD_END)?;
        socket.set_nonblocking(true)?;
        sockets.push(Peer { socket, rest: Vec::new() });
    }
    let frame = frame(floor.frame_bytes);
    loop {
        let began = Instant::now();
        for peer in &mut sockets {
            peer.write(&frame)?;
        }
        std::thread::sleep(floor.every.saturating_sub(began.elapsed()));
    }
}

struct Peer {
    socket: TcpStream,
    /// What did not fit into the socket last time. As long as there is some, newer frames are left out, as a server
    /// does whose newest board replaces older ones.
    rest: Vec<u8>,
}

impl Peer {
    fn write(&mut self, frame: &[u8]) -> Result<(), BenchError> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            let written = self.try_write(&rest)?;
            self.rest = rest[written..].to_vec();
            return Ok(());
        }
        let written = self.try_write(frame)?;
        if 0 < written && written < frame.len() {
            self.rest = frame[written..].to_vec();
        }
        Ok(())
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<usize, BenchError> {
        match self.socket.write(bytes) {
            Ok(written) => Ok(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
