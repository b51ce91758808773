//! The one thread that writes: takes the appends that wait, judges them, commits them as a group and answers.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ahash::AHashMap;
use nimaora_runtime::Clock;
use tokio::sync::watch;

use super::acknowledged::{Acknowledged, AcknowledgedFile};
use super::active::Active;
use super::frame::{self, FrameStart};
use super::group::{Group, Undo, Waiting};
use super::ids::{IdWindow, Place};
use super::index::Committed;
use super::reader::{self, From, Shared};
use crate::error::AppendError;
use crate::metrics;
use crate::types::{Append, Appended, Expected, Position, Revision};

/// While the disk refuses writes, it is tried again not sooner than this, in milliseconds, and then ever more seldom.
const PROBE_MS_MIN: u64 = 20;
/// While the disk refuses writes, it is tried again at least this often, in milliseconds.
const PROBE_MS_MAX: u64 = 1_000;

/// What the writer knows of a stream, the group in hand included.
#[derive(Clone, Copy)]
struct StreamHead {
    number: u32,
    next_revision: Revision,
}

/// The disk refuses writes.
struct Trouble {
    reason: String,
    /// What failed may still be in the file.
    roll_back: bool,
    /// Try again with so many bytes.
    bytes: usize,
    wait: Duration,
    next_try: Instant,
}

enum Verdict {
    Write,
    Answer(Result<Appended, AppendError>),
}

/// The state of the writing thread.
pub(super) struct Writer {
    pub(super) inbox: Receiver<Waiting>,
    pub(super) waiting_bytes: Arc<AtomicUsize>,
    pub(super) shared: Arc<Shared>,
    pub(super) head: watch::Sender<Position>,
    pub(super) clock: Clock,
    pub(super) active: Active,
    pub(super) acknowledged: AcknowledgedFile,
    pub(super) ids: IdWindow,
    /// Number of the last group.
    pub(super) commit: u64,
    /// Held as long as the thread lives, so that no other process opens the log.
    pub(super) lock: File,
    pub(super) state: WriterState,
}

/// What the writer begins without.
pub(super) struct WriterState {
    heads: AHashMap<Arc<str>, StreamHead>,
    next_position: Position,
    /// An append that did not fit in the last group.
    carried: Option<Waiting>,
    trouble: Option<Trouble>,
    last_group_bytes: usize,
}

impl WriterState {
    /// The state that follows from what is committed.
    pub(super) fn new(shared: &Shared) -> Self {
        let index = shared.index.read();
        let head = |(number, stream): (u32, &super::stream_index::StreamIndex)| {
            (Arc::clone(stream.name()), StreamHead { number, next_revision: stream.next_revision() })
        };
        Self {
            heads: (0..).zip(index.streams()).map(head).collect(),
            next_position: index.head() + 1,
            carried: None,
            trouble: None,
            last_group_bytes: 0,
        }
    }
}

impl Writer {
    /// Writes until nobody can append any more.
    pub(super) fn run(mut self) {
        while let Some(first) = self.next_waiting() {
            let group = self.gather(first);
            self.commit(group);
        }
        if let Err(error) = self.acknowledged.sync() {
            tracing::warn!(%error, "could not sync what was acknowledged on closing");
        }
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "could not unlock the log on closing");
        }
    }

    /// Waits for an append; meanwhile tries to heal what is broken.
    fn next_waiting(&mut self) -> Option<Waiting> {
        if let Some(carried) = self.state.carried.take() {
            return Some(carried);
        }
        loop {
            let received = match &self.state.trouble {
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(trouble) => self.inbox.recv_timeout(trouble.wait),
            };
            match received {
                Ok(waiting) => {
                    self.waiting_bytes.fetch_sub(waiting.bytes, Ordering::Relaxed);
                    return Some(waiting);
                }
                Err(RecvTimeoutError::Timeout) => self.heal(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Takes what waits, as much as fits in a group.
    fn gather(&mut self, first: Waiting) -> Group {
        self.heal();
        let now_ms = self.clock.now_ms();
        let mut group = Group::new(self.state.next_position, now_ms, self.state.last_group_bytes);
        let mut next = Some(first);
        while let Some(waiting) = next {
            if let Some(does_not_fit) = self.admit(waiting, &mut group) {
                self.state.carried = Some(does_not_fit);
                break;
            }
            next = if group.is_full() { None } else { self.inbox.try_recv().ok() };
            if let Some(waiting) = &next {
                self.waiting_bytes.fetch_sub(waiting.bytes, Ordering::Relaxed);
            }
        }
        group
    }

    /// Puts an append in the group, or its answer; gives it back when it does not fit.
    fn admit(&mut self, waiting: Waiting, group: &mut Group) -> Option<Waiting> {
        if let Some(trouble) = &self.state.trouble {
            let reason = trouble.reason.clone();
            group.answer_later(waiting.answer, Err(AppendError::Unavailable { reason }));
            return None;
        }
        let head = self.state.heads.get(&waiting.append.stream).copied();
        if let Verdict::Answer(answer) = self.judge(&waiting.append, head) {
            group.answer_later(waiting.answer, answer);
            return None;
        }
        let len = frame::frame_len(&waiting.append.stream, &waiting.append.events);
        if !self.active.has_room(group.bytes.len(), len) {
            if !group.frames.is_empty() {
                return Some(waiting);
            }
            if let Err(error) = self.rotate(len) {
                let reason = self.begin_trouble(&error, false, len);
                group.answer_later(waiting.answer, Err(AppendError::Unavailable { reason }));
                return None;
            }
        }
        let answer = self.stage(&waiting.append, head, group);
        group.answer_later(waiting.answer, answer);
        None
    }

    /// Whether the append is to be written, was written before, or contradicts the stream.
    fn judge(&self, append: &Append, head: Option<StreamHead>) -> Verdict {
        let next = head.map_or(0, |head| head.next_revision);
        if let Some(head) = head
            && let Some(verdict) = self.judge_ids(append, head)
        {
            return verdict;
        }
        let exact = match append.expected {
            Expected::Any => return Verdict::Write,
            Expected::Exists if next > 0 => return Verdict::Write,
            Expected::Exists => return Verdict::Answer(wrong(next)),
            Expected::NoStream => 0,
            Expected::Exact(revision) => revision.saturating_add(1),
        };
        if exact == next {
            return Verdict::Write;
        }
        Verdict::Answer(match self.stored_at(append, exact) {
            Ok(Some(appended)) => Ok(appended),
            Ok(None) => wrong(next),
            Err(error) => Err(AppendError::Unavailable { reason: error.to_string() }),
        })
    }

    /// What the ids of the newest events say: a repeat when all of the append's are there in its order, a
    /// contradiction when only some are, nothing when none is.
    fn judge_ids(&self, append: &Append, head: StreamHead) -> Option<Verdict> {
        let mut places = append.events.iter().map(|event| self.ids.get(&(event.id, head.number)));
        let first = places.next().flatten();
        let mut last = first;
        let mut contradicts = false;
        for place in places {
            let follows = last.map(|last| last.revision + 1);
            contradicts |= place.map(|place| place.revision) != follows;
            last = place;
        }
        if contradicts {
            return Some(Verdict::Answer(wrong(head.next_revision)));
        }
        let (first, last) = (first?, last?);
        Some(Verdict::Answer(Ok(Appended {
            last_revision: last.revision,
            first_position: first.position,
            last_position: last.position,
            repeated: true,
            scattered: None,
        })))
    }

    /// Where the append went if it is stored at `revision`, however long ago.
    fn stored_at(
        &self,
        append: &Append,
        revision: Revision,
    ) -> Result<Option<Appended>, crate::error::ReadError> {
        let count = append.events.len() as u64;
        let read = |count| {
            let hi = revision.saturating_add(count);
            reader::stream_range(&self.shared, &append.stream, revision, hi, From::Disk)
        };
        // The first event tells most contradictions without reading the others.
        let first = read(1)?.unwrap_or_default();
        if first.first().map(|event| event.id) != append.events.first().map(|event| event.id) {
            return Ok(None);
        }
        let stored = read(count)?.unwrap_or_default();
        let same = stored.iter().map(|event| event.id).eq(append.events.iter().map(|event| event.id));
        Ok(match (stored.first(), stored.last()) {
            (Some(first), Some(last)) if same => Some(Appended {
                last_revision: last.revision,
                first_position: first.position,
                last_position: last.position,
                repeated: true,
                scattered: None,
            }),
            _ => None,
        })
    }

    /// Encodes the append behind the others and moves the writer's view of its stream.
    fn stage(
        &mut self,
        append: &Append,
        head: Option<StreamHead>,
        group: &mut Group,
    ) -> Result<Appended, AppendError> {
        let count = append.events.len();
        let number = head.map_or(self.state.heads.len() as u32, |head| head.number);
        let first_revision = head.map_or(0, |head| head.next_revision);
        let first_position = group.next_position;
        for (n, event) in append.events.iter().enumerate() {
            let place = Place { revision: first_revision + n as u64, position: first_position + n as u64 };
            if !self.ids.push((event.id, number), place) {
                self.ids.take_back(n);
                let reason = format!("two of its events have the id {}", event.id);
                return Err(AppendError::Invalid { reason });
            }
        }
        let next_revision = first_revision + count as u64;
        self.state.heads.insert(Arc::clone(&append.stream), StreamHead { number, next_revision });
        let offset = self.active.offset() + group.bytes.len() as u32;
        let start = FrameStart {
            first_position,
            first_revision,
            commit: self.commit + 1,
            commit_start: self.active.offset(),
            created_ms: group.created_ms,
        };
        frame::encode(&mut group.bytes, self.shared.salt, start, &append.stream, &append.events);
        group.ids += count;
        group.next_position += count as u64;
        let undo =
            Undo { stream: Arc::clone(&append.stream), next_revision: head.map(|head| head.next_revision) };
        group.undo.push(undo);
        group.frames.push(Committed {
            stream: number,
            name: Arc::clone(&append.stream),
            offset,
            first_position,
            event_count: count as u16,
        });
        Ok(Appended {
            last_revision: next_revision - 1,
            first_position,
            last_position: group.next_position - 1,
            repeated: false,
            scattered: None,
        })
    }

    /// Makes the group durable, then visible, then answers.
    fn commit(&mut self, mut group: Group) {
        if group.frames.is_empty() {
            return group.answer();
        }
        let begun = Instant::now();
        let offset = self.active.offset();
        if let Err(error) = self.active.write(&group.bytes) {
            return self.give_up(group, &error);
        }
        let events = group.next_position - self.state.next_position;
        metrics::committed(group.frames.len(), events, group.bytes.len() as u64, begun.elapsed());
        self.commit += 1;
        self.state.next_position = group.next_position;
        self.state.last_group_bytes = group.bytes.len();
        self.ids.trim();
        let position = group.next_position - 1;
        if let Err(error) = self.acknowledged.note(Acknowledged { position, commit: self.commit }) {
            tracing::warn!(%error, "could not note what is acknowledged");
        }
        let bytes = std::mem::take(&mut group.bytes).into();
        self.shared.index.write().add_group(&group.frames, offset, bytes);
        self.head.send_replace(position);
        group.answer();
    }

    /// The group could not be made durable: takes back all of it.
    fn give_up(&mut self, mut group: Group, error: &io::Error) {
        self.ids.take_back(group.ids);
        for undo in group.undo.drain(..).rev() {
            match undo.next_revision {
                None => drop(self.state.heads.remove(&undo.stream)),
                Some(next_revision) => {
                    if let Some(head) = self.state.heads.get_mut(&undo.stream) {
                        head.next_revision = next_revision;
                    }
                }
            }
        }
        let reason = self.begin_trouble(error, true, group.bytes.len());
        self.heal_file();
        let rolled_back = self.state.trouble.as_ref().is_none_or(|trouble| !trouble.roll_back);
        group.refuse(&match rolled_back {
            true => AppendError::Unavailable { reason },
            false => AppendError::UnknownOutcome { reason },
        });
    }

    fn begin_trouble(&mut self, error: &io::Error, roll_back: bool, bytes: usize) -> String {
        metrics::write_failed();
        let reason = format!("its disk refuses writes: {error}");
        tracing::error!(%error, "the log's disk refuses writes; appends are refused until it takes them again");
        self.set_writable(false);
        let wait = Duration::from_millis(PROBE_MS_MIN);
        let next_try = Instant::now() + wait;
        self.state.trouble = Some(Trouble { reason: reason.clone(), roll_back, bytes, wait, next_try });
        reason
    }

    /// Tries, when it is time, whether the disk takes writes again.
    fn heal(&mut self) {
        if self.state.trouble.as_ref().is_none_or(|trouble| Instant::now() < trouble.next_try) {
            return;
        }
        self.heal_file();
        let tried = self.try_disk();
        let Some(trouble) = &mut self.state.trouble else { return };
        match tried {
            Ok(()) => {
                self.state.trouble = None;
                self.set_writable(true);
                tracing::info!("the log's disk takes writes again");
            }
            Err(error) => {
                trouble.wait = (trouble.wait * 2).min(Duration::from_millis(PROBE_MS_MAX));
                trouble.next_try = Instant::now() + Duration::from_millis(PROBE_MS_MIN);
                // The trial itself may have left something.
                trouble.roll_back = true;
                tracing::debug!(%error, "the log's disk still refuses writes");
            }
        }
    }

    /// Writes as much as failed, where the next group goes.
    fn try_disk(&mut self) -> io::Result<()> {
        let Some(trouble) = &self.state.trouble else { return Ok(()) };
        let bytes = trouble.bytes;
        if trouble.roll_back {
            return Err(io::Error::other("the failed write is not taken back yet"));
        }
        if self.active.has_room(0, bytes) { self.active.probe(bytes) } else { self.rotate(bytes) }
    }

    /// Takes what failed out of the file, if that is still to be done.
    fn heal_file(&mut self) {
        let Some(trouble) = &mut self.state.trouble else { return };
        if trouble.roll_back {
            match self.active.roll_back() {
                Ok(()) => trouble.roll_back = false,
                Err(error) => tracing::debug!(%error, "cannot take back the failed write yet"),
            }
        }
    }

    fn rotate(&mut self, bytes: usize) -> io::Result<()> {
        let first_position = self.state.next_position;
        let path = self.active.rotate(first_position, bytes)?;
        self.shared.index.write().add_segment(path, first_position);
        Ok(())
    }

    fn set_writable(&self, writable: bool) {
        metrics::writable(writable);
        self.shared.writable.store(writable, Ordering::Relaxed);
    }
}

fn wrong(next: Revision) -> Result<Appended, AppendError> {
    Err(AppendError::WrongExpectedRevision { actual: next.checked_sub(1) })
}
