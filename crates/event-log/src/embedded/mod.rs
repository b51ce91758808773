//! The embedded log: a folder of segments on the local disk, and no service.
//!
//! | file | what it holds |
//! |---|---|
//! | `{first position}.seg` | the events, appended and never changed ([`frame`] says how) |
//! | `acknowledged` | how far appends were answered, to tell a torn tail from lost events |
//! | `lock` | locked while a process has the log open |
//!
//! One thread writes. It takes all appends that wait, writes them as one group and syncs once before it answers any. Readers
//! find a frame by an index in memory, which is built by reading the whole log on opening, and read the newest events
//! from memory and the others from disk.

mod acknowledged;
mod active;
pub mod config;
#[cfg(test)]
mod faults;
mod found;
mod frame;
mod group;
mod ids;
mod index;
mod reader;
mod recovery;
mod segment;
mod stream_index;
mod subscription;
mod tail;
#[cfg(test)]
mod tests;
mod writer;
mod zeroing;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use async_trait::async_trait;
pub use config::EmbeddedConfig;
pub use found::{FoundEnd, FoundLog};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch};

use acknowledged::{Acknowledged, AcknowledgedFile};
use active::{Active, LastSegment};
use config::{WAITING_APPENDS_MAX, WAITING_BYTES_MAX};
use group::Waiting;
use index::Index;
use reader::{From, Shared, Spot};
use recovery::{Recovered, io_error};
use subscription::EmbeddedSubscription;
use writer::{Writer, WriterState};

use crate::error::{AppendError, OpenError, ReadError};
use crate::log::{AllPage, EventLog, Subscription};
use crate::names::Names;
use crate::names::files::{FileKeys, NAMES_DIR};
use crate::types::{Append, Appended, Direction, Filter, LogStatus, Position, RecordedEvent, Revision};
use crate::{limits, metrics};

/// The log's folder inside the data folder.
pub const LOG_DIR: &str = "log";

/// An event log in a folder. Dropping it ends it like [`close`](Self::close), on the dropping thread.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    /// `None` once the log is closed, and of one that is only read.
    inbox: RwLock<Option<SyncSender<Waiting>>>,
    waiting_bytes: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
    names: Names,
    /// Of a log that is only read.
    only_read: Option<OnlyRead>,
}

/// What a log that is only read holds on to: no writer comes, and nothing happens until it is dropped.
struct OnlyRead {
    _head: watch::Sender<Position>,
    /// `None` where the log has no lock, as in a copy.
    _lock: Option<File>,
    end: FoundEnd,
}

impl EmbeddedLog {
    /// Opens the log in `{data_dir}/log`, or begins one. Reads all of it (about half a second for each gigabyte), so call it
    /// where blocking is allowed.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another process has it open; [`OpenError::Damaged`] when an acknowledged event cannot be read
    /// (nothing is changed then); [`OpenError::Io`] when the file system refuses.
    pub fn open(data_dir: &Path, config: EmbeddedConfig) -> Result<Arc<Self>, OpenError> {
        Self::look(data_dir, config)?.open()
    }

    /// Reads all of the log in `{data_dir}/log` and changes nothing, not even where there is none. Call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// The same as [`open`](Self::open).
    pub fn look(data_dir: &Path, config: EmbeddedConfig) -> Result<FoundLog, OpenError> {
        FoundLog::look(data_dir.join(LOG_DIR), config)
    }

    /// Opens the log in `{data_dir}/log` for nothing but reading, where it may lie on a disk that takes no writes: nothing is changed or made.
    /// The end of an append that a crash cut short stays there, and is not read. Others can read at the same time; nobody can open the
    /// log to write. Appends are refused. Call it where blocking is allowed.
    ///
    /// # Errors
    /// The same as [`open`](Self::open).
    pub fn open_read_only(data_dir: &Path, config: EmbeddedConfig) -> Result<Arc<Self>, OpenError> {
        let dir = data_dir.join(LOG_DIR);
        let (lock, found) = found::read(&dir, &config)?;
        let (index, salt, end) = match found {
            Some(found) => {
                let end = FoundEnd::of(&found);
                (found.index, segment::salt(found.log_id), end)
            }
            None => (Index::new(config.tail_bytes_max), 0, FoundEnd::default()),
        };
        let (head, head_seen) = watch::channel(index.head());
        let writable = AtomicBool::new(false);
        Ok(Arc::new(Self {
            shared: Arc::new(Shared { index: RwLock::new(index), salt, head: head_seen, writable }),
            inbox: RwLock::new(None),
            waiting_bytes: Arc::default(),
            thread: Mutex::new(None),
            names: names_beside(&dir),
            only_read: Some(OnlyRead { _head: head, _lock: lock, end }),
        }))
    }

    /// How the log ends; `None` of one that was opened to write.
    pub fn found_end(&self) -> Option<&FoundEnd> {
        self.only_read.as_ref().map(|held| &held.end)
    }

    fn start(
        dir: &Path,
        lock: File,
        found: Recovered,
        last: LastSegment,
        config: EmbeddedConfig,
    ) -> Result<Arc<Self>, OpenError> {
        let position = found.index.head();
        let salt = segment::salt(found.log_id);
        let first = Acknowledged { position, commit: found.commit };
        let acknowledged = AcknowledgedFile::create(dir, salt, first)
            .map_err(io_error("note what is acknowledged in", dir))?;
        let (head, head_seen) = watch::channel(position);
        let writable = AtomicBool::new(true);
        let shared = Arc::new(Shared { index: RwLock::new(found.index), salt, head: head_seen, writable });
        metrics::writable(true);
        let (inbox_sender, inbox) = sync_channel(WAITING_APPENDS_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let active =
            Active::new(dir, &found.log_id, last, &config).map_err(io_error("start a thread for", dir))?;
        let state = WriterState::new(&shared);
        let writer = Writer {
            inbox,
            waiting_bytes: Arc::clone(&waiting_bytes),
            shared: Arc::clone(&shared),
            head,
            clock: config.clock,
            active,
            acknowledged,
            ids: found.ids,
            commit: found.commit,
            lock,
            state,
        };
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run())
            .map_err(io_error("start a thread for", dir))?;
        Ok(Arc::new(Self {
            shared,
            inbox: RwLock::new(Some(inbox_sender)),
            waiting_bytes,
            thread: Mutex::new(Some(thread)),
            names: names_beside(dir),
            only_read: None,
        }))
    }

    /// Takes no more appends, waits until those that were taken are durable, and lets go of the folder. Subscriptions end
    /// with [`ReadError::Unavailable`].
    pub async fn close(&self) {
        self.inbox.write().take();
        let thread = self.thread.lock().take();
        let joined = blocking(move || {
            join(thread);
            Ok(Some(()))
        });
        if let Err(error) = joined.await {
            tracing::warn!(%error, "could not wait for the log's writer");
        }
    }

    fn send(&self, waiting: Waiting) -> Result<(), AppendError> {
        let inbox = self.inbox.read();
        let Some(inbox) = &*inbox else { return Err(closed()) };
        let bytes = waiting.bytes;
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let sent = match before + bytes > WAITING_BYTES_MAX && before > 0 {
            true => Err(too_many()),
            false => inbox.try_send(waiting).map_err(|error| match error {
                TrySendError::Full(_) => too_many(),
                TrySendError::Disconnected(_) => closed(),
            }),
        };
        if sent.is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        sent
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.inbox.write().take();
        join(self.thread.lock().take());
    }
}

#[async_trait]
impl EventLog for EmbeddedLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let bytes = limits::check(&append)?;
        let (answer, answered) = oneshot::channel();
        self.send(Waiting { append, bytes, answer })?;
        answered.await.unwrap_or_else(|_| {
            Err(AppendError::UnknownOutcome { reason: "the log's writer stopped".into() })
        })
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let next = self.shared.index.read().stream(stream).map_or(0, |stream| stream.next_revision());
        let limit = limit as u64;
        let (lo, hi) = match direction {
            Direction::Forwards => (from, from.saturating_add(limit).min(next)),
            Direction::Backwards => {
                let hi = from.saturating_add(1).min(next);
                (hi.saturating_sub(limit), hi)
            }
        };
        if lo >= hi {
            return Ok(Vec::new());
        }
        let mut events = match reader::stream_range(&self.shared, stream, lo, hi, From::Memory)? {
            Some(events) => events,
            None => {
                let (shared, stream) = (Arc::clone(&self.shared), stream.to_owned());
                blocking(move || reader::stream_range(&shared, &stream, lo, hi, From::Disk)).await?
            }
        };
        if direction == Direction::Backwards {
            events.reverse();
        }
        Ok(events)
    }

    async fn read_all(
        &self,
        from: Position,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllPage, ReadError> {
        if limit == 0 {
            return Ok(AllPage { events: Vec::new(), next: None });
        }
        let read = match direction {
            Direction::Forwards => all_forwards,
            Direction::Backwards => reader::backwards,
        };
        if let Some(page) = read(&self.shared, from, limit, filter, From::Memory)? {
            return Ok(page);
        }
        let (shared, filter) = (Arc::clone(&self.shared), filter.clone());
        blocking(move || read(&shared, from, limit, &filter, From::Disk)).await
    }

    async fn subscribe(&self, after: Position, filter: Filter) -> Result<Box<dyn Subscription>, ReadError> {
        let head = self.shared.index.read().head();
        if after > head {
            let reason = format!("position {after} is behind the log's last, {head}");
            return Err(ReadError::Invalid { reason });
        }
        Ok(Box::new(EmbeddedSubscription::new(Arc::clone(&self.shared), after, filter)))
    }

    async fn status(&self) -> Result<LogStatus, ReadError> {
        let head = self.shared.index.read().head();
        Ok(LogStatus { head, writable: self.shared.writable.load(Ordering::Relaxed) })
    }

    fn names(&self) -> Names {
        self.names.clone()
    }
}

fn names_beside(dir: &Path) -> Names {
    Names::kept_by(Arc::new(FileKeys::new(dir.with_file_name(NAMES_DIR))))
}

fn all_forwards(
    shared: &Shared,
    from: Position,
    limit: usize,
    filter: &Filter,
    source: From,
) -> Result<Option<AllPage>, ReadError> {
    let position = from.max(1);
    let (address, _) = shared.index.read().seek(position);
    let page = reader::forwards(shared, Spot { address, position }, limit, filter, source)?;
    Ok(page.map(|page| {
        let next = page.next.position;
        AllPage { events: page.events, next: (next <= shared.index.read().head()).then_some(next) }
    }))
}

/// Runs a read where waiting for the disk holds up nobody.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<Option<T>, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let stopped = || ReadError::Unavailable { reason: "the process is stopping".into() };
    tokio::task::spawn_blocking(read).await.map_err(|_| stopped())??.ok_or_else(stopped)
}

/// The append's size; refuses what is outside the limits.
fn closed() -> AppendError {
    AppendError::Unavailable { reason: "the log is closed".into() }
}

fn too_many() -> AppendError {
    metrics::shed();
    AppendError::Unavailable { reason: "too many appends wait".into() }
}

fn join(thread: Option<JoinHandle<()>>) {
    if thread.is_some_and(|thread| thread.join().is_err()) {
        tracing::error!("the log's writer had panicked");
    }
}
