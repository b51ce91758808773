//! A server of the log that is killed while official clients append and listen: each event is there once and in order, for everybody,
//! whatever comes when. When it is killed, how large appends are, and when a follower comes, and leaves and comes again, is drawn anew each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use kurrentdb::{
    AppendToStreamOptions, Client, EventData, ReadAllOptions, ReadStreamOptions, StreamPosition, StreamState,
    SubscribeToAllOptions, SubscriptionFilter,
};
use nimaora_local_servers::Port;
use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use crate::server::{PATIENCE, Server};

/// How many write, each to a stream of its own, and how many events.
const WRITERS: usize = 4;
const EVENTS: usize = 60;
/// An append has at most so many of them.
const APPEND_EVENTS: usize = 5;
/// How often the server is killed, each time when some number of events was acknowledged.
const KILLS: usize = 3;
/// How many follow the log. The first is there from the beginning.
const FOLLOWERS: usize = 3;

/// What was acknowledged so far, by all.
#[derive(Default)]
struct Acknowledged {
    count: AtomicUsize,
    more: Notify,
}

impl Acknowledged {
    fn more(&self, events: usize) {
        self.count.fetch_add(events, Ordering::Relaxed);
        self.more.notify_waiters();
    }

    async fn reached(&self, count: usize) {
        loop {
            let more = self.more.notified();
            if self.count.load(Ordering::Relaxed) >= count {
                return;
            }
            timeout(PATIENCE, more).await.unwrap();
        }
    }
}

fn stream_of(writer: usize) -> String {
    format!("notes-{writer}")
}

/// A client that gave up once never tries again, so each try after that has one of its own.
fn client(url: &str) -> Client {
    Client::new(url.parse().unwrap()).unwrap()
}

/// Appends some events after the others, each time again and unchanged until that is acknowledged.
async fn write(url: String, stream: String, ids: Vec<Uuid>, mut rng: Rng, acknowledged: Arc<Acknowledged>) {
    let mut appending = client(&url);
    let mut done = 0;
    while done < ids.len() {
        let count = rng.usize(1..=APPEND_EVENTS).min(ids.len() - done);
        let last = (done as u64).checked_sub(1);
        let state = last.map_or(StreamState::NoStream, StreamState::StreamRevision);
        let options = AppendToStreamOptions::default().stream_state(state);
        let events: Vec<EventData> = ids[done..done + count]
            .iter()
            .map(|id| EventData::json("Noted", &id.to_string()).unwrap().id(*id))
            .collect();
        let written = async {
            loop {
                match appending.append_to_stream(&*stream, &options, events.clone()).await {
                    Ok(written) => return written,
                    Err(kurrentdb::Error::WrongExpectedVersion { expected, current }) => {
                        panic!("{stream}: expected {expected}, found {current}")
                    }
                    Err(_) => appending = client(&url),
                }
            }
        };
        let written = timeout(PATIENCE, written).await.unwrap();
        done += count;
        assert_eq!(written.next_expected_version, done as u64 - 1);
        acknowledged.more(count);
    }
}

/// Follows the log, and goes on behind what was seen last whenever the server is gone, or it wanted no more for a moment. Answers the
/// positions and ids.
async fn follow(url: String, count: usize, mut rng: Rng) -> Vec<(u64, Uuid)> {
    let mut seen: Vec<(u64, Uuid)> = Vec::new();
    while seen.len() < count {
        let from = seen.last().map_or(StreamPosition::Start, |(position, _)| {
            StreamPosition::Position(kurrentdb::Position { commit: *position, prepare: *position })
        });
        let notes = SubscriptionFilter::on_stream_name().add_prefix("notes-");
        let options = SubscribeToAllOptions::default().position(from).filter(notes);
        let mut listener = client(&url).subscribe_to_all(&options).await;
        let enough = (seen.len() + rng.usize(1..=count)).min(count);
        while seen.len() < enough {
            let Ok(event) = timeout(PATIENCE, listener.next()).await.unwrap() else { break };
            let event = event.get_original_event();
            seen.push((event.position.commit, event.id));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_there_once_whatever_comes_when() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let all = WRITERS * EVENTS;
    let mut kills: Vec<usize> = (0..KILLS).map(|_| rng.usize(1..all)).collect();
    kills.sort_unstable();
    let folder = tempfile::tempdir().unwrap();
    // Ports that nobody else is given while the server is away.
    let (port, event_store_port) = (Port::free().unwrap(), Port::free().unwrap());
    let address = format!("127.0.0.1:{}", port.number());
    let event_store = format!("127.0.0.1:{}", event_store_port.number());
    let listen = ["--event-store-listen", &event_store];
    let mut server = Server::start_with(&listen, folder.path(), &address).await;
    let url = format!("kurrentdb://admin:{}@{event_store}?tls=false", server.admin_token());
    let acknowledged = Arc::new(Acknowledged::default());
    let ids: Vec<Vec<Uuid>> = (0..WRITERS).map(|_| (0..EVENTS).map(|_| Uuid::new_v4()).collect()).collect();
    let mut writers = Vec::new();
    for (writer, ids) in ids.iter().enumerate() {
        let acknowledged = Arc::clone(&acknowledged);
        let write = write(url.clone(), stream_of(writer), ids.clone(), rng.fork(), acknowledged);
        writers.push(tokio::spawn(write));
    }
    let mut followers = Vec::new();
    for number in 0..FOLLOWERS {
        let comes_at = if number == 0 { 0 } else { rng.usize(..all) };
        let (url, acknowledged, rng) = (url.clone(), Arc::clone(&acknowledged), rng.fork());
        followers.push(tokio::spawn(async move {
            acknowledged.reached(comes_at).await;
            follow(url, all, rng).await
        }));
    }
    for count in kills {
        acknowledged.reached(count).await;
        let data_dir = server.kill().await;
        server = Server::start_with(&listen, &data_dir, &address).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }

    let client = client(&url);
    for (writer, ids) in ids.iter().enumerate() {
        let mut read = client.read_stream(stream_of(writer), &ReadStreamOptions::default()).await.unwrap();
        let mut found = Vec::new();
        while let Some(event) = read.next().await.unwrap() {
            found.push(event.get_original_event().id);
        }
        assert_eq!(found, *ids);
    }
    let all = ReadAllOptions::default().forwards().position(StreamPosition::Start).max_count(10_000);
    let notes = SubscriptionFilter::on_stream_name().add_prefix("notes-");
    let mut read = client.read_all(&all.filter(notes)).await.unwrap();
    let mut found = Vec::new();
    while let Some(event) = read.next().await.unwrap() {
        let event = event.get_original_event();
        found.push((event.position.commit, event.id));
    }
    for follower in followers {
        assert_eq!(timeout(PATIENCE, follower).await.unwrap().unwrap(), found);
    }
    assert_eq!(server.terminate().await, 0);
}
