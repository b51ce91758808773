//! A wire between two servers, to be cut while both live.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::error::LocalServerError;
use crate::port::Port;

/// Listens on a port of its own and leads to another one.
#[derive(Debug)]
pub struct Wire {
    port: Port,
    whole: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
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
        let whole = Arc::new(watch::Sender::new(true));
        let task = tokio::spawn(carry(listener, target, whole.subscribe()));
        Ok(Self { port, whole, task })
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Ends all connections, and lets none come about until [`Wire::mend`].
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections come about again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, target: u16, whole: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((from, _)) = accepted {
                connections.spawn(connect(from, target, whole.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries bytes in both directions until one end closes or the wire is cut.
async fn connect(mut from: TcpStream, target: u16, mut whole: watch::Receiver<bool>) {
    if !*whole.borrow_and_update() {
        return;
    }
    let carried = async {
        let mut to = TcpStream::connect(("127.0.0.1", target)).await?;
        copy_bidirectional(&mut from, &mut to).await
    };
    tokio::select! {
        _ = carried => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
