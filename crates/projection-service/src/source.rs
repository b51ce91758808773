//! Follows the log and decodes its events, a few messages ahead of the writer.

use std::sync::Arc;

use nimaora_domain::{BattleId, Event, Timestamp};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{
    Filter, NamesError, ReadError, RecordedEvent, Subscription, SubscriptionMessage, envelope,
};
use nimaora_read_models::Position;
use nimaora_runtime::Shutdown;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::metrics;
use crate::retry::{Backoff, Stopping};

/// An event of the log, decoded as far as it can be.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    pub(crate) position: Position,
    pub(crate) revision: u64,
    pub(crate) id: Uuid,
    pub(crate) stream: Arc<str>,
    pub(crate) event_type: Arc<str>,
    pub(crate) created_ms: i64,
    /// `None` when the stream's name is not that of a battle.
    pub(crate) battle_id: Option<BattleId>,
    pub(crate) content: Content,
}

/// What an event says.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// It happened in its battle at this time.
    Event(Timestamp, Event),
    /// It cannot be projected, and why.
    Unusable(String),
}

/// What the writer gets from the log, in order.
#[derive(Debug)]
pub(crate) enum Step {
    /// Events, at least one.
    Events(Vec<Decoded>),
    /// Up to here the log was looked at.
    Passed(Position),
    /// All that was in the log is delivered, up to here.
    CaughtUp(Position),
    /// The log cannot be followed any more, and why.
    Failed(String),
}

/// Follows the log for the writer.
pub(crate) struct Source {
    pub(crate) log: SharedLog,
    pub(crate) after: Position,
    pub(crate) steps: mpsc::Sender<Step>,
    pub(crate) backoff: Backoff,
    pub(crate) shutdown: Shutdown,
}

impl Source {
    /// Follows the log until the server stops, the writer is gone or the log fails for good.
    pub(crate) async fn run(mut self) {
        loop {
            let error = match self.follow().await {
                Ok(Gone) => return,
                Err(error) => error,
            };
            match error {
                ReadError::Unavailable { reason } => {
                    metrics::retried("log");
                    tracing::warn!(reason, "the log cannot be followed now; trying again");
                    if let Err(Stopping) = self.backoff.wait(&self.shutdown).await {
                        return;
                    }
                }
                ReadError::Damaged { .. } | ReadError::Invalid { .. } => {
                    // The writer is gone already when nobody takes it.
                    let _ = self.steps.send(Step::Failed(error.to_string())).await;
                    return;
                }
            }
        }
    }

    async fn follow(&mut self) -> Result<Gone, ReadError> {
        let filter = Filter::stream_prefix(BattleId::STREAM_PREFIX);
        let mut subscription = self.log.subscribe(self.after, filter).await?;
        loop {
            let Some(message) = self.next(&mut *subscription).await? else { return Ok(Gone) };
            self.backoff.reset();
            let (step, position) = match message {
                SubscriptionMessage::Events(events) => {
                    let last = events.last().map_or(self.after, |event| event.position);
                    (Step::Events(decode(&self.log, events.iter()).await?), last)
                }
                SubscriptionMessage::Checkpoint(position) => (Step::Passed(position), position),
                SubscriptionMessage::CaughtUp(position) => (Step::CaughtUp(position), position),
            };
            if self.steps.send(step).await.is_err() {
                return Ok(Gone);
            }
            self.after = position;
        }
    }

    /// `None` when the server stops or the writer is gone.
    async fn next(
        &self,
        subscription: &mut dyn Subscription,
    ) -> Result<Option<SubscriptionMessage>, ReadError> {
        tokio::select! {
            message = subscription.next() => message.map(Some),
            () = self.shutdown.requested() => Ok(None),
            () = self.steps.closed() => Ok(None),
        }
    }
}

/// Nobody wants the log's events any more.
struct Gone;

/// Decodes events, and reads the names that they bring. One whose key is gone is shown by its number.
///
/// # Errors
/// The keys cannot be had now.
pub(crate) async fn decode<'e>(
    log: &SharedLog,
    events: impl Iterator<Item = &'e RecordedEvent> + Send,
) -> Result<Vec<Decoded>, ReadError> {
    let mut decoded: Vec<_> = events.map(decode_one).collect();
    for one in &mut decoded {
        if let (Some(battle_id), Content::Event(_, event)) = (one.battle_id, &mut one.content)
            && event.closed_name().is_some()
        {
            match log.names().open(battle_id, event).await {
                Ok(()) => {}
                // The keys of one battle hold up no other: its names stay closed, as if they were erased.
                Err(error @ NamesError::Damaged { .. }) => {
                    tracing::error!(%error, "the players of a battle are shown by number");
                }
                Err(error @ NamesError::Unavailable { .. }) => return Err(error.into()),
            }
        }
    }
    Ok(decoded)
}

fn decode_one(event: &RecordedEvent) -> Decoded {
    let battle_id = BattleId::from_stream(&event.stream);
    let content = match content(event, battle_id) {
        Ok((time, event)) => Content::Event(time, event),
        Err(reason) => Content::Unusable(reason),
    };
    Decoded {
        position: event.position,
        revision: event.revision,
        id: event.id,
        stream: Arc::clone(&event.stream),
        event_type: Arc::clone(&event.event_type),
        created_ms: event.created_ms,
        battle_id,
        content,
    }
}

fn content(event: &RecordedEvent, battle_id: Option<BattleId>) -> Result<(Timestamp, Event), String> {
    if battle_id.is_none() {
        return Err(format!("'{}' is not the name of a battle's stream", event.stream));
    }
    let recorded = envelope::to_recorded(event).map_err(|error| error.to_string())?;
    Ok((recorded.time, recorded.event))
}
