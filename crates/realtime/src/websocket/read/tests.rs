use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1_000;
const FINAL: u8 = 0x80;

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
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

fn text(payload: &str) -> Vec<u8> {
    masked(FINAL | 0x1, payload.as_bytes())
}

/// All messages in `pieces`, and the error that ended them.
fn read(pieces: &[&[u8]]) -> (Vec<Message>, Option<CloseReason>) {
    let mut reader = Reader::new(LIMIT, false);
    let mut messages = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match reader.next(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(reason) => return (messages, Some(reason)),
            }
        }
        assert!(input.is_empty(), "bytes were left over");
    }
    (messages, None)
}

#[track_caller]
fn check_refused(bytes: &[u8], reason: CloseReason) {
    assert_eq!(read(&[bytes]), (vec![], Some(reason)));
}

#[test]
fn messages_come_whole_however_the_bytes_are_split() {
    let mut bytes = text("{\"event\":\"é\"}");
    bytes.extend(masked(0x1, b"two "));
    bytes.extend(masked(FINAL | 0x9, b"between"));
    bytes.extend(masked(0x0, b""));
    bytes.extend(masked(FINAL, b"halves"));
    bytes.extend(text(&"x".repeat(300)));
    bytes.extend(masked(FINAL | 0xa, b"pong"));
    bytes.extend(masked(FINAL | 0x8, b"\x03\xe8bye"));
    let whole = vec![
        Message::Text("{\"event\":\"é\"}".to_owned()),
        Message::Ping(b"between".to_vec()),
        Message::Text("two halves".to_owned()),
        Message::Text("x".repeat(300)),
        Message::Pong,
        Message::Close(Some(1000)),
    ];
    for at in 0..=bytes.len() {
        assert_eq!(read(&[&bytes[..at], &bytes[at..]]), (whole.clone(), None), "split at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), (whole, None));
}

#[test]
fn frames_that_break_the_rules_are_refused() {
    let mut unmasked = text("hi");
    unmasked[1] &= 0x7f;
    check_refused(&unmasked, CloseReason::ProtocolError);
    for reserved in [0x40, 0x20, 0x10] {
        check_refused(&masked(FINAL | reserved | 0x1, b"hi"), CloseReason::ProtocolError);
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        check_refused(&masked(FINAL | opcode, b"hi"), CloseReason::ProtocolError);
    }
    for control in [0x8, 0x9, 0xa] {
        check_refused(&masked(control, b""), CloseReason::ProtocolError);
        check_refused(&masked(FINAL | control, &[0; 126]), CloseReason::ProtocolError);
    }
    check_refused(&masked(FINAL, b"nothing to continue"), CloseReason::ProtocolError);
    let twice = [masked(0x1, b"begun"), masked(FINAL | 0x1, b"again")].concat();
    check_refused(&twice, CloseReason::ProtocolError);
    check_refused(&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], CloseReason::ProtocolError);
}

#[test]
fn binary_oversize_and_broken_text_have_their_own_codes() {
    check_refused(&masked(FINAL | 0x2, b"hi"), CloseReason::UnsupportedData);
    check_refused(&text(&"x".repeat(LIMIT + 1)), CloseReason::MessageTooBig);
    let parts = [masked(0x1, &[b'x'; LIMIT]), masked(FINAL, b"x")].concat();
    check_refused(&parts, CloseReason::MessageTooBig);
    assert_eq!(read(&[&text(&"x".repeat(LIMIT))]).1, None);
    check_refused(&masked(FINAL | 0x1, b"\xc3\x28"), CloseReason::InvalidText);
}

#[test]
fn a_close_frame_is_checked_too() {
    assert_eq!(read(&[&masked(FINAL | 0x8, b"")]).0, [Message::Close(None)]);
    check_refused(&masked(FINAL | 0x8, b"\x03"), CloseReason::ProtocolError);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000] {
        check_refused(&masked(FINAL | 0x8, &code.to_be_bytes()), CloseReason::ProtocolError);
    }
    check_refused(&masked(FINAL | 0x8, b"\x03\xe8\xff"), CloseReason::InvalidText);
}

#[test]
fn an_idle_reader_holds_no_buffer() {
    let mut reader = Reader::new(LIMIT, false);
    let bytes = [text("hi"), masked(FINAL | 0x9, b"ping"), masked(FINAL | 0xa, b"pong")].concat();
    let mut input = &bytes[..];
    while reader.next(&mut input).unwrap().is_some() {}
    assert_eq!((reader.text.capacity(), reader.control.capacity()), (0, 0));
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_read_alike(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
    ) {
        let at = at.index(bytes.len() + 1);
        prop_assert_eq!(read(&[&bytes]), read(&[&bytes[..at], &bytes[at..]]));
    }

    #[test]
    fn texts_survive_any_fragmentation(parts in proptest::collection::vec("\\PC{0,20}", 1..10)) {
        let last = parts.len() - 1;
        let bytes: Vec<u8> = parts
            .iter()
            .enumerate()
            .flat_map(|(at, part)| {
                let first = u8::from(at == 0) | if at == last { FINAL } else { 0 };
                masked(first, part.as_bytes())
            })
            .collect();
        prop_assert_eq!(read(&[&bytes]), (vec![Message::Text(parts.concat())], None));
    }
}
