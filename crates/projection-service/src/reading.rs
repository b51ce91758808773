//! Reads a stretch of the log for a rebuild, decoded, ahead of whoever writes it.

use std::time::Duration;

use nimaora_domain::BattleId;
use nimaora_event_log::log::{AllPage, SharedLog};
use nimaora_event_log::{Direction, Filter, ReadError};
use nimaora_read_models::Position;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::source::{Decoded, decode};

/// Events that are read at once.
const PAGE_EVENTS: usize = 8_192;
/// Events that are written at once, some 60 MB. A participant is written once in a batch, so a large one has fewer rows. What is more
/// waits for the next one.
const BATCH_EVENTS: usize = 131_072;
/// Pages that are decoded ahead of the writer, half a batch. When it is reached, the log is not read further.
const PAGES_AHEAD_MAX: usize = 8;

/// Events, and the position up to which the log was looked at for them.
pub(crate) struct Stretch {
    pub(crate) events: Vec<Decoded>,
    pub(crate) upto: Position,
}

/// Reads the log from one position to another. Dropping it ends that.
pub(crate) struct Reading {
    pages: mpsc::Receiver<Result<Stretch, ReadError>>,
    target: Position,
    /// Only held: it is aborted when this is dropped.
    _task: JoinSet<()>,
}

impl Reading {
    /// Begins to read. Each page must come within the limit.
    pub(crate) fn begin(log: &SharedLog, from: Position, target: Position, limit: Duration) -> Self {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD_MAX);
        let pager = Pager { log: SharedLog::clone(log), target, limit };
        let mut task = JoinSet::new();
        task.spawn(pager.run(from, sender));
        Self { pages, target, _task: task }
    }

    /// The next batch; `None` after the last one.
    ///
    /// # Errors
    /// The log could not be read.
    pub(crate) async fn next(&mut self) -> Result<Option<Stretch>, ReadError> {
        let Some(first) = self.pages.recv().await else { return Ok(None) };
        let mut batch = first?;
        while batch.events.len() + PAGE_EVENTS <= BATCH_EVENTS && batch.upto < self.target {
            let Some(more) = self.pages.recv().await else { break };
            let more = more?;
            batch.events.extend(more.events);
            batch.upto = more.upto;
        }
        Ok(Some(batch))
    }
}

struct Pager {
    log: SharedLog,
    target: Position,
    limit: Duration,
}

impl Pager {
    async fn run(self, from: Position, pages: mpsc::Sender<Result<Stretch, ReadError>>) {
        let mut next = Some(from);
        while let Some(from) = next {
            let read = self.read(from).await;
            let upto = read.as_ref().map_or(self.target, |stretch| stretch.upto);
            next = (upto < self.target).then_some(upto + 1);
            // Nobody wants it any more when it is not taken.
            if pages.send(read).await.is_err() {
                return;
            }
        }
    }

    async fn read(&self, from: Position) -> Result<Stretch, ReadError> {
        let page = self.page(from).await?;
        let events = page.events.iter().take_while(|event| event.position <= self.target);
        let events = decode(&self.log, events).await?;
        let next = page.next.filter(|&next| next <= self.target && events.len() == page.events.len());
        Ok(Stretch { events, upto: next.map_or(self.target, |next| next - 1) })
    }

    async fn page(&self, from: Position) -> Result<AllPage, ReadError> {
        let filter = Filter::stream_prefix(BattleId::STREAM_PREFIX);
        let page = self.log.read_all(from, Direction::Forwards, PAGE_EVENTS, &filter);
        timeout(self.limit, page).await.unwrap_or_else(|_| {
            let reason = format!("it did not answer within {} ms", self.limit.as_millis());
            Err(ReadError::Unavailable { reason })
        })
    }
}
