//! A wire between two servers, or a client and a server, to be cut or held up while both live.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::error::LocalServerError;
use crate::port::Port;

/// How much is carried at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Listens on a port of its own and leads to another one.
#[derive(Debug)]
pub struct Wire {
    port: Port,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It carries.
    Whole,
    /// Connections stay, and nothing comes through.
    Held,
    /// There are no connections.
    Cut,
}

impl Wire {
    /// A wire that leads to a port of this machine.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn to(target: u16) -> Result<Self, LocalServerError> {
        let port = Port::free()?;
        let listener = TcpListener::bind(("127.0.0.1", port.number()));
        let listener = listener.await.map_err(|_| LocalServerError::NoPort { tries: 1 })?;
        let state = watch::Sender::new(State::Whole);
        let task = tokio::spawn(carry(listener, target, state.subscribe()));
        Ok(Self { port, state, task })
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Ends all connections, and lets none come about until [`Wire::mend`].
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets nothing through until [`Wire::mend`], as if the other end did not read; the connections stay.
    pub fn hold(&self) {
        self.state.send_replace(State::Held);
    }

    /// Carries again.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, target: u16, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((from, _)) = accepted {
                connections.spawn(connect(from, target, state.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries bytes in both directions until one end closes or the wire is cut.
async fn connect(from: TcpStream, target: u16, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Cut {
        return;
    }
    let gate = state.clone();
    let carried = async {
        let to = TcpStream::connect(("127.0.0.1", target)).await?;
        let ((from_read, from_write), (to_read, to_write)) = (split(from), split(to));
        tokio::select! {
            there = pump(from_read, to_write, gate.clone()) => there,
            back = pump(to_read, from_write, gate) => back,
        }
    };
    tokio::select! {
        _ = carried => {}
        _ = state.wait_for(|state| *state == State::Cut) => {}
    }
}

async fn pump(
    mut from: ReadHalf<TcpStream>,
    mut to: WriteHalf<TcpStream>,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut bytes = vec![0; CHUNK_BYTES];
    loop {
        whole(&mut state).await;
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        whole(&mut state).await;
        to.write_all(&bytes[..count]).await?;
    }
}

/// Waits for as long as nothing is let through. A wire that was dropped carries nothing more, and its task ends.
async fn whole(state: &mut watch::Receiver<State>) {
    drop(state.wait_for(|state| *state == State::Whole).await.map(|_| ()));
}
