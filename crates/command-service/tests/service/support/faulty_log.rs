//! A log that fails on request, in front of a real one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use nimaora_event_log::log::{AllPage, SharedLog};
use nimaora_event_log::types::APPEND_BYTES_MAX;
use nimaora_event_log::{
    Append, AppendError, Appended, Direction, EventLog, Filter, LogStatus, NewEvent, Position, ReadError,
    RecordedEvent, Revision, Subscription,
};
use tokio::sync::watch;

/// What the log does with appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It works.
    None,
    /// It writes nothing and says so.
    Unavailable,
    /// It writes, and says that it does not know.
    UnknownButWritten,
    /// It writes nothing, and says that it does not know.
    UnknownAndLost,
    /// It says that the stream is not as expected, as if somebody else had written.
    WrongRevision,
    /// It does not answer until the fault is another one.
    Hangs,
}

pub(crate) struct FaultyLog {
    log: SharedLog,
    fault: watch::Sender<Fault>,
    /// How many appends have arrived.
    appends: watch::Sender<usize>,
    /// How large an append may be, in bytes.
    append_bytes_max: AtomicUsize,
    /// How many events each append had that was taken.
    groups: Mutex<Vec<usize>>,
    /// The positions after which it was followed.
    followed: Mutex<Vec<Position>>,
    /// What it does with reads of streams.
    read_fault: watch::Sender<Fault>,
    /// How many reads of streams have arrived.
    reads: watch::Sender<usize>,
}

impl FaultyLog {
    pub(crate) fn new(log: SharedLog) -> Self {
        Self {
            log,
            fault: watch::Sender::new(Fault::None),
            appends: watch::Sender::new(0),
            append_bytes_max: AtomicUsize::new(APPEND_BYTES_MAX),
            groups: Mutex::default(),
            followed: Mutex::default(),
            read_fault: watch::Sender::new(Fault::None),
            reads: watch::Sender::new(0),
        }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Takes no larger appends than this from now on.
    pub(crate) fn set_append_bytes_max(&self, bytes: usize) {
        self.append_bytes_max.store(bytes, Ordering::SeqCst);
    }

    /// How many events each append had that was taken.
    pub(crate) fn groups(&self) -> Vec<usize> {
        self.groups.lock().unwrap().clone()
    }

    /// How many appends have arrived so far.
    pub(crate) fn appends(&self) -> usize {
        *self.appends.borrow()
    }

    /// The positions after which it was followed.
    pub(crate) fn followed(&self) -> Vec<Position> {
        self.followed.lock().unwrap().clone()
    }

    /// Lets reads of streams hang, fail with any other fault, or work again.
    pub(crate) fn set_reads(&self, fault: Fault) {
        self.read_fault.send_replace(fault);
    }

    /// How many reads of streams have arrived so far.
    pub(crate) fn reads(&self) -> usize {
        *self.reads.borrow()
    }

    /// Waits until so many appends have arrived.
    pub(crate) async fn wait_for_appends(&self, count: usize) {
        let mut seen = self.appends.subscribe();
        let wait = seen.wait_for(|appends| *appends >= count);
        tokio::time::timeout(super::PATIENCE, wait).await.expect("the append did not come").unwrap();
    }
}

#[async_trait]
impl EventLog for FaultyLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.appends.send_modify(|appends| *appends += 1);
        let mut fault = self.fault.subscribe();
        let fault = *fault.wait_for(|fault| *fault != Fault::Hangs).await.unwrap();
        let bytes = append.events.iter().map(NewEvent::append_bytes).sum::<usize>();
        if bytes > self.append_bytes_max() {
            return Err(AppendError::Invalid { reason: format!("it has {bytes} bytes") });
        }
        self.groups.lock().unwrap().push(append.events.len());
        let reason = "the disk is full".to_owned();
        match fault {
            Fault::None | Fault::Hangs => self.log.append(append).await,
            Fault::Unavailable => Err(AppendError::Unavailable { reason }),
            Fault::UnknownAndLost => Err(AppendError::UnknownOutcome { reason }),
            Fault::UnknownButWritten => {
                self.log.append(append).await?;
                Err(AppendError::UnknownOutcome { reason })
            }
            Fault::WrongRevision => Err(AppendError::WrongExpectedRevision { actual: Some(1_000_000) }),
        }
    }

    fn append_bytes_max(&self) -> usize {
        self.append_bytes_max.load(Ordering::SeqCst)
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        self.reads.send_modify(|reads| *reads += 1);
        let mut fault = self.read_fault.subscribe();
        if *fault.wait_for(|fault| *fault != Fault::Hangs).await.unwrap() != Fault::None {
            return Err(ReadError::Unavailable { reason: "the connection is lost".to_owned() });
        }
        self.log.read_stream(stream, from, direction, limit).await
    }

    async fn read_all(
        &self,
        from: Position,
        direction: Direction,
        limit: usize,
        filter: &Filter,
    ) -> Result<AllPage, ReadError> {
        self.log.read_all(from, direction, limit, filter).await
    }

    async fn subscribe(&self, after: Position, filter: Filter) -> Result<Box<dyn Subscription>, ReadError> {
        self.followed.lock().unwrap().push(after);
        self.log.subscribe(after, filter).await
    }

    async fn status(&self) -> Result<LogStatus, ReadError> {
        self.log.status().await
    }
}
