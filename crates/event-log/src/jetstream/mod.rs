//! The log in NATS JetStream, for several processes and several servers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | settings and limits |
//! | [`error`] | why the log could not be opened |
//! | `fitness` | whether the stream on the server keeps what a log promises |
//! | `syncing` | whether the servers sync before they acknowledge |
//! | `subject` | names of streams as subjects |
//! | `group` | one message: all events of an append |
//! | `standing` | whether what the server says can be believed: it leads, and the stream is the one that was opened |
//! | `store` | the connection, and the questions that the leader answers |
//! | `appending`, `tails` | appends, and what is remembered of the streams appended to |
//! | `reading`, `puller` | reads, and the consumer behind them |
//! | `subscription` | following the log |
//!
//! All streams are subjects of one JetStream stream. A message is one append; its sequence is the upper part of its events'
//! positions. The server gives sequences at commit and compares the subject's last one, which is the fence.
//!
//! # Durability
//! An acknowledged message is on disk only where `sync_interval` is `always` in the server's configuration; otherwise the server
//! syncs every two minutes, and a loss of power loses what came since on every server that lost it. Three copies on machines that
//! do not fail together are the other way. NATS before 2.10 knows no `always`.

mod appending;
pub mod config;
pub mod error;
mod fitness;
mod group;
mod puller;
mod reading;
mod standing;
mod store;
mod subject;
mod subscription;
mod syncing;
mod tails;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;

pub use config::JetStreamConfig;
pub use error::JetStreamError;
use store::Store;
use subscription::JetStreamSubscription;
pub use syncing::Syncing;
use tails::Tails;

use crate::error::{AppendError, ReadError};
use crate::log::{AllPage, EventLog, Subscription};
use crate::names::Names;
use crate::names::nats::NatsKeys;
use crate::types::{Append, Appended, Direction, Filter, LogStatus, Position, RecordedEvent, Revision};

/// What the name of the bucket with the keys of names ends with; before it stands the stream's.
const NAMES_BUCKET: &str = "names";

/// An event log in a JetStream stream.
pub struct JetStreamLog {
    store: Arc<Store>,
    tails: Tails,
    names: Names,
}

impl JetStreamLog {
    /// Connects, and finds or makes the stream. Afterwards it reconnects by itself.
    ///
    /// # Errors
    /// [`JetStreamError`].
    pub async fn connect(config: JetStreamConfig) -> Result<Arc<Self>, JetStreamError> {
        let store = Arc::new(Store::connect(config).await?);
        let bucket = format!("{}-{NAMES_BUCKET}", store.config.stream);
        let context = async_nats::jetstream::new(store.client.clone());
        let names = Names::kept_by(Arc::new(NatsKeys::new(context, bucket, store.config.replicas)));
        Ok(Arc::new(Self { store, tails: Tails::default(), names }))
    }

    /// When the servers sync what they acknowledge, as far as it was known at the start.
    pub fn syncing(&self) -> &Syncing {
        &self.store.syncing
    }
}

#[async_trait]
impl EventLog for JetStreamLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        appending::append(&self.store, &self.tails, append).await
    }

    fn append_bytes_max(&self) -> usize {
        appending::bytes_max(&self.store)
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        reading::stream(&self.store, stream, from, direction, limit).await
    }

    async fn read_all(
        &self,
        from: Position,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllPage, ReadError> {
        reading::all(&self.store, from, direction, limit, filter).await
    }

    async fn subscribe(&self, after: Position, filter: Filter) -> Result<Box<dyn Subscription>, ReadError> {
        // Whoever cannot reach the log is told now, and not by the first message.
        self.store.head(self.store.read_deadline()).await?;
        Ok(Box::new(JetStreamSubscription::new(Arc::clone(&self.store), after, filter)))
    }

    async fn status(&self) -> Result<LogStatus, ReadError> {
        let (_, head) = self.store.head(self.store.read_deadline()).await?;
        // The leader answered, so there is one.
        Ok(LogStatus { head, writable: self.store.is_connected() })
    }

    fn names(&self) -> Names {
        self.names.clone()
    }
}
