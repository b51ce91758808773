//! The connection, and the questions that only the stream's leader answers.
//!
//! Gets by the API are served by the leader, so that what was acknowledged is seen; direct gets, which a follower may serve, are
//! not used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, Event};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::config::{JetStreamConfig, TRY_TIMEOUT};
use super::error::JetStreamError;
use super::fitness;
use super::group::{self, Group};
use super::standing::Standing;
use super::syncing::{self, Syncing};
use crate::error::ReadError;
use crate::metrics::{self, Retried};
use crate::pause::backoff;
pub(super) use crate::pause::pause;
use crate::types::Position;

/// Silence on a connection after which the server is asked whether it is there; twice that, and the connection counts as lost.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// The stream on its servers.
pub(super) struct Store {
    pub(super) client: Client,
    pub(super) stream: stream::Stream<()>,
    pub(super) config: JetStreamConfig,
    /// When the servers sync, as far as it is known.
    pub(super) syncing: Syncing,
    /// Whether what the server says can be believed.
    pub(super) standing: Standing,
    /// The newest message that was looked at to tell the head, and the position of its last event.
    head: Mutex<(u64, Position)>,
}

impl Store {
    /// Connects, and finds or makes the stream.
    pub(super) async fn connect(config: JetStreamConfig) -> Result<Self, JetStreamError> {
        let servers = config.servers()?;
        let deadline = Instant::now() + Duration::from_millis(config.connect_timeout_ms);
        let mut tries = 0;
        loop {
            let opened = tokio::time::timeout_at(deadline, Self::open(&servers, &config)).await;
            let unavailable = match opened {
                Ok(Err(JetStreamError::Unavailable { reason })) => reason,
                Ok(Ok(store)) => return Ok(store),
                Ok(Err(other)) => return Err(other),
                Err(_) => "it did not answer in time".to_owned(),
            };
            if !pause(tries, deadline).await {
                return Err(JetStreamError::Unavailable { reason: unavailable });
            }
            tries += 1;
        }
    }

    async fn open(
        servers: &[async_nats::ServerAddr],
        config: &JetStreamConfig,
    ) -> Result<Self, JetStreamError> {
        let connections = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&connections);
        let options = ConnectOptions::new()
            .name("nimaora event log")
            .connection_timeout(TRY_TIMEOUT)
            .request_timeout(Some(TRY_TIMEOUT))
            .ping_interval(PING_INTERVAL)
            .event_callback(move |event| note(event, Arc::clone(&noted)))
            .reconnect_delay_callback(|tries| backoff(u32::try_from(tries).unwrap_or(u32::MAX)));
        let client = options
            .connect(servers)
            .await
            .map_err(|error| JetStreamError::Unavailable { reason: error.to_string() })?;
        let jetstream = jetstream::ContextBuilder::new().timeout(TRY_TIMEOUT).build(client.clone());
        let found = fitness::find_or_make(&jetstream, config).await?;
        fitness::warn_of_server(&client.server_info());
        let stream = jetstream
            .get_stream_no_info(&config.stream)
            .await
            .map_err(|error| JetStreamError::Unavailable { reason: error.to_string() })?;
        let syncing = syncing::ask(config).await;
        syncing::warn(&syncing, found.config.num_replicas);
        let standing = Standing::of(&found, connections);
        Ok(Self { client, stream, config: config.clone(), syncing, standing, head: Mutex::default() })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// When a read that begins now has to be answered.
    pub(super) fn read_deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.config.read_timeout_ms)
    }

    /// The newest group whose subject the filter lets through. No server answers this that others have deposed behind its back.
    pub(super) async fn last(&self, subject: &str, deadline: Instant) -> Result<Option<Group>, ReadError> {
        loop {
            self.confirm(deadline).await?;
            let found = self.get(deadline, |get| get.last_by_subject(subject)).await?;
            if !self.standing.covers_now() {
                // It took too long to come.
                continue;
            }
            if found.is_none() {
                // There is nothing in a stream that was made anew either.
                self.ask(deadline).await?;
            }
            return Ok(found);
        }
    }

    /// The first group from this sequence on whose subject the filter lets through.
    pub(super) async fn next(
        &self,
        subject: &str,
        from: u64,
        deadline: Instant,
    ) -> Result<Option<Group>, ReadError> {
        self.get(deadline, |get| get.sequence(from).next_by_subject(subject)).await
    }

    /// The group with this sequence.
    pub(super) async fn at(&self, sequence: u64, deadline: Instant) -> Result<Option<Group>, ReadError> {
        let ask = |get: stream::RawMessageBuilder| get.sequence(sequence);
        if let Some(group) = self.get(deadline, ask).await? {
            return Ok(Some(group));
        }
        // Only one that leads can say that there is none.
        self.ask(deadline).await?;
        self.get(deadline, ask).await
    }

    async fn get(
        &self,
        deadline: Instant,
        ask: impl Fn(stream::RawMessageBuilder) -> stream::RawMessageBuilder,
    ) -> Result<Option<Group>, ReadError> {
        let mut tries = 0;
        loop {
            let asked = ask(self.stream.raw_message_builder()).send();
            let reason = match tokio::time::timeout_at(deadline, asked).await {
                Ok(Ok(message)) => return group::decode(message.sequence, message.payload).map(Some),
                Ok(Err(error)) => match error.kind() {
                    stream::RawMessageErrorKind::NoMessageFound => return Ok(None),
                    _ => error.to_string(),
                },
                Err(_) => "no answer in time".to_owned(),
            };
            if !pause(tries, deadline).await {
                return Err(ReadError::Unavailable { reason });
            }
            metrics::retried(Retried::Read);
            tries += 1;
        }
    }

    /// The sequence of the newest message and the position of its last event; zeros when there is none.
    pub(super) async fn head(&self, deadline: Instant) -> Result<(u64, Position), ReadError> {
        let sequence = self.ask(deadline).await?.state.last_sequence;
        let known = *self.head.lock();
        if sequence == 0 || known.0 == sequence {
            return Ok((sequence, if sequence == 0 { 0 } else { known.1 }));
        }
        let group = self.at(sequence, deadline).await?;
        let position = group.map_or_else(|| group::position(sequence, 0), |group| group.last_position());
        *self.head.lock() = (sequence, position);
        Ok((sequence, position))
    }
}

/// Takes note of what the client says of its connection.
async fn note(event: Event, connections: Arc<AtomicU64>) {
    match event {
        Event::Connected => {
            if connections.fetch_add(1, Ordering::SeqCst) > 0 {
                metrics::reconnected();
            }
        }
        Event::Disconnected => drop(connections.fetch_add(1, Ordering::SeqCst)),
        other => tracing::debug!(%other, "from the connection to NATS"),
    }
}
