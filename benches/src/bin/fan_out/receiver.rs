//! The sockets' other ends: they count frames, and some of them note when which board came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use nimaora_benches::BenchError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What ends the answer to an upgrade to WebSocket.
pub(crate) const HANDSHAKE_END: &[u8] = b"\r\n\r\n";
/// Sockets that connect at a time.
const CONNECTING_MAX: usize = 100;
/// How long a socket may take until it is subscribed.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(60);
/// Frames below this are answers and pings; a board of ten lines has more than 1,000 bytes.
const BOARD_BYTES_MIN: usize = 500;
/// One socket of so many is a witness.
const WITNESS_EVERY: usize = 64;
/// What witnesses have seen and was not collected yet; more is not recorded.
const SIGHTINGS_MAX: usize = 1_000_000;

/// A board that came to a witness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    pub(crate) witness: usize,
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
    /// Connects the sockets and waits until each is subscribed to the channel. Without a channel they only connect.
    ///
    /// # Errors
    /// One does not get there in time.
    pub(crate) async fn connect(
        url: &str,
        sockets: usize,
        channel: Option<&str>,
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
            connecting.push(subscribed(&authority, channel, receiver));
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

struct Receiver {
    number: usize,
    boards: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
    witness: Option<mpsc::Sender<Sighting>>,
}

type Connected = (TcpStream, Vec<u8>, Receiver);

async fn subscribed(
    authority: &str,
    channel: Option<&str>,
    receiver: Receiver,
) -> Result<Connected, BenchError> {
    let subscribing = async {
        let mut stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let mut read = Vec::new();
        let Some(channel) = channel else {
            read_until(&mut stream, &mut read, HANDSHAKE_END).await?;
            return Ok((stream, read, receiver));
        };
        let upgrade = format!(
            "GET /app/nimaora?protocol=7 HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).await?;
        read_until(&mut stream, &mut read, HANDSHAKE_END).await?;
        let subscribe = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#);
        stream.write_all(&masked(subscribe.as_bytes())).await?;
        read_until(&mut stream, &mut read, b"subscription_succeeded").await?;
        Ok((stream, read, receiver))
    };
    let late = || BenchError::Invalid("a socket was not subscribed in time".to_owned());
    timeout(SUBSCRIBE_TIMEOUT, subscribing).await.map_err(|_| late())?
}

/// Reads until `end` has come, and keeps what came behind the handshake.
async fn read_until(stream: &mut TcpStream, read: &mut Vec<u8>, end: &[u8]) -> Result<(), BenchError> {
    loop {
        if let Some(at) = find(read, end) {
            if end == HANDSHAKE_END {
                read.drain(..at + end.len());
            }
            return Ok(());
        }
        if stream.read_buf(read).await? == 0 {
            let said = String::from_utf8_lossy(read).into_owned();
            return Err(BenchError::Invalid(format!("a socket was closed: {said}")));
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// A short text in the one frame that clients send here. A mask of zeros is one too.
fn masked(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX).min(125);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text].concat()
}

/// A frame of this size as a server would send it.
pub(crate) fn frame(bytes: usize) -> Vec<u8> {
    let length = u16::try_from(bytes.saturating_sub(4)).unwrap_or(u16::MAX);
    let head = [&[0x81, 126], &length.to_be_bytes()[..]].concat();
    [head, vec![b'x'; usize::from(length)]].concat()
}

/// The first frame's head and content in `bytes`, if it is whole.
fn first_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let length = usize::from(*bytes.get(1)? & 0x7f);
    let (head, length) = match length {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        short => (2, short),
    };
    (bytes.len() >= head + length).then_some((head, length))
}

impl Receiver {
    /// Reads until the server closes.
    async fn run((mut stream, mut read, receiver): Connected) {
        loop {
            let mut done = 0;
            while let Some((head, length)) = first_frame(&read[done..]) {
                let content = &read[done + head..done + head + length];
                if length >= BOARD_BYTES_MIN {
                    receiver.saw(content, head + length);
                }
                done += head + length;
            }
            read.drain(..done);
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    fn saw(&self, content: &[u8], bytes: usize) {
        self.boards.fetch_add(1, Ordering::Relaxed);
        let Some(witness) = &self.witness else { return };
        self.bytes.store(bytes as u64, Ordering::Relaxed);
        if let Some(as_of) = as_of(content) {
            // A witness whose notes are full says no more.
            let _ = witness.try_send(Sighting { witness: self.number, as_of, at: Instant::now() });
        }
    }
}

/// The position in a board. The board is a text within a text, so its quotes are escaped.
fn as_of(content: &[u8]) -> Option<u64> {
    const NAME: &[u8] = br#"as_of\":"#;
    let from = find(content, NAME)? + NAME.len();
    let digits = content[from..].iter().take_while(|byte| byte.is_ascii_digit());
    digits
        .copied()
        .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}
