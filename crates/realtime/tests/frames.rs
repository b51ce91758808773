//! Frames as they come in from the outside, byte by byte and in any form: what the cases of Autobahn's suite for servers send, as far as
//! a server applies that takes texts of JSON and nothing else. The numbers are Autobahn's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use support::client::in_time;
use support::{Arena, KEY, config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FINAL: u8 = 0x80;

/// A connection on which any bytes can be sent.
struct Raw {
    stream: TcpStream,
}

/// A frame of the server.
#[derive(Debug, PartialEq)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0xa1, 0x00, 0xff, 0x37];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    frame
}

/// A message of this length that is answered with a pong of the protocol.
fn question(len: usize) -> Vec<u8> {
    let (head, tail) = (r#"{"event":"pusher:ping","data":""#, r#""}"#);
    format!("{head}{}{tail}", "*".repeat(len - head.len() - tail.len())).into_bytes()
}

impl Raw {
    async fn connect(arena: &Arena) -> Self {
        Self::offering(arena, "", "").await
    }

    /// A connection of a client that says what extensions it knows, and is answered what the server takes of them.
    async fn offering(arena: &Arena, offer: &str, taken: &str) -> Self {
        let mut stream = in_time(TcpStream::connect(arena.address)).await.unwrap();
        let request = format!(
            "GET /app/{KEY}?protocol=7 HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n",
            arena.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(in_time(stream.read_u8()).await.unwrap());
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert_eq!(answer.contains("sec-websocket-extensions"), !taken.is_empty(), "{answer}");
        assert!(answer.contains(taken), "{answer}");
        let mut raw = Self { stream };
        let established = raw.frame().await;
        assert!(String::from_utf8_lossy(&established.payload).contains("connection_established"));
        raw
    }

    /// In pieces of this size, each written for itself.
    async fn send(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece) {
            in_time(self.stream.write_all(piece)).await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    async fn frame(&mut self) -> Frame {
        let first = in_time(self.stream.read_u8()).await.unwrap();
        let len = match in_time(self.stream.read_u8()).await.unwrap() {
            126 => u64::from(in_time(self.stream.read_u16()).await.unwrap()),
            127 => in_time(self.stream.read_u64()).await.unwrap(),
            len => u64::from(len),
        };
        let mut payload = vec![0; len as usize];
        in_time(self.stream.read_exact(&mut payload)).await.unwrap();
        Frame { first, payload }
    }

    async fn expect_answer(&mut self, case: &str) {
        let frame = self.frame().await;
        assert_eq!(frame.first, FINAL | TEXT, "{case}");
        assert!(String::from_utf8_lossy(&frame.payload).contains("pusher:pong"), "{case}: {frame:?}");
    }

    async fn expect_pong(&mut self, case: &str, payload: &[u8]) {
        assert_eq!(self.frame().await, Frame { first: FINAL | PONG, payload: payload.to_vec() }, "{case}");
    }

    /// The server closes with this code and then the connection.
    async fn expect_close(mut self, case: &str, code: u16) {
        let frame = self.frame().await;
        assert_eq!(frame.first, FINAL | CLOSE, "{case}: {frame:?}");
        assert_eq!(frame.payload[..2], code.to_be_bytes(), "{case}");
        self.send(&masked(FINAL | CLOSE, &code.to_be_bytes()), usize::MAX).await;
        let mut rest = Vec::new();
        // A reset is an end too: the server has read less than was sent.
        let _ = in_time(self.stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{case}: {rest:?} follows a close");
    }
}

#[tokio::test]
async fn texts_of_any_length_come_whole_in_any_pieces() {
    let arena = Arena::start(config()).await;
    let mut raw = Raw::connect(&arena).await;
    for (case, len) in [("1.1.2", 125), ("1.1.3", 126), ("1.1.4", 127), ("1.1.5", 128), ("1.1.6", 16_384)] {
        let frame = masked(FINAL | TEXT, &question(len));
        for piece in [1, 997, usize::MAX] {
            raw.send(&frame, piece).await;
            raw.expect_answer(case).await;
        }
    }
    raw.send(&masked(FINAL | TEXT, &question(65_536)), usize::MAX).await;
    raw.expect_close("1.1.8", 1009).await;
    for (case, len) in [("1.2.1", 0), ("1.2.2", 125), ("1.2.7", 65_536)] {
        let mut raw = Raw::connect(&arena).await;
        raw.send(&masked(FINAL | BINARY, &vec![0xfe; len]), usize::MAX).await;
        raw.expect_close(case, 1003).await;
    }
}

#[tokio::test]
async fn pings_are_answered_with_what_they_carry() {
    let arena = Arena::start(config()).await;
    let mut raw = Raw::connect(&arena).await;
    for (case, payload) in [
        ("2.1", vec![]),
        ("2.2", b"Hello, world!".to_vec()),
        ("2.3", vec![0x00, 0xff, 0xfe, 0xfd]),
        ("2.4", vec![0xfe; 125]),
    ] {
        for piece in [usize::MAX, 1] {
            raw.send(&masked(FINAL | PING, &payload), piece).await;
            raw.expect_pong(case, &payload).await;
        }
    }
    // 2.7 to 2.9: pongs that nobody asked for.
    raw.send(
        &[masked(FINAL | PONG, b""), masked(FINAL | PONG, b"x"), masked(FINAL | PING, b"y")].concat(),
        3,
    )
    .await;
    raw.expect_pong("2.9", b"y").await;
    for piece in [usize::MAX, 1] {
        let pings: Vec<_> = (0..10).flat_map(|n| masked(FINAL | PING, &[n])).collect();
        raw.send(&pings, piece).await;
        for n in 0..10 {
            raw.expect_pong("2.10", &[n]).await;
        }
    }
    raw.send(&masked(FINAL | PING, &[0xfe; 126]), usize::MAX).await;
    raw.expect_close("2.5", 1002).await;
}

#[tokio::test]
async fn what_breaks_the_rules_of_frames_is_closed_with_1002() {
    let arena = Arena::start(config()).await;
    let mut cases = Vec::new();
    for bits in 1..8 {
        cases.push((format!("3.{bits}"), masked(FINAL | bits << 4 | TEXT, &question(50))));
    }
    for opcode in (3..8).chain(11..16) {
        cases.push((format!("4, opcode {opcode}"), masked(FINAL | opcode, b"")));
        cases.push((format!("4, opcode {opcode} with a payload"), masked(FINAL | opcode, b"x")));
    }
    for (case, frames) in [
        ("5.1", [masked(PING, b"a"), masked(FINAL, b"b")]),
        ("5.2", [masked(PONG, b"a"), masked(FINAL, b"b")]),
        ("5.9", [masked(FINAL, b"a"), masked(FINAL | TEXT, b"b")]),
        ("5.10", [masked(0, b"a"), masked(FINAL | TEXT, b"b")]),
        ("5.18", [masked(TEXT, b"a"), masked(FINAL | TEXT, b"b")]),
        ("7.3.2", [masked(FINAL | CLOSE, b"a"), vec![]]),
        ("7.3.6", [masked(FINAL | CLOSE, &[[3, 232].to_vec(), vec![b'x'; 124]].concat()), vec![]]),
        ("no mask", [vec![FINAL | TEXT, 2, b'{', b'}'], vec![]]),
        ("a length of 2^63", [vec![FINAL | TEXT, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], vec![]]),
    ] {
        cases.push((case.to_owned(), frames.concat()));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push((format!("7.9, code {code}"), masked(FINAL | CLOSE, &code.to_be_bytes())));
    }
    for (case, bytes) in cases {
        for piece in [usize::MAX, 1] {
            let mut raw = Raw::connect(&arena).await;
            raw.send(&bytes, piece).await;
            raw.expect_close(&case, 1002).await;
        }
    }
}

#[tokio::test]
async fn messages_in_parts_are_put_together_around_pings() {
    let arena = Arena::start(config()).await;
    let mut raw = Raw::connect(&arena).await;
    let whole = question(200);
    let (one, two) = whole.split_at(90);
    raw.send(&[masked(TEXT, one), masked(FINAL, two)].concat(), usize::MAX).await;
    raw.expect_answer("5.3").await;
    for piece in [usize::MAX, 1] {
        let frames = [masked(TEXT, one), masked(FINAL | PING, b"ping"), masked(FINAL, two)].concat();
        raw.send(&frames, piece).await;
        raw.expect_pong("5.6", b"ping").await;
        raw.expect_answer("5.6").await;
    }
    let mut frames = masked(TEXT, b"");
    for byte in &whole {
        frames.extend(masked(0, &[*byte]));
        frames.extend(masked(FINAL | PING, &[*byte]));
    }
    frames.extend(masked(FINAL, b""));
    raw.send(&frames, 1_000).await;
    for byte in &whole {
        raw.expect_pong("5.19", &[*byte]).await;
    }
    raw.expect_answer("5.19").await;
    // Together they are too large, though none is alone.
    let parts: Vec<_> =
        std::iter::once(masked(TEXT, &[b'x'; 9_000])).chain([masked(0, &[b'x'; 9_000])]).collect();
    raw.send(&parts.concat(), usize::MAX).await;
    raw.expect_close("9.3", 1009).await;
}

#[tokio::test]
async fn only_utf_8_is_a_text() {
    let arena = Arena::start(config()).await;
    let mut raw = Raw::connect(&arena).await;
    let text = "{\"event\":\"pusher:ping\",\"data\":\"Hello-µ@ßöäüàá-κόσμε-\u{10ffff}-𝄞\"}".as_bytes();
    for at in 0..=text.len() {
        raw.send(&[masked(TEXT, &text[..at]), masked(FINAL, &text[at..])].concat(), usize::MAX).await;
        raw.expect_answer("6.2").await;
    }
    for (case, wrong) in [
        ("6.3.1", &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..]),
        ("6.4.1", b"\xf4\x90\x80\x80"),
        ("6.6.1", b"\xce"),
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.11.5", b"\xf4\x90\x80\x80x"),
        ("6.14.1", b"\xfe"),
        ("6.18.1", b"\xc0\xaf"),
        ("6.21.1", b"\xed\xa0\x80"),
    ] {
        let mut raw = Raw::connect(&arena).await;
        raw.send(&masked(FINAL | TEXT, wrong), 1).await;
        raw.expect_close(case, 1007).await;
    }
    let mut raw = Raw::connect(&arena).await;
    raw.send(&masked(FINAL | CLOSE, b"\x03\xe8\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), usize::MAX).await;
    raw.expect_close("7.5.1", 1007).await;
}

#[tokio::test]
async fn a_client_that_closes_is_answered_and_nothing_after_it_counts() {
    let arena = Arena::start(config()).await;
    let mut payloads = vec![Vec::new(), vec![3, 232], [vec![3, 232], vec![b'*'; 123]].concat()];
    for code in [1001_u16, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        payloads.push(code.to_be_bytes().to_vec());
    }
    for payload in payloads {
        let mut raw = Raw::connect(&arena).await;
        let frames = [masked(FINAL | CLOSE, &payload), masked(FINAL | PING, b"late")].concat();
        raw.send(&frames, usize::MAX).await;
        raw.expect_close("7.1.3, 7.7", 1000).await;
    }
}

const COMPRESSED: u8 = 0x40;
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const TAKEN: &str = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";

/// As a browser compresses a message.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 100);
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    compress.compress_vec(message, &mut out, flate2::FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

fn inflated(message: &[u8]) -> String {
    let mut out = Vec::with_capacity(10_000);
    let whole = [message, &[0, 0, 0xff, 0xff]].concat();
    let mut inflate = flate2::Decompress::new(false);
    inflate.decompress_vec(&whole, &mut out, flate2::FlushDecompress::Sync).unwrap();
    String::from_utf8(out).unwrap()
}

fn subscribe(battle: impl std::fmt::Display) -> Vec<u8> {
    format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"battle.{battle}"}}}}"#).into_bytes()
}

/// The next board, compressed or not; nothing else is either long or compressed.
async fn board(raw: &mut Raw) -> Frame {
    loop {
        let frame = raw.frame().await;
        if frame.payload.len() > 500 || frame.first & COMPRESSED != 0 {
            return frame;
        }
    }
}

#[tokio::test]
async fn case_12_boards_are_compressed_for_whom_that_was_agreed_with_and_say_the_same() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    for n in 0..10 {
        arena.join(battle, &format!("player-{n}")).await;
    }
    let mut small = Raw::offering(&arena, OFFER, TAKEN).await;
    let mut plain = Raw::connect(&arena).await;
    small.send(&masked(FINAL | COMPRESSED | TEXT, &deflated(&subscribe(battle))), 7).await;
    plain.send(&masked(FINAL | TEXT, &subscribe(battle)), 7).await;
    let (compressed, whole) = (board(&mut small).await, board(&mut plain).await);
    assert_eq!(compressed.first, FINAL | COMPRESSED | TEXT);
    assert_eq!(whole.first, FINAL | TEXT);
    assert_eq!(inflated(&compressed.payload), String::from_utf8(whole.payload.clone()).unwrap());
    assert!(compressed.payload.len() * 2 < whole.payload.len(), "{}", compressed.payload.len());

    // What is short is sent as it is, and a client need not compress either.
    small.send(&masked(FINAL | TEXT, &question(100)), 1_000).await;
    small.expect_answer("uncompressed").await;
    // Only the first frame of a message says that it is compressed.
    let message = deflated(&question(500));
    let (head, tail) = message.split_at(message.len() / 2);
    small.send(&[masked(COMPRESSED | TEXT, head), masked(FINAL | PING, b"!")].concat(), 3).await;
    small.expect_pong("between", b"!").await;
    small.send(&masked(FINAL, tail), 3).await;
    small.expect_answer("in two frames").await;
}

#[tokio::test]
async fn case_13_what_was_not_agreed_on_or_is_not_compressed_closes_the_socket() {
    let arena = Arena::start(config()).await;
    let ping = deflated(&question(100));
    for (case, frames, code) in [
        ("a bomb", masked(FINAL | COMPRESSED | TEXT, &deflated(&vec![b' '; 1_000_000])), 1009),
        ("no compressed bytes", masked(FINAL | COMPRESSED | TEXT, b"\xff\xff\xff\xff"), 1007),
        ("no text in it", masked(FINAL | COMPRESSED | TEXT, &deflated(b"\xff\xfe")), 1007),
        ("a compressed ping", masked(FINAL | COMPRESSED | PING, b"x"), 1002),
        ("another reserved bit", masked(FINAL | 0x20 | TEXT, b"{}"), 1002),
        (
            "a later frame that says so",
            [masked(COMPRESSED | TEXT, &ping[..5]), masked(FINAL | COMPRESSED, &ping[5..])].concat(),
            1002,
        ),
    ] {
        let mut raw = Raw::offering(&arena, OFFER, TAKEN).await;
        raw.send(&frames, 1_000).await;
        raw.expect_close(case, code).await;
    }
    let smaller = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n";
    for offer in ["", smaller] {
        let mut raw = Raw::offering(&arena, offer, "").await;
        raw.send(&masked(FINAL | COMPRESSED | TEXT, &ping), 1_000).await;
        raw.expect_close("not agreed on", 1002).await;
    }
}
