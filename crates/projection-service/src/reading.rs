//! Reads a stretch of the log for a rebuild, decoded, ahead of whoever writes it.

use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::BattleId;
use nimaora_event_log::log::{AllPage, SharedLog};
use nimaora_event_log::{Direction, Filter, ReadError};
use nimaora_read_models::Position;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::source::{Decoded, decode};

/// Events that are read at once.
const PAGE_EVENTS: usize = 8_192;
/// Events that are written at once, some 60 MB of short ones. A participant is written once in a batch, so a large one has fewer rows.
/// What is more waits for the next one.
const BATCH_EVENTS: usize = 131_072;
/// Bytes in the log of the events that are written at once, as far as whole pages come to: answers for an external judge are long. What
/// is more waits for the next batch.
const BATCH_BYTES: usize = 64 * 1_024 * 1_024;
/// Pages that are decoded ahead of the writer, half a batch. When it is reached, the log is not read further.
const PAGES_AHEAD_MAX: usize = 8;
/// Of how many bytes in the log they may be, half a batch; one page more waits for its room. When it is reached, the log is not read further.
const AHEAD_KIB_MAX: u32 = 32 * 1_024;

/// Events, and the position up to which the log was looked at for them.
pub(crate) struct Stretch {
    pub(crate) events: Vec<Decoded>,
    pub(crate) upto: Position,
    /// What the events come to in the log.
    bytes: usize,
}

/// A page that waits for the writer, and its room.
struct Ahead {
    read: Result<Stretch, ReadError>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Reads the log from one position to another. Dropping it ends that.
pub(crate) struct Reading {
    pages: mpsc::Receiver<Ahead>,
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
        let mut batch = first.taken()?;
        while batch.takes_more() && batch.upto < self.target {
            let Some(more) = self.pages.recv().await else { break };
            let more = more.taken()?;
            batch.events.extend(more.events);
            batch.bytes += more.bytes;
            batch.upto = more.upto;
        }
        Ok(Some(batch))
    }
}

impl Ahead {
    /// The page, whose room is free from now on.
    fn taken(self) -> Result<Stretch, ReadError> {
        self.read
    }
}

impl Stretch {
    /// Whether a page more is written with it.
    fn takes_more(&self) -> bool {
        self.events.len() + PAGE_EVENTS <= BATCH_EVENTS && self.bytes < BATCH_BYTES
    }

    /// The room that it takes ahead of the writer. A page that is larger than all of it takes all.
    fn kib(&self) -> u32 {
        u32::try_from(self.bytes / 1_024).map_or(AHEAD_KIB_MAX, |kib| kib.min(AHEAD_KIB_MAX))
    }
}

struct Pager {
    log: SharedLog,
    target: Position,
    limit: Duration,
}

impl Pager {
    async fn run(self, from: Position, pages: mpsc::Sender<Ahead>) {
        let room = Arc::new(Semaphore::new(AHEAD_KIB_MAX as usize));
        let mut next = Some(from);
        while let Some(from) = next {
            let read = self.read(from).await;
            let upto = read.as_ref().map_or(self.target, |stretch| stretch.upto);
            next = (upto < self.target).then_some(upto + 1);
            let kib = read.as_ref().map_or(0, Stretch::kib);
            // It is never closed.
            let _room = Arc::clone(&room).acquire_many_owned(kib).await.ok();
            // Nobody wants it any more when it is not taken.
            if pages.send(Ahead { read, _room }).await.is_err() {
                return;
            }
        }
    }

    async fn read(&self, from: Position) -> Result<Stretch, ReadError> {
        let page = self.page(from).await?;
        let wanted = page.events.iter().take_while(|event| event.position <= self.target);
        let bytes = wanted.clone().map(|event| event.data.len() + event.metadata.len()).sum();
        let events = decode(&self.log, wanted).await?;
        let next = page.next.filter(|&next| next <= self.target && events.len() == page.events.len());
        Ok(Stretch { events, upto: next.map_or(self.target, |next| next - 1), bytes })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_long_answers_ends_by_its_bytes() {
        let stretch = |bytes| Stretch { events: Vec::new(), upto: 0, bytes };
        assert!(stretch(BATCH_BYTES - 1).takes_more());
        assert!(!stretch(BATCH_BYTES).takes_more());
        assert_eq!(stretch(3 * 1_024).kib(), 3);
        assert_eq!(stretch(usize::MAX).kib(), AHEAD_KIB_MAX);
    }
}
