//! A WebSocket client in as few instructions as it takes: the measurement must not be busier than what is measured.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::BenchError;

/// What ends the head of an HTTP message.
pub const HEAD_END: &[u8] = b"\r\n\r\n";
/// What says in an HTTP head how long the content is.
const LENGTH: &str = "content-length:";

/// A socket that the server has let in. It has read so much beyond what was looked at.
#[derive(Debug)]
pub struct Socket {
    /// The connection.
    pub stream: TcpStream,
    /// What was read and not looked at yet.
    pub read: Vec<u8>,
}

impl Socket {
    /// Connects without a word.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn bare(authority: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Connects and asks for the upgrade; answers once the server has taken it. `extensions` is the header that offers some, or empty.
    ///
    /// # Errors
    /// The connection ends before.
    pub async fn upgraded(authority: &str, extensions: &str) -> Result<Self, BenchError> {
        let mut socket = Self::bare(authority).await?;
        let upgrade = format!(
            "GET /app/nimaora?protocol=7 HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
        );
        socket.stream.write_all(upgrade.as_bytes()).await?;
        socket.read_until(HEAD_END).await?;
        Ok(socket)
    }

    /// Asks for a channel, a private one with its signature, and waits for the confirmation.
    ///
    /// # Errors
    /// The connection ends before.
    pub async fn subscribe(&mut self, channel: &str, signature: Option<&str>) -> Result<(), BenchError> {
        let signed = signature.map(|signature| format!(",{signature}")).unwrap_or_default();
        let text = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"{signed}}}}}"#);
        self.stream.write_all(&masked(text.as_bytes())).await?;
        self.read_until(format!(r#"succeeded","channel":"{channel}""#).as_bytes()).await
    }

    /// The name that the server gave the socket.
    ///
    /// # Errors
    /// The connection ends before it was told.
    pub async fn socket_id(&mut self) -> Result<String, BenchError> {
        const NAME: &[u8] = br#"socket_id\":\""#;
        self.read_until(NAME).await?;
        // What follows is in the same frame, and frames of this size come whole.
        let rest = find(&self.read, NAME).map(|at| &self.read[at + NAME.len()..]).unwrap_or_default();
        Ok(String::from_utf8_lossy(&rest[..find(rest, b"\\").unwrap_or_default()]).into_owned())
    }

    /// Says that it is there.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn ping(&mut self) -> io::Result<()> {
        self.stream.write_all(&masked(br#"{"event":"pusher:ping","data":{}}"#)).await
    }

    /// Reads until `end` has come. Behind a head, only what follows it is kept.
    ///
    /// # Errors
    /// The connection ends before.
    pub async fn read_until(&mut self, end: &[u8]) -> Result<(), BenchError> {
        loop {
            if let Some(at) = find(&self.read, end) {
                if end == HEAD_END {
                    self.read.drain(..at + end.len());
                }
                return Ok(());
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                let said = String::from_utf8_lossy(&self.read).into_owned();
                return Err(BenchError::Invalid(format!("a socket was closed: {said}")));
            }
        }
    }

    /// Waits for the next frames, and lets `look` see the content of each and how many bytes it was with its head.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn frames(&mut self, mut look: impl FnMut(&[u8], usize)) -> io::Result<()> {
        let mut done = 0;
        while let Some((head, length)) = first_frame(&self.read[done..]) {
            look(&self.read[done + head..done + head + length], head + length);
            done += head + length;
        }
        self.read.drain(..done);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// What signs a private channel, as it stands in the subscription, asked for over a connection that is used again.
///
/// # Errors
/// The connection ends, or the server refuses.
pub async fn authorise(
    asking: &mut TcpStream,
    token: &str,
    socket_id: &str,
    channel: &str,
) -> Result<String, BenchError> {
    let form = format!("socket_id={socket_id}&channel_name={channel}");
    let request = format!(
        "POST /broadcasting/auth HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    asking.write_all(request.as_bytes()).await?;
    let answer = http_content(asking).await?;
    let signed = answer.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let signed = signed.filter(|signed| signed.starts_with(r#""auth""#)).map(str::to_owned);
    signed.ok_or_else(|| BenchError::Invalid(format!("a channel was not signed: {answer}")))
}

/// What a server shows at `/metrics`.
///
/// # Errors
/// The connection ends.
pub async fn metrics(url: &str) -> Result<String, BenchError> {
    let authority = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(authority).await?;
    let question = format!("GET /metrics HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn http_content(stream: &mut TcpStream) -> Result<String, BenchError> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = find(&read, HEAD_END) {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix(LENGTH)?.trim().parse::<usize>().ok());
            let from = end + HEAD_END.len();
            if read.len() >= from + length.unwrap_or_default() {
                return Ok(String::from_utf8_lossy(&read[from..]).into_owned());
            }
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

/// Where `part` begins in `bytes`.
pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The number behind `name` in a frame's content.
pub fn number_after(content: &[u8], name: &[u8]) -> Option<u64> {
    let from = find(content, name)? + name.len();
    let digits = content[from..].iter().take_while(|byte| byte.is_ascii_digit());
    digits
        .copied()
        .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// A text in the one frame that clients send here. A mask of zeros is one too.
fn masked(text: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let head = match u8::try_from(text.len()) {
        Ok(length) if length < 126 => vec![0x81, MASKED | length],
        _ => {
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
            [&[0x81, MASKED | 126], &length[..]].concat()
        }
    };
    [&head[..], &[0; 4], text].concat()
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
