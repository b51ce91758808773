//! A fuzz target for frames, from the outside: whatever bytes a peer sends after its handshake, it is answered in whole frames of the
//! protocol or closed with one of its codes, and nobody else notices.
//!
//! `FUZZ_CASES` peers (300) one after the other; a failure prints the seed that repeats it as `FUZZ_SEED`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

use fastrand::Rng;
use serde_json::{Value, json};
use support::client::{Client, in_time};
use support::{Arena, KEY, config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CASES: u64 = 300;
/// What a peer may say in one go.
const FRAMES_MAX: usize = 6;
/// The bit of a frame whose message is compressed, and what each compressed message ends with before it is sent.
const COMPRESSED: u8 = 0x40;
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// Close codes that follow from what a peer sends.
const CODES: [u16; 5] = [1000, 1002, 1003, 1007, 1009];
/// What clients say, to be altered.
const MESSAGES: [&str; 8] = [
    r#"{"event":"pusher:ping","data":{}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#,
    r#"{"event":"pusher:subscribe","data":"{\"channel\":\"private-a\",\"auth\":\"k:0\",\"channel_data\":\"{}\"}"}"#,
    r#"{"event":"pusher:unsubscribe","data":{"channel":"news"}}"#,
    r##"{"event":"pusher:signin","data":{"auth":"k:0","user_data":"{\"id\":\"1\",\"watchlist\":[\"2\"]}"}}"##,
    r#"{"event":"client-a","channel":"presence-a","data":{"a":1}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"battle.0190163d-8694-739b-aea5-966c26f8ad91"}}"#,
    "é",
];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

fn payload(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = match rng.u8(..8) {
        0 => Vec::new(),
        1 => (0..rng.usize(..130)).map(|_| rng.u8(..)).collect(),
        2 => vec![b'x'; rng.usize(60_000..70_000)],
        // A close code and perhaps a reason.
        3 => [&rng.u16(..5_000).to_be_bytes()[..], &b"why"[..rng.usize(..4)]].concat(),
        _ => rng.choice(MESSAGES).unwrap().as_bytes().to_vec(),
    };
    if !bytes.is_empty() && rng.u8(..4) == 0 {
        let at = rng.usize(..bytes.len());
        match rng.u8(..3) {
            0 => bytes[at] = rng.u8(..),
            1 => bytes.truncate(at),
            _ => bytes.insert(at, rng.u8(..)),
        }
    }
    bytes
}

/// As a browser compresses a message; now and then one byte of it is another.
fn deflated(rng: &mut Rng, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 100);
    let mut state = flate2::Compress::new(flate2::Compression::default(), false);
    state.compress_vec(message, &mut out, flate2::FlushCompress::Sync).unwrap();
    out.truncate(out.len().saturating_sub(TAIL.len()));
    if !out.is_empty() && rng.u8(..4) == 0 {
        let at = rng.usize(..out.len());
        out[at] = rng.u8(..);
    }
    out
}

fn inflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(100_000);
    let mut state = flate2::Decompress::new(false);
    state.decompress_vec(&[message, &TAIL].concat(), &mut out, flate2::FlushDecompress::Sync).unwrap();
    out
}

/// A frame that is mostly right. Where that was agreed on, half of the messages are compressed.
fn frame(rng: &mut Rng, deflates: bool, bytes: &mut Vec<u8>) {
    let mut payload = payload(rng);
    let opcode = if rng.u8(..8) == 0 { rng.u8(..16) } else { rng.choice([0, 1, 1, 1, 8, 9, 10]).unwrap() };
    let mut reserved = if rng.u8(..16) == 0 { rng.u8(..8) << 4 } else { 0 };
    if deflates && opcode == 1 && rng.bool() {
        payload = deflated(rng, &payload);
        reserved |= COMPRESSED;
    }
    let last = if rng.u8(..4) == 0 { 0 } else { 0x80 };
    let masked = if rng.u8(..16) == 0 { 0 } else { 0x80 };
    bytes.push(last | reserved | opcode);
    // A length may be longer than it need be, or not what follows.
    let told = if rng.u8(..16) == 0 { rng.u64(..) } else { payload.len() as u64 };
    match told {
        0..126 if rng.u8(..8) > 0 => bytes.push(masked | told as u8),
        0..65_536 if rng.u8(..8) > 0 => {
            bytes.push(masked | 126);
            bytes.extend((told as u16).to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend(told.to_be_bytes());
        }
    }
    let mask = rng.u32(..).to_be_bytes();
    if masked > 0 {
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        bytes.extend(payload);
    }
}

/// Opens a socket, sends it all in pieces, ends its side, and answers with what the server said.
async fn say(arena: &Arena, rng: &mut Rng, deflates: bool, bytes: &[u8]) -> Vec<u8> {
    let stream = in_time(TcpStream::connect(arena.address)).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let offer = if deflates { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    let request = format!(
        "GET /app/{KEY}?protocol=7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    );
    let mut pieces = vec![request.into_bytes()];
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rng.usize(1..=rest.len()));
        pieces.push(piece.to_vec());
        rest = more;
    }
    let talking = async {
        for piece in pieces {
            // A server that has closed takes no more.
            if writing.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = writing.shutdown().await;
    };
    let mut heard = Vec::new();
    // A server that has closed resets what is sent to it nevertheless.
    let listening = async { drop(reading.read_to_end(&mut heard).await) };
    in_time(async { tokio::join!(talking, listening) }).await;
    let head = heard.windows(4).position(|part| part == b"\r\n\r\n");
    head.map_or(Vec::new(), |at| heard.split_off(at + 4))
}

/// Reads the server's frames; the last one may have been cut by the end of the connection.
fn check(mut heard: &[u8], deflates: bool) {
    let agreed = if deflates { COMPRESSED } else { 0 };
    while heard.len() >= 4 {
        assert_eq!(heard[0] & 0x70 & !agreed, 0, "nothing was agreed on that uses these bits");
        assert!(heard[0] & 0x80 != 0 && heard[1] & 0x80 == 0, "a whole message, not masked");
        let (head, len) = match heard[1] {
            126 => (4, usize::from(u16::from_be_bytes([heard[2], heard[3]]))),
            127 => panic!("nothing that long is said to a stranger"),
            len => (2, usize::from(len)),
        };
        let Some(payload) = heard.get(head..head + len) else { return };
        match heard[0] & 0x0f {
            1 => {
                let is_compressed = heard[0] & COMPRESSED != 0;
                let text = if is_compressed { inflated(payload) } else { payload.to_vec() };
                assert!(serde_json::from_slice::<Value>(&text).unwrap()["event"].is_string());
            }
            8 if len == 0 => {}
            8 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                assert!(CODES.contains(&code), "closed with {code}");
            }
            10 => assert!(len <= 125),
            other => panic!("a frame of kind {other}"),
        }
        heard = &heard[head + len..];
    }
}

#[tokio::test]
async fn no_bytes_of_a_peer_do_more_than_close_its_own_socket() {
    let seed = variable("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("FUZZ_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let arena = Arena::start(config()).await;
    let mut bystander = Client::connect(&arena).await;
    bystander.subscribe("quiet").await;
    for _ in 0..variable("FUZZ_CASES").unwrap_or(CASES) {
        let (mut bytes, deflates) = (Vec::new(), rng.bool());
        for _ in 0..rng.usize(1..=FRAMES_MAX) {
            frame(&mut rng, deflates, &mut bytes);
        }
        check(&say(&arena, &mut rng, deflates, &bytes).await, deflates);
        bystander.say("pusher:ping", json!({})).await;
        assert_eq!(bystander.event().await.name, "pusher:pong");
    }
}
