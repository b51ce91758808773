//! The log in KurrentDB, or in EventStoreDB as it was called before, through the official client.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | settings and limits |
//! | [`error`] | why the log could not be opened |
//! | `position` | positions of `$all`, as ours |
//! | `link` | the client, which is replaced when it has given up |
//! | `fault` | the client's errors: what was done, and whether to try again |
//! | `event` | events, from the client's form and into it |
//! | `appending` | one append: one call, which the server carries out as a whole or not at all |
//! | `reading` | streams and the whole log, page by page |
//! | `subscription` | following the log |
//!
//! Streams are streams and event ids are event ids, so that auditors and other clients of the server see battles as they are. The
//! server compares the expected revision, which is the fence, and knows a repeat by its ids. Whatever is asked is asked of the
//! cluster's leader.
//!
//! # What the server must not do
//! A log forgets nothing: no `$maxAge`, `$maxCount` or `$tb` on battles' streams, and no deleting. Where a stream begins behind the
//! revision that was asked for, or has a gap, reading it fails as damaged.

mod appending;
pub mod config;
pub mod error;
mod event;
mod fault;
mod link;
mod position;
mod reading;
mod subscription;

use std::sync::Arc;

use async_trait::async_trait;

use appending::Appending;
pub use config::KurrentDbConfig;
pub use error::KurrentDbError;
use link::Link;
use subscription::KurrentDbSubscription;

use crate::error::{AppendError, ReadError};
use crate::log::{AllPage, EventLog, Subscription};
use crate::types::{Append, Appended, Direction, Filter, LogStatus, Position, RecordedEvent, Revision};

/// An event log in KurrentDB.
pub struct KurrentDbLog {
    link: Arc<Link>,
    appending: Appending,
}

impl KurrentDbLog {
    /// Connects, and learns how far the log is. Afterwards it reconnects by itself.
    ///
    /// # Errors
    /// [`KurrentDbError`].
    pub async fn connect(config: KurrentDbConfig) -> Result<Arc<Self>, KurrentDbError> {
        let link = Arc::new(Link::new(config)?);
        let unavailable = |error: ReadError| KurrentDbError::Unavailable { reason: error.to_string() };
        reading::head(&link, link.connect_deadline()).await.map_err(unavailable)?;
        Ok(Arc::new(Self { link, appending: Appending::default() }))
    }
}

#[async_trait]
impl EventLog for KurrentDbLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.appending.append(&self.link, append).await
    }

    fn append_bytes_max(&self) -> usize {
        config::SERVER_APPEND_BYTES
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        reading::stream(&self.link, stream, from, direction, limit, self.link.read_deadline()).await
    }

    async fn read_all(
        &self,
        from: Position,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllPage, ReadError> {
        reading::all(&self.link, from, direction, limit, filter).await
    }

    async fn subscribe(&self, after: Position, filter: Filter) -> Result<Box<dyn Subscription>, ReadError> {
        Ok(Box::new(KurrentDbSubscription::begin(&self.link, after, filter).await?))
    }

    async fn status(&self) -> Result<LogStatus, ReadError> {
        let head = reading::head(&self.link, self.link.read_deadline()).await?;
        // The leader answered, so there is one.
        Ok(LogStatus { head, writable: true })
    }
}
