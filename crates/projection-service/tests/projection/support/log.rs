//! A log whose followers come to an end that nobody foresaw.

use std::sync::Arc;

use async_trait::async_trait;
use nimaora_event_log::embedded::EmbeddedLog;
use nimaora_event_log::log::AllPage;
use nimaora_event_log::{
    Append, AppendError, Appended, Direction, EventLog, Filter, LogStatus, Position, ReadError,
    RecordedEvent, Revision, Subscription, SubscriptionMessage,
};

/// The log, except that who follows it dies.
pub struct DeadlyLog(pub Arc<EmbeddedLog>);

struct Dying;

#[async_trait]
impl EventLog for DeadlyLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.0.append(append).await
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.0.read_stream(stream, from, direction, limit).await
    }

    async fn read_all(
        &self,
        from: Position,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllPage, ReadError> {
        self.0.read_all(from, direction, limit, filter).await
    }

    async fn subscribe(&self, _after: Position, _filter: Filter) -> Result<Box<dyn Subscription>, ReadError> {
        Ok(Box::new(Dying))
    }

    async fn status(&self) -> Result<LogStatus, ReadError> {
        self.0.status().await
    }
}

#[async_trait]
impl Subscription for Dying {
    async fn next(&mut self) -> Result<SubscriptionMessage, ReadError> {
        panic!("this follower dies, as by a fault of the program");
    }
}
