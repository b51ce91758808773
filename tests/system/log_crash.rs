//! A server of the log that is killed while official clients append and listen: each event is there once and in order, for everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
/// The server is killed when so many events were acknowledged.
const KILLS: [usize; 3] = [20, 80, 160];

/// What was acknowledged so far, by all.
#[derive(Default)]
struct Acknowledged {
    count: AtomicUsize,
    more: Notify,
}

impl Acknowledged {
    fn one_more(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.more.notify_one();
    }

    async fn reached(&self, count: usize) {
        while self.count.load(Ordering::Relaxed) < count {
            timeout(PATIENCE, self.more.notified()).await.unwrap();
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

/// Appends one event after the other, each again and unchanged until it is acknowledged.
async fn write(url: String, stream: String, ids: Vec<Uuid>, acknowledged: Arc<Acknowledged>) {
    let mut appending = client(&url);
    for (revision, id) in (0_u64..).zip(ids) {
        let state = revision.checked_sub(1).map_or(StreamState::NoStream, StreamState::StreamRevision);
        let options = AppendToStreamOptions::default().stream_state(state);
        let event = EventData::json("Noted", &revision).unwrap().id(id);
        let written = async {
            loop {
                match appending.append_to_stream(&*stream, &options, event.clone()).await {
                    Ok(written) => return written,
                    Err(kurrentdb::Error::WrongExpectedVersion { expected, current }) => {
                        panic!("{stream}: expected {expected}, found {current}")
                    }
                    Err(_) => appending = client(&url),
                }
            }
        };
        let written = timeout(PATIENCE, written).await.unwrap();
        assert_eq!(written.next_expected_version, revision);
        acknowledged.one_more();
    }
}

/// Follows the log, and goes on behind what was seen last whenever the server is gone. Answers the positions and ids.
async fn follow(url: String, count: usize) -> Vec<(u64, Uuid)> {
    let mut seen: Vec<(u64, Uuid)> = Vec::new();
    while seen.len() < count {
        let from = seen.last().map_or(StreamPosition::Start, |(position, _)| {
            StreamPosition::Position(kurrentdb::Position { commit: *position, prepare: *position })
        });
        let notes = SubscriptionFilter::on_stream_name().add_prefix("notes-");
        let options = SubscribeToAllOptions::default().position(from).filter(notes);
        let mut listener = client(&url).subscribe_to_all(&options).await;
        while seen.len() < count {
            let Ok(event) = timeout(PATIENCE, listener.next()).await.unwrap() else { break };
            let event = event.get_original_event();
            seen.push((event.position.commit, event.id));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_there_once_however_often_the_server_is_killed() {
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
        writers.push(tokio::spawn(write(url.clone(), stream_of(writer), ids.clone(), acknowledged)));
    }
    let follower = tokio::spawn(follow(url.clone(), WRITERS * EVENTS));
    for count in KILLS {
        acknowledged.reached(count).await;
        let data_dir = server.kill().await;
        server = Server::start_with(&listen, &data_dir, &address).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let followed = timeout(PATIENCE, follower).await.unwrap().unwrap();

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
    assert_eq!(followed, found);
    assert_eq!(server.terminate().await, 0);
}
