//! The client, which is replaced when it has given up.
//!
//! The official client reconnects to the server that it had. When it cannot, it is over for good, and in a cluster it does not look for
//! another leader unless a server tells it of one: then a new client begins again with the hosts of the connection string.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kurrentdb::{Client, ClientSettings};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::crypto::ring;

use super::config::KurrentDbConfig;
use super::error::KurrentDbError;
use super::fault::Fault;
use crate::error::ReadError;
use crate::pause::pause;
use crate::types::Position;

/// The connection to the server or the cluster.
pub(super) struct Link {
    pub(super) config: KurrentDbConfig,
    settings: ClientSettings,
    cluster: bool,
    current: Mutex<Current>,
    /// The furthest position that was seen in anything that the server said.
    newest: AtomicU64,
}

struct Current {
    client: Client,
    /// How many clients there were before it.
    number: u64,
}

impl Link {
    /// # Errors
    /// The settings are wrong.
    pub(super) fn new(config: KurrentDbConfig) -> Result<Self, KurrentDbError> {
        choose_cryptography();
        let (settings, cluster) = config.settings()?;
        let client = Client::new(settings.clone())
            .map_err(|error| KurrentDbError::Config { reason: error.to_string() })?;
        let current = Mutex::new(Current { client, number: 0 });
        Ok(Self { config, settings, cluster, current, newest: AtomicU64::new(0) })
    }

    /// The client of now, and its number.
    pub(super) fn client(&self) -> (Client, u64) {
        let current = self.current.lock();
        (current.client.clone(), current.number)
    }

    /// Replaces the client with this number, if the fault is one that it does not mend by itself.
    pub(super) fn mend(&self, number: u64, fault: &Fault) {
        let over = match fault {
            Fault::Disconnected(_) => true,
            Fault::Unknown(_) => self.cluster,
            Fault::Missing
            | Fault::WrongRevision(_)
            | Fault::Refused(_)
            | Fault::Denied
            | Fault::Damaged(_)
            // A read may look for long. A connection on which nothing moves is found out by the client.
            | Fault::Late
            | Fault::NotTaken(_) => false,
        };
        let mut current = self.current.lock();
        if !over || current.number != number {
            return;
        }
        match Client::new(self.settings.clone()) {
            Ok(client) => *current = Current { client, number: number + 1 },
            Err(error) => tracing::warn!(%error, "a new client of KurrentDB could not be made"),
        }
    }

    /// Notes that the log goes at least as far as this.
    pub(super) fn saw(&self, position: Position) {
        self.newest.fetch_max(position, Ordering::Relaxed);
    }

    /// How far the log goes at least.
    pub(super) fn newest(&self) -> Position {
        self.newest.load(Ordering::Relaxed)
    }

    pub(super) fn connect_deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.config.connect_timeout_ms)
    }

    /// When a read that begins now has to be answered.
    pub(super) fn read_deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.config.read_timeout_ms)
    }

    /// Asks until there is an answer, or trying again cannot help, or the time is over. `place` is what is read, in
    /// words. The question gets the client with its number.
    pub(super) async fn ask<T, F>(
        &self,
        place: &str,
        deadline: Instant,
        question: impl Fn(Client, u64) -> F,
    ) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut tries = 0;
        loop {
            let (client, number) = self.client();
            let answer = timeout_at(deadline, question(client, number)).await;
            let fault = match answer.unwrap_or(Err(Fault::Late)) {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            self.mend(number, &fault);
            if let Some(error) = fault.final_for_reads(place) {
                return Err(error);
            }
            if !pause(tries, deadline).await {
                return Err(ReadError::Unavailable { reason: fault.reason().to_owned() });
            }
            tries += 1;
        }
    }
}

/// Says which cryptography TLS stands on; otherwise the client chooses for the whole process.
fn choose_cryptography() {
    // Whoever was first has chosen for the process.
    let _ = ring::default_provider().install_default();
}
