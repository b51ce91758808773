//! The stores, each doing what the log's port needs: events by position, and by stream and revision, durable when
//! `append` returns. The `Positions` variants keep no index of streams, which is less than the port needs.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{Append, Direction, EventLog, Expected, Filter, NewEvent};
use nimaora_runtime::Clock;
use redb::{ReadableDatabase, ReadableTable};
use tokio::sync::oneshot;
use uuid::Uuid;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One thread appends and reads.
pub trait Store {
    /// Appends `count` events of this body to one stream, in one durable commit.
    fn append(&mut self, count: usize, body: &Bytes) -> Outcome<()>;
    /// Reads all events in order and shows each body.
    fn read(&mut self, show: &mut dyn FnMut(&[u8])) -> Outcome<()>;
}

/// Opens a store in a folder.
pub type Open = fn(&Path) -> Outcome<Box<dyn Store>>;

/// Every store and what it is called.
pub const STORES: [(&str, Open); 8] = [
    ("own segments", |dir| Own::open(dir, false)),
    ("own segments, each event an append", |dir| Own::open(dir, true)),
    ("fjall 3", |dir| on_thread(Fjall::open(dir, true)?)),
    ("fjall 3, positions only", |dir| on_thread(Fjall::open(dir, false)?)),
    ("redb 4", |dir| on_thread(Redb::open(dir, true)?)),
    ("redb 4, positions only", |dir| on_thread(Redb::open(dir, false)?)),
    ("SQLite", |dir| on_thread(Sqlite::open(dir, true)?)),
    ("SQLite, positions only", |dir| on_thread(Sqlite::open(dir, false)?)),
];

type Job<S> = Box<dyn FnOnce(&mut S) -> Outcome<()> + Send>;
type Asked<S> = (Job<S>, oneshot::Sender<Result<(), String>>);

/// A store behind a thread of its own: the port is asynchronous, and no store may hold up a thread of the runtime. The
/// own log has such a thread inside, so without this the others would be spared two changes of thread.
struct OnThread<S> {
    runtime: tokio::runtime::Runtime,
    jobs: SyncSender<Asked<S>>,
    store: Arc<Mutex<S>>,
}

fn on_thread<S: Store + Send + 'static>(store: S) -> Outcome<Box<dyn Store>> {
    let store = Arc::new(Mutex::new(store));
    let (jobs, inbox) = sync_channel::<Asked<S>>(16);
    let held = Arc::clone(&store);
    std::thread::spawn(move || {
        while let Ok((job, answer)) = inbox.recv() {
            let mut store = held.lock().unwrap_or_else(PoisonError::into_inner);
            drop(answer.send(job(&mut store).map_err(|error| error.to_string())));
        }
    });
    Ok(Box::new(OnThread { runtime: runtime()?, jobs, store }))
}

impl<S: Store + Send + 'static> Store for OnThread<S> {
    fn append(&mut self, count: usize, body: &Bytes) -> Outcome<()> {
        let (answer, answered) = oneshot::channel();
        let body = body.clone();
        let job: Job<S> = Box::new(move |store| store.append(count, &body));
        self.jobs.send((job, answer)).map_err(|_| "the store's thread stopped")?;
        Ok(self.runtime.block_on(answered)??)
    }

    fn read(&mut self, show: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).read(show)
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()
}

struct Own {
    runtime: tokio::runtime::Runtime,
    log: Arc<EmbeddedLog>,
    single: bool,
}

impl Own {
    fn open(dir: &Path, single: bool) -> Outcome<Box<dyn Store>> {
        let runtime = runtime()?;
        let log = EmbeddedLog::open(dir, EmbeddedConfig::new(Clock::system()))?;
        Ok(Box::new(Self { runtime, log, single }))
    }
}

fn new_event(body: &Bytes, event_type: &Arc<str>) -> NewEvent {
    NewEvent {
        id: Uuid::from_u64_pair(next_id(), 0),
        event_type: Arc::clone(event_type),
        data: body.clone(),
        metadata: Bytes::new(),
    }
}

/// Ids that differ; making random ones would be measured too.
fn next_id() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

impl Store for Own {
    fn append(&mut self, count: usize, body: &Bytes) -> Outcome<()> {
        let stream: Arc<str> = "battle-0197f2a0-0000-7000-8000-000000000001".into();
        let event_type: Arc<str> = "AttackLanded".into();
        let append = |count: usize| Append {
            stream: Arc::clone(&stream),
            expected: Expected::Any,
            events: (0..count).map(|_| new_event(body, &event_type)).collect(),
        };
        if !self.single {
            self.runtime.block_on(self.log.append(append(count)))?;
            return Ok(());
        }
        self.runtime.block_on(async {
            let waiting: Vec<_> = (0..count).map(|_| self.log.append(append(1))).collect();
            for answer in futures_join(waiting).await {
                answer?;
            }
            Ok(())
        })
    }

    fn read(&mut self, show: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        let mut from = Some(1);
        while let Some(place) = from {
            let read = self.log.read_all(place, Direction::Forwards, 4_096, &FILTER);
            let page = self.runtime.block_on(read)?;
            page.events.iter().for_each(|event| show(&event.data));
            from = page.next;
        }
        Ok(())
    }
}

static FILTER: Filter = Filter { stream_prefixes: Vec::new(), type_prefixes: Vec::new() };

/// Polls all futures until each is done.
async fn futures_join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut waiting {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(ready) => *output = Some(ready),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    waiting.into_iter().filter_map(|(_, output)| output).collect()
}

struct Fjall {
    db: fjall::Database,
    events: fjall::Keyspace,
    streams: Option<fjall::Keyspace>,
    next: u64,
}

impl Fjall {
    fn open(dir: &Path, with_streams: bool) -> Outcome<Self> {
        let db = fjall::Database::builder(dir).open()?;
        let events = db.keyspace("events", fjall::KeyspaceCreateOptions::default)?;
        let streams = match with_streams {
            true => Some(db.keyspace("streams", fjall::KeyspaceCreateOptions::default)?),
            false => None,
        };
        let last = events.last_key_value().map(|guard| guard.key()).transpose()?;
        let next = last.map_or(0, |key| number(&key)) + 1;
        Ok(Self { db, events, streams, next })
    }
}

impl Store for Fjall {
    fn append(&mut self, count: usize, body: &Bytes) -> Outcome<()> {
        let mut batch = self.db.batch().durability(Some(fjall::PersistMode::SyncData));
        for _ in 0..count {
            let position = self.next.to_be_bytes();
            batch.insert(&self.events, position, &body[..]);
            if let Some(streams) = &self.streams {
                batch.insert(streams, stream_key(self.next), position);
            }
            self.next += 1;
        }
        Ok(batch.commit()?)
    }

    fn read(&mut self, show: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        for guard in self.events.iter() {
            let (_, body) = guard.into_inner()?;
            show(&body);
        }
        Ok(())
    }
}

/// Number of a stream and revision in it.
fn stream_key(revision: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[3] = 1;
    key[4..].copy_from_slice(&revision.to_be_bytes());
    key
}

fn number(key: &[u8]) -> u64 {
    key.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

const EVENTS: redb::TableDefinition<'static, u64, &'static [u8]> = redb::TableDefinition::new("events");
const STREAMS: redb::TableDefinition<'static, (u32, u64), u64> = redb::TableDefinition::new("streams");

struct Redb {
    db: redb::Database,
    with_streams: bool,
    next: u64,
}

impl Redb {
    fn open(dir: &Path, with_streams: bool) -> Outcome<Self> {
        let db = redb::Database::create(dir.join("log.redb"))?;
        let begin = db.begin_write()?;
        let last = begin.open_table(EVENTS)?.last_key()?;
        begin.commit()?;
        Ok(Self { db, with_streams, next: last.unwrap_or(0) + 1 })
    }
}

/// The last key of a table, without its guard.
trait LastKey {
    fn last_key(&self) -> Outcome<Option<u64>>;
}

impl LastKey for redb::Table<'_, u64, &'static [u8]> {
    fn last_key(&self) -> Outcome<Option<u64>> {
        Ok(self.last()?.map(|(key, _)| key.value()))
    }
}

impl Store for Redb {
    fn append(&mut self, count: usize, body: &Bytes) -> Outcome<()> {
        let write = self.db.begin_write()?;
        {
            let mut events = write.open_table(EVENTS)?;
            let mut streams = match self.with_streams {
                true => Some(write.open_table(STREAMS)?),
                false => None,
            };
            for _ in 0..count {
                events.insert(self.next, &body[..])?;
                if let Some(streams) = &mut streams {
                    streams.insert((1, self.next), self.next)?;
                }
                self.next += 1;
            }
        }
        Ok(write.commit()?)
    }

    fn read(&mut self, show: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        let read = self.db.begin_read()?;
        let events = read.open_table(EVENTS)?;
        for event in events.range::<u64>(..)? {
            show(event?.1.value());
        }
        Ok(())
    }
}

struct Sqlite {
    db: rusqlite::Connection,
    with_streams: bool,
    next: i64,
}

impl Sqlite {
    fn open(dir: &Path, with_streams: bool) -> Outcome<Self> {
        let db = rusqlite::Connection::open(dir.join("log.sqlite"))?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, stream INTEGER, revision INTEGER, body BLOB);",
        )?;
        if with_streams {
            db.execute_batch("CREATE UNIQUE INDEX IF NOT EXISTS streams ON events (stream, revision);")?;
        }
        let last: Option<i64> = db.query_row("SELECT max(position) FROM events", [], |row| row.get(0))?;
        Ok(Self { db, with_streams, next: last.unwrap_or(0) + 1 })
    }
}

impl Store for Sqlite {
    fn append(&mut self, count: usize, body: &Bytes) -> Outcome<()> {
        let write = self.db.transaction()?;
        {
            let mut insert = write.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)")?;
            for _ in 0..count {
                let revision = self.with_streams.then_some(self.next);
                insert.execute((self.next, revision.map(|_| 1), revision, &body[..]))?;
                self.next += 1;
            }
        }
        Ok(write.commit()?)
    }

    fn read(&mut self, show: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        let mut select = self.db.prepare_cached("SELECT position, body FROM events ORDER BY position")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            show(row.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }
}
