//! Players' sockets as an unmodified pusher-js holds them: lost, each comes back after exactly one second, and again after each failure.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nimaora_benches::BenchError;
use nimaora_benches::sockets::{Socket, authorise};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::time::{interval, sleep, timeout};

/// What pusher-js waits before it connects again, without any jitter.
const RETRY: Duration = Duration::from_secs(1);
/// How long pusher-js waits for the first frame before it gives up. It waits longer the next time; these do not.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a client says that it is there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a subscription may take.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(30);
/// Sockets that connect at a time for the first time; after a loss all do.
const FIRST_CONNECTING_MAX: usize = 100;
/// Connections to each server over which channels are signed. Browsers have one each; this process may open only so many files.
const ASKING: usize = 16;

/// What it is told on its command line.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Clients {
    battle: String,
    /// A line for each player: its id and its token.
    players: PathBuf,
    /// Where sockets are served.
    #[arg(value_delimiter = ',')]
    urls: Vec<String>,
}

struct Crowd {
    battle: String,
    authorities: Vec<String>,
    asking: Vec<Vec<Mutex<Option<TcpStream>>>>,
    first: Semaphore,
    lost: AtomicUsize,
    told: mpsc::Sender<Told>,
}

enum Told {
    /// It is subscribed for the first time.
    Here,
    /// It is subscribed again so long after its loss.
    Back(Duration),
}

/// Holds the sockets until it is killed. Says `here` once all are subscribed, and `back`, the failures on the way, and the milliseconds
/// that each took, once all that were lost are subscribed again.
pub(crate) async fn run(clients: Clients) -> Result<(), BenchError> {
    let players = std::fs::read_to_string(&clients.players)?;
    let players: Vec<(String, String)> = players
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(id, token)| (id.to_owned(), token.to_owned()))
        .collect();
    let (told, mut telling) = mpsc::channel(players.len().max(1));
    let authorities: Vec<_> =
        clients.urls.iter().map(|url| url.trim_start_matches("http://").to_owned()).collect();
    let crowd = Arc::new(Crowd {
        battle: format!("battle.{}", clients.battle),
        asking: authorities.iter().map(|_| (0..ASKING).map(|_| Mutex::default()).collect()).collect(),
        authorities,
        first: Semaphore::new(FIRST_CONNECTING_MAX),
        lost: AtomicUsize::new(0),
        told,
    });
    let (all, failures) = (players.len(), Arc::new(AtomicUsize::new(0)));
    for (number, player) in players.into_iter().enumerate() {
        tokio::spawn(live(Arc::clone(&crowd), number, player, Arc::clone(&failures)));
    }
    let (mut here, mut back) = (0, Vec::new());
    while let Some(told) = telling.recv().await {
        match told {
            Told::Here => here += 1,
            Told::Back(after) => back.push(after.as_millis().to_string()),
        }
        if here == all {
            say("here");
            failures.store(0, Ordering::Relaxed);
            here += 1;
        }
        if !back.is_empty() && back.len() == crowd.lost.load(Ordering::Relaxed) {
            say(&format!("back {} {}", failures.load(Ordering::Relaxed), back.join(",")));
        }
    }
    Ok(())
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// One player's socket, over and over.
async fn live(crowd: Arc<Crowd>, number: usize, player: (String, String), failures: Arc<AtomicUsize>) {
    let (mut turn, mut lost_at) = (number, None::<Instant>);
    loop {
        let permit = match lost_at {
            None => crowd.first.acquire().await.ok(),
            Some(_) => None,
        };
        let opened = open(&crowd, turn, &player).await;
        drop(permit);
        match opened {
            Ok(mut socket) => {
                let told = lost_at.map_or(Told::Here, |lost_at| Told::Back(lost_at.elapsed()));
                let _ = crowd.told.send(told).await;
                listen(&mut socket).await;
                crowd.lost.fetch_add(1, Ordering::Relaxed);
                lost_at = Some(Instant::now());
            }
            Err(_) => {
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        // What stands before the servers sends it to another one.
        turn += 1;
        sleep(RETRY).await;
    }
}

/// Until the socket is lost. Whoever says nothing for long is taken for dead.
async fn listen(socket: &mut Socket) {
    let mut pings = interval(PING_EVERY);
    loop {
        let alive = tokio::select! {
            read = socket.frames(|_, _| ()) => read.is_ok(),
            _ = pings.tick() => socket.ping().await.is_ok(),
        };
        if !alive {
            return;
        }
    }
}

async fn open(crowd: &Crowd, turn: usize, (id, token): &(String, String)) -> Result<Socket, BenchError> {
    let late = |_| BenchError::Invalid("too late".to_owned());
    let server = turn % crowd.authorities.len();
    let shaking_hands = async {
        let mut socket = Socket::upgraded(&crowd.authorities[server], "").await?;
        let socket_id = socket.socket_id().await?;
        Ok::<_, BenchError>((socket, socket_id))
    };
    let (mut socket, socket_id) = timeout(HANDSHAKE_TIMEOUT, shaking_hands).await.map_err(late)??;
    let subscribing = async {
        socket.subscribe(&crowd.battle, None).await?;
        let own = format!("private-participant.{id}");
        let signature = sign(crowd, server, turn, token, &socket_id, &own).await?;
        socket.subscribe(&own, Some(&signature)).await?;
        Ok::<_, BenchError>(socket)
    };
    timeout(SUBSCRIBE_TIMEOUT, subscribing).await.map_err(late)?
}

async fn sign(
    crowd: &Crowd,
    server: usize,
    turn: usize,
    token: &str,
    socket_id: &str,
    channel: &str,
) -> Result<String, BenchError> {
    let mut asking = crowd.asking[server][turn / crowd.authorities.len() % ASKING].lock().await;
    let mut stream = match asking.take() {
        Some(stream) => stream,
        None => TcpStream::connect(&crowd.authorities[server]).await?,
    };
    let signature = authorise(&mut stream, token, socket_id, channel).await?;
    *asking = Some(stream);
    Ok(signature)
}
