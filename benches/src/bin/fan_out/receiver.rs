//! The sockets' other ends: they count frames, and some of them note when which board or alert came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use nimaora_benches::sockets::{HEAD_END, Socket, authorise, number_after};
use nimaora_benches::{BenchError, Player};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Sockets that connect at a time.
const CONNECTING_MAX: usize = 100;
/// How long a socket may take until it is subscribed.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(60);
/// Frames below this are answers and pings; a board of ten lines has more than 1,000 bytes, and compressed more than a third of them.
const BOARD_BYTES_MIN: usize = 250;
/// How a client says that it takes compressed messages.
const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
/// One socket of so many is a witness.
const WITNESS_EVERY: usize = 64;
/// What witnesses have seen and was not collected yet; more is not recorded.
const SIGHTINGS_MAX: usize = 1_000_000;
/// What stands before the position in a board and in an alert. Each is a text within a text, so its quotes are escaped.
const AS_OF: &[u8] = br#"as_of\":"#;
const POSITION: &[u8] = br#"position\":"#;
/// How an alert begins.
const ALERT: &[u8] = br#"{"event":"attack.received""#;

/// A board that came to a witness, or an alert to its target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    pub(crate) witness: usize,
    /// The position of what it shows.
    pub(crate) as_of: u64,
    pub(crate) at: Instant,
}

/// Sockets that are subscribed and read.
pub(crate) struct Receivers {
    boards: Arc<AtomicU64>,
    /// The size of the newest board's frame.
    bytes: Arc<AtomicU64>,
    sightings: mpsc::Receiver<Sighting>,
    _tasks: JoinSet<()>,
}

impl Receivers {
    /// Connects the sockets and waits until each is subscribed to the channel. Without a channel they only connect. With `deflates` all but the
    /// witnesses take compressed boards.
    ///
    /// # Errors
    /// One does not get there in time.
    pub(crate) async fn connect(
        url: &str,
        sockets: usize,
        channel: Option<&str>,
        deflates: bool,
    ) -> Result<Self, BenchError> {
        let authority = url.trim_start_matches("http://").to_owned();
        let (witness, sightings) = mpsc::channel(SIGHTINGS_MAX);
        let (boards, bytes) = (Arc::default(), Arc::default());
        let mut tasks = JoinSet::new();
        let mut connecting = FuturesUnordered::new();
        for number in 0..sockets {
            if connecting.len() == CONNECTING_MAX
                && let Some(connected) = connecting.next().await
            {
                tasks.spawn(Receiver::run(connected?));
            }
            let receiver = Receiver {
                number,
                boards: Arc::clone(&boards),
                bytes: Arc::clone(&bytes),
                witness: number.is_multiple_of(WITNESS_EVERY).then(|| witness.clone()),
            };
            connecting.push(subscribed(&authority, channel, deflates, receiver));
        }
        while let Some(connected) = connecting.next().await {
            tasks.spawn(Receiver::run(connected?));
        }
        Ok(Self { boards, bytes, sightings, _tasks: tasks })
    }

    /// Boards that all sockets got so far.
    pub(crate) fn boards(&self) -> u64 {
        self.boards.load(Ordering::Relaxed)
    }

    /// How large a board's frame is.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What witnesses have seen since they were asked last.
    pub(crate) fn sightings(&mut self) -> Vec<Sighting> {
        std::iter::from_fn(|| self.sightings.try_recv().ok()).collect()
    }
}

/// One player's own socket, to which its alerts come.
pub(crate) struct Target {
    alerts: mpsc::Receiver<Sighting>,
    _tasks: JoinSet<()>,
}

impl Target {
    /// Connects and waits until the player's own channel is subscribed.
    ///
    /// # Errors
    /// It is refused.
    pub(crate) async fn connect(url: &str, player: &Player) -> Result<Self, BenchError> {
        let authority = url.trim_start_matches("http://");
        let mut socket = Socket::upgraded(authority, "").await?;
        let channel = format!("private-participant.{}", player.id);
        let id = socket.socket_id().await?;
        let token = player.bearer.to_str().unwrap_or_default();
        let signature = authorise(&mut TcpStream::connect(authority).await?, token, &id, &channel).await?;
        socket.subscribe(&channel, Some(&signature)).await?;
        let (told, alerts) = mpsc::channel(SIGHTINGS_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let look = |content: &[u8], _| {
                if let Some(as_of) = number_after(content, POSITION).filter(|_| content.starts_with(ALERT)) {
                    let _ = told.try_send(Sighting { witness: 0, as_of, at: Instant::now() });
                }
            };
            while socket.frames(look).await.is_ok() {}
        });
        Ok(Self { alerts, _tasks: tasks })
    }

    /// What came since it was asked last.
    pub(crate) fn alerts(&mut self) -> Vec<Sighting> {
        std::iter::from_fn(|| self.alerts.try_recv().ok()).collect()
    }
}

struct Receiver {
    number: usize,
    boards: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
    witness: Option<mpsc::Sender<Sighting>>,
}

async fn subscribed(
    authority: &str,
    channel: Option<&str>,
    deflates: bool,
    receiver: Receiver,
) -> Result<(Socket, Receiver), BenchError> {
    let subscribing = async {
        let mut socket;
        match channel {
            Some(channel) => {
                // A witness reads what it gets.
                let offers = deflates && receiver.witness.is_none();
                socket = Socket::upgraded(authority, if offers { DEFLATE } else { "" }).await?;
                socket.subscribe(channel, None).await?;
            }
            None => {
                socket = Socket::bare(authority).await?;
                socket.read_until(HEAD_END).await?;
            }
        }
        Ok((socket, receiver))
    };
    let late = || BenchError::Invalid("a socket was not subscribed in time".to_owned());
    timeout(SUBSCRIBE_TIMEOUT, subscribing).await.map_err(|_| late())?
}

/// A frame of this size as a server would send it.
pub(crate) fn frame(bytes: usize) -> Vec<u8> {
    let length = u16::try_from(bytes.saturating_sub(4)).unwrap_or(u16::MAX);
    let head = [&[0x81, 126], &length.to_be_bytes()[..]].concat();
    [head, vec![b'x'; usize::from(length)]].concat()
}

impl Receiver {
    /// Reads until the server closes.
    async fn run((mut socket, receiver): (Socket, Self)) {
        let look = |content: &[u8], bytes| {
            if content.len() >= BOARD_BYTES_MIN {
                receiver.saw(content, bytes);
            }
        };
        while socket.frames(look).await.is_ok() {}
    }

    fn saw(&self, content: &[u8], bytes: usize) {
        self.boards.fetch_add(1, Ordering::Relaxed);
        let Some(witness) = &self.witness else { return };
        self.bytes.store(bytes as u64, Ordering::Relaxed);
        if let Some(as_of) = number_after(content, AS_OF) {
            // A witness whose notes are full says no more.
            let _ = witness.try_send(Sighting { witness: self.number, as_of, at: Instant::now() });
        }
    }
}
