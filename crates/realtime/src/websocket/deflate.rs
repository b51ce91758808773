//! Compressed messages (RFC 7692), each on its own: neither side builds on what it said before. So one compressed frame serves all who
//! take such, and between two messages a socket holds no window.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::error::CloseReason;

/// What a client is answered whose offer is taken.
pub(crate) const TAKEN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

const NAME: &str = "permessage-deflate";
/// What each message ends with before it is sent without it.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// By how much the room for an inflated message grows, in bytes.
const ROOM_BYTES: usize = 1_024;

/// Whether one of the client's offers, as its header lists them, can be taken.
pub(crate) fn is_offered(extensions: &str) -> bool {
    extensions.split(',').any(|offer| {
        let mut words = offer.split(';').map(str::trim);
        words.next().is_some_and(|name| name.eq_ignore_ascii_case(NAME)) && can_be_taken(words)
    })
}

/// Whether all that the offer asks for is so here anyway. A smaller window of the server is not.
fn can_be_taken<'a>(parameters: impl Iterator<Item = &'a str>) -> bool {
    let mut named = Vec::new();
    for parameter in parameters {
        let (name, value) = parameter.split_once('=').map_or((parameter, None), |(n, v)| (n, Some(v)));
        let is_known = match name {
            "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
            "client_max_window_bits" => value
                .is_none_or(|bits| bits.trim_matches('"').parse().is_ok_and(|bits| (8..=15).contains(&bits))),
            _ => false,
        };
        if !is_known || named.contains(&name) {
            return false;
        }
        named.push(name);
    }
    true
}

/// The message compressed; `None` when that makes it no shorter.
pub(crate) fn compress(message: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len() + TAIL.len());
    // What does not fit into the room of the message itself is of no use.
    Compress::new(Compression::default(), false).compress_vec(message, &mut out, FlushCompress::Sync).ok()?;
    out.ends_with(&TAIL).then(|| {
        out.truncate(out.len() - TAIL.len());
        out
    })
}

thread_local! {
    /// It takes more than 40 kB, so a thread makes it once.
    static INFLATING: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// The message as it was before it was compressed. One that grows past `bytes_max` is not read further.
pub(crate) fn inflate(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, CloseReason> {
    INFLATING.with_borrow_mut(|state| {
        // Nothing of the message before can be read by this one, however that ended.
        state.reset(false);
        inflate_in(state, compressed, bytes_max)
    })
}

fn inflate_in(state: &mut Decompress, compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, CloseReason> {
    let mut out = Vec::with_capacity(ROOM_BYTES);
    for part in [compressed, &TAIL] {
        let mut rest = part;
        loop {
            let (taken, made) = (state.total_in(), out.len());
            let status = state.decompress_vec(rest, &mut out, FlushDecompress::Sync);
            if status.is_err() {
                return Err(CloseReason::InvalidText);
            }
            if out.len() > bytes_max {
                return Err(CloseReason::MessageTooBig);
            }
            rest = &rest[(state.total_in() - taken) as usize..];
            if matches!(status, Ok(Status::StreamEnd)) {
                return Ok(out);
            }
            if out.len() == out.capacity() {
                out.reserve(ROOM_BYTES);
            } else if rest.is_empty() || (out.len() == made && state.total_in() == taken) {
                break;
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_browsers_offer_is_taken_and_what_cannot_be_served_is_not() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "Permessage-Deflate; client_max_window_bits=15; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "x-webkit-deflate-frame, permessage-deflate; client_no_context_takeover",
        ] {
            assert!(is_offered(offer), "{offer}");
        }
        for offer in [
            "",
            "permessage-bzip2",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; dictionary",
        ] {
            assert!(!is_offered(offer), "{offer}");
        }
    }

    #[test]
    fn a_message_that_would_grow_without_bound_is_not_read_further() {
        let bomb = compress(&vec![b' '; 1_000_000]).unwrap();
        assert!(bomb.len() < 5_000);
        assert_eq!(inflate(&bomb, 16 * 1_024), Err(CloseReason::MessageTooBig));
        assert_eq!(inflate(&bomb, 1_000_000).unwrap().len(), 1_000_000);
    }

    #[test]
    fn what_is_not_compressed_is_refused_and_an_empty_message_is_one() {
        assert_eq!(inflate(b"\xff\xff\xff", 100), Err(CloseReason::InvalidText));
        assert_eq!(inflate(b"\x00", 100), Ok(Vec::new()));
        // The example of RFC 7692, 7.2.3.1, and the same with the last block marked as such (7.2.3.4).
        assert_eq!(inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00", 100), Ok(b"Hello".to_vec()));
        assert_eq!(inflate(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 100), Ok(b"Hello".to_vec()));
    }

    #[test]
    fn a_message_builds_on_none_before_it() {
        let message = b"battle".repeat(100);
        let mut state = Compress::new(Compression::default(), false);
        let mut parts = [Vec::with_capacity(1_000), Vec::with_capacity(1_000)];
        for part in &mut parts {
            state.compress_vec(&message, part, FlushCompress::Sync).unwrap();
        }
        assert_eq!(inflate(&parts[0], 1_000), Ok(message.clone()));
        // The second one refers to the first.
        assert_ne!(inflate(&parts[1], 1_000), Ok(message.clone()));
        assert_eq!(inflate(&parts[0], 1_000), Ok(message));
    }

    proptest! {
        #[test]
        fn what_is_compressed_is_inflated_to_the_same(words in proptest::collection::vec("[a-f]{0,40}", 0..60)) {
            let message = words.join("battle").into_bytes();
            if let Some(compressed) = compress(&message) {
                prop_assert!(compressed.len() <= message.len());
                prop_assert_eq!(inflate(&compressed, message.len()).unwrap(), message);
            }
        }

        #[test]
        fn nothing_makes_it_fall(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(inflated) = inflate(&bytes, 2_000) {
                prop_assert!(inflated.len() <= 2_000);
            }
        }
    }
}
