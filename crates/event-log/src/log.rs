//! The port: what every event log promises. Each sentence here has a test in [`crate::contract`].

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{AppendError, ReadError};
use crate::names::Names;
use crate::types::{
    APPEND_BYTES_MAX, Append, Appended, Direction, Filter, LogStatus, Position, RecordedEvent, Revision,
};

/// An append-only log of events in streams, with one order over all of them.
///
/// - **Durable**: when [`append`](EventLog::append) answers, the events survive kill -9 and loss of power.
/// - **Atomic**: all events of an append are there, at consecutive revisions and increasing positions with no other event between
///   them, or none.
/// - **Ordered**: revisions count from 0 without gaps in each stream; positions strictly increase over the whole log,
///   and are given at commit, so that a reader who has seen position p never later finds an event before p.
/// - **Fenced**: an append whose expectation is wrong fails with the stream's actual revision and writes nothing.
/// - **Idempotent**: repeating an append (same stream, same event ids) answers where it went the first time and
///   writes nothing, with every expectation. Implementations may forget ids after 100,000 later events unless the
///   expectation is exact.
/// - **Bounded**: an append whose events have together no more than [`append_bytes_max`](EventLog::append_bytes_max), each
///   counted as [`NewEvent::append_bytes`](crate::NewEvent::append_bytes) says, is not refused for its size.
/// - **Readable at once**: a read that begins after an append answered sees its events.
/// - **Never silent**: whatever stands between an implementation and its store, every call answers in bounded time; the
///   implementation brings the deadline, and its callers set none. An append that is not confirmed by then answers
///   [`AppendError::UnknownOutcome`], unless it is certain that nothing was or will be written; the command-service's writer relies on
///   that: it holds one append at a time, for as long as it takes, and then reads the stream again. Reads and subscribing answer
///   [`ReadError::Unavailable`]. Only [`Subscription::next`] waits for as long as there is no news; that the connection is lost is
///   news. (An answer can fail to come only where there is a connection, so this is tested beside the adapters that have one.)
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Writes the events and answers when they are durable. Appends that wait at the same time are committed together.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// How large an append may be now, in bytes. A larger one may be answered [`AppendError::Invalid`], so whoever gathers events
    /// asks here before each append and makes several of what is more. It can change with the server that a log is connected to.
    fn append_bytes_max(&self) -> usize {
        APPEND_BYTES_MAX
    }

    /// Up to `limit` events of a stream, from `from` (inclusive) in the given direction. Backwards, a `from` past the end
    /// begins at the last event. A stream that does not exist has no events.
    async fn read_stream(
        &self,
        stream: &str,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError>;

    /// Up to `limit` events of the whole log that `filter` lets through, from `from` (inclusive) in the given direction.
    /// An implementation may look at a bounded number of events only; the answer says where to go on.
    async fn read_all(
        &self,
        from: Position,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllPage, ReadError>;

    /// Follows the log from after the position `after` (0 for the beginning): first what is there, then what comes, each
    /// event once and in order. A subscriber that is slow reads from disk; it is not dropped and costs no memory.
    async fn subscribe(&self, after: Position, filter: Filter) -> Result<Box<dyn Subscription>, ReadError>;

    /// How the log is doing.
    async fn status(&self) -> Result<LogStatus, ReadError>;

    /// The keys that names are sealed under, kept beside the log and never in it. Without any, names stand in clear.
    fn names(&self) -> Names {
        Names::default()
    }
}

/// An event log shared by those who use it.
pub type SharedLog = Arc<dyn EventLog>;

/// A page of the whole log.
#[derive(Clone, Debug)]
pub struct AllPage {
    /// The events, in the direction of the read.
    pub events: Vec<RecordedEvent>,
    /// Where to go on (inclusive, for the same direction); `None` when the end was reached.
    pub next: Option<Position>,
}

/// What a subscription delivers.
#[derive(Clone, Debug)]
pub enum SubscriptionMessage {
    /// Events in order, at least one, at most [`SUBSCRIPTION_BATCH_EVENTS_MAX`].
    Events(Vec<RecordedEvent>),
    /// Everything up to here was looked at; nothing that the filter lets through was left out. Comes when a filtered
    /// subscription passes many foreign events, so that its reader can move its checkpoint.
    Checkpoint(Position),
    /// All that was there up to this position has been delivered; what follows is live.
    CaughtUp(Position),
}

/// The most events in one message of a subscription.
pub const SUBSCRIPTION_BATCH_EVENTS_MAX: usize = 2_048;

/// A running subscription. Dropping it ends it.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next message, however long there is none; a lost connection is an error and not silence. Cancel safe. After
    /// an error the subscription is over: subscribe again after the last position seen.
    async fn next(&mut self) -> Result<SubscriptionMessage, ReadError>;
}
