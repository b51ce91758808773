//! Frames to clients: unmasked, whole, and made once for all that get them.

use bytes::Bytes;

use super::{COMPRESSED, CONTROL_BYTES_MAX, Opcode, deflate};

/// The longest header of an unmasked frame, in bytes.
const HEADER_BYTES_MAX: usize = 10;

/// A text message in one frame.
pub(crate) fn text(payload: &str) -> Bytes {
    frame(Opcode::Text, payload.as_bytes())
}

/// The same text for those who take compressed messages; as it is when compressing makes it no shorter.
pub(crate) fn compressed(text: &Bytes) -> Bytes {
    match deflate::compress(&payload(text)) {
        Some(payload) => with_head(Opcode::Text.bits() | COMPRESSED, &payload),
        None => text.clone(),
    }
}

/// The answer to a ping, with its payload.
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    frame(Opcode::Pong, payload)
}

/// A close frame. The message is cut to what fits.
pub(crate) fn close(code: u16, message: &str) -> Bytes {
    let cut = message.floor_char_boundary(CONTROL_BYTES_MAX - 2);
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&message.as_bytes()[..cut]);
    frame(Opcode::Close, &payload)
}

/// What is in a frame that was made here.
pub(crate) fn payload(frame: &Bytes) -> Bytes {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => HEADER_BYTES_MAX,
        Some(_) | None => 2,
    };
    frame.slice(header.min(frame.len())..)
}

fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    with_head(opcode.bits(), payload)
}

fn with_head(bits: u8, payload: &[u8]) -> Bytes {
    const FINAL: u8 = 0x80;
    let mut frame = Vec::with_capacity(HEADER_BYTES_MAX + payload.len());
    frame.push(FINAL | bits);
    let len = payload.len();
    if len <= CONTROL_BYTES_MAX {
        frame.push(len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        frame.push(126);
        frame.extend_from_slice(&len.to_be_bytes());
    } else {
        frame.push(127);
        frame.extend_from_slice(&(len as u64).to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_takes_as_few_bytes_as_it_can() {
        for (len, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xff, 0xff]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = text(&"x".repeat(len));
            assert_eq!(frame[..header.len()], header, "{len}");
            assert_eq!(payload(&frame), frame[header.len()..], "{len}");
            assert_eq!(frame.len(), header.len() + len);
        }
    }

    #[test]
    fn a_close_frame_fits_into_a_control_frame() {
        let frame = close(4100, &"é".repeat(100));
        assert_eq!(frame[..4], [0x88, 124, 0x10, 0x04]);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
