use std::future::poll_fn;
use std::os::fd::AsFd;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::os;

const BOUND: usize = 1_000;
const FILLER: u8 = b'.';

/// A wire that takes little, and its other end.
async fn pair() -> (Wire, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    os::set_send_buffer_bytes(server.as_fd(), 4_096).unwrap();
    server.writable().await.unwrap();
    (Wire::Tcp(server), client)
}

/// An outbox whose wire takes nothing more.
fn blocked(wire: &Wire) -> Outbox {
    let mut outbox = Outbox::default();
    let filler = Bytes::from(vec![FILLER; BOUND]);
    loop {
        match outbox.send(wire, Class::Answer, &filler, BOUND) {
            Sent::Written => {}
            Sent::Waiting => return outbox,
            other => panic!("{other:?}"),
        }
    }
}

fn put(outbox: &mut Outbox, wire: &Wire, class: Class, text: &'static str) -> Sent {
    outbox.send(wire, class, &Bytes::from_static(text.as_bytes()), BOUND * 2)
}

fn put_board(outbox: &mut Outbox, wire: &Wire, key: BoardKey, text: &'static str) -> Sent {
    outbox.send_board(wire, key, &Bytes::from_static(text.as_bytes()), BOUND * 2)
}

/// All that the other end gets, without the filler.
async fn received(mut outbox: Outbox, wire: Wire, mut client: TcpStream) -> String {
    let reading = tokio::spawn(async move {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    poll_fn(|cx| outbox.poll_flush(&wire, cx)).await.unwrap();
    assert!(!outbox.is_waiting(), "an outbox in which nothing waits holds no memory");
    drop(wire);
    let bytes = reading.await.unwrap();
    String::from_utf8(bytes.into_iter().filter(|byte| *byte != FILLER).collect()).unwrap()
}

#[tokio::test]
async fn a_frame_is_written_at_once_when_nothing_waits() {
    let (wire, client) = pair().await;
    let mut outbox = Outbox::default();
    assert_eq!(put(&mut outbox, &wire, Class::Default, "hello"), Sent::Written);
    assert!(!outbox.is_waiting());
    assert_eq!(received(outbox, wire, client).await, "hello");
}

#[tokio::test]
async fn the_urgent_overtake_and_each_class_keeps_its_order() {
    let (wire, client) = pair().await;
    let mut outbox = blocked(&wire);
    for (class, text) in [
        (Class::Default, "score1 "),
        (Class::Broadcast, "news1 "),
        (Class::Attack, "alert1 "),
        (Class::Default, "score2 "),
        (Class::Attack, "alert2 "),
        (Class::Answer, "pong "),
    ] {
        assert_eq!(put(&mut outbox, &wire, class, text), Sent::Waiting);
    }
    put_board(&mut outbox, &wire, 1, "board ");
    outbox.close(Bytes::from_static(b"close"));
    assert_eq!(put(&mut outbox, &wire, Class::Attack, "late"), Sent::Closed);
    let text = received(outbox, wire, client).await;
    assert_eq!(text, "pong alert1 alert2 news1 board score1 score2 close");
}

#[tokio::test]
async fn of_each_board_only_the_newest_waits() {
    let (wire, client) = pair().await;
    let mut outbox = blocked(&wire);
    for (key, text) in [(1, "one-old "), (2, "two-old "), (2, "two "), (1, "one ")] {
        assert_eq!(put_board(&mut outbox, &wire, key, text), Sent::Waiting);
    }
    assert_eq!(received(outbox, wire, client).await, "two one ");
}

#[tokio::test]
async fn a_slow_client_gets_the_newest_board_and_is_cut_off() {
    let (wire, client) = pair().await;
    let mut outbox = blocked(&wire);
    put_board(&mut outbox, &wire, 1, "older ");
    put_board(&mut outbox, &wire, 2, "newest ");
    let flood = "alert ";
    let mut sent = Sent::Waiting;
    let mut count = 0;
    while sent == Sent::Waiting {
        sent = put(&mut outbox, &wire, Class::Attack, flood);
        count += 1;
        assert!(count <= BOUND * 2 / flood.len() + 1, "the bound was passed");
    }
    assert_eq!(sent, Sent::Overflow);
    assert!(outbox.cut_off(Bytes::from_static(b"close")));
    assert!(!outbox.cut_off(Bytes::from_static(b"close")), "a socket is cut off once");
    assert_eq!(received(outbox, wire, client).await, "newest close");
}

#[tokio::test]
async fn a_broken_connection_is_noticed() {
    let (wire, client) = pair().await;
    let mut outbox = blocked(&wire);
    drop(client);
    let flushed = poll_fn(|cx| outbox.poll_flush(&wire, cx)).await;
    assert!(flushed.is_err());
}
