//! Messages from clients: masked frames, in any pieces, put together and checked.
//!
//! Between two messages a reader holds no buffer, so that an idle socket costs next to nothing.

use super::{COMPRESSED, CONTROL_BYTES_MAX, Opcode, deflate};
use crate::error::CloseReason;

/// A whole message or control frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// The client closes; it named this code, if any.
    Close(Option<u16>),
}

/// The longest header of a masked frame, in bytes.
const HEADER_BYTES_MAX: usize = 14;

/// Puts a client's messages together from the bytes as they come.
pub(crate) struct Reader {
    message_bytes_max: usize,
    /// Whether the client may compress its messages.
    inflates: bool,
    header: [u8; HEADER_BYTES_MAX],
    header_len: usize,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The payload of that frame, if it is a control frame. They may come between the frames of a message.
    control: Vec<u8>,
    /// The text so far, compressed if its first frame says so.
    text: Vec<u8>,
    is_compressed: bool,
    /// Whether a first frame of a text was read and its last was not.
    within_text: bool,
}

#[derive(Clone, Copy)]
struct Frame {
    opcode: Opcode,
    is_final: bool,
    is_compressed: bool,
    mask: [u8; 4],
    payload_len: usize,
    read: usize,
}

impl Reader {
    /// A reader that takes messages up to this size, and compressed ones if that was agreed on.
    pub(crate) fn new(message_bytes_max: usize, inflates: bool) -> Self {
        Self {
            message_bytes_max,
            inflates,
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            frame: None,
            control: Vec::new(),
            text: Vec::new(),
            is_compressed: false,
            within_text: false,
        }
    }

    /// Takes bytes off `input` until a message is whole; `None` when they end before. After an error nothing more can be read.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Message>, CloseReason> {
        loop {
            let Some(frame) = self.frame else {
                if !self.read_header(input)? {
                    return Ok(None);
                }
                continue;
            };
            let Some(frame) = self.read_payload(frame, input) else { return Ok(None) };
            self.frame = None;
            if let Some(message) = self.finish(frame)? {
                return Ok(Some(message));
            }
        }
    }

    /// Whether the header is whole now.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, CloseReason> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            self.header[self.header_len] = *byte;
            self.header_len += 1;
            if let Some(frame) = parse_header(&self.header[..self.header_len], self.inflates)? {
                self.header_len = 0;
                self.begin(frame)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks the frame against what came before it.
    fn begin(&mut self, frame: Frame) -> Result<(), CloseReason> {
        match frame.opcode {
            Opcode::Binary => return Err(CloseReason::UnsupportedData),
            Opcode::Text if self.within_text => return Err(CloseReason::ProtocolError),
            Opcode::Continuation if !self.within_text => return Err(CloseReason::ProtocolError),
            Opcode::Text | Opcode::Continuation => {
                let room = self.message_bytes_max - self.text.len();
                if frame.payload_len > room {
                    return Err(CloseReason::MessageTooBig);
                }
            }
            Opcode::Close | Opcode::Ping | Opcode::Pong => {}
        }
        if frame.opcode == Opcode::Text {
            self.is_compressed = frame.is_compressed;
        }
        self.frame = Some(frame);
        Ok(())
    }

    /// The frame, once its payload is whole.
    fn read_payload(&mut self, mut frame: Frame, input: &mut &[u8]) -> Option<Frame> {
        let (payload, rest) = input.split_at(input.len().min(frame.payload_len - frame.read));
        *input = rest;
        let target = if frame.opcode.is_control() { &mut self.control } else { &mut self.text };
        let first = frame.read;
        target.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ frame.mask[(first + at) % 4]));
        frame.read += payload.len();
        self.frame = Some(frame);
        (frame.read == frame.payload_len).then_some(frame)
    }

    /// The message that ends with this frame, if one does.
    fn finish(&mut self, frame: Frame) -> Result<Option<Message>, CloseReason> {
        match frame.opcode {
            Opcode::Ping => Ok(Some(Message::Ping(std::mem::take(&mut self.control)))),
            Opcode::Pong => {
                self.control = Vec::new();
                Ok(Some(Message::Pong))
            }
            Opcode::Close => close_code(&std::mem::take(&mut self.control)).map(Message::Close).map(Some),
            Opcode::Text | Opcode::Continuation | Opcode::Binary => {
                self.within_text = !frame.is_final;
                if self.within_text {
                    return Ok(None);
                }
                let mut text = std::mem::take(&mut self.text);
                if self.is_compressed {
                    text = deflate::inflate(&text, self.message_bytes_max)?;
                }
                let text = String::from_utf8(text);
                text.map(Message::Text).map(Some).map_err(|_| CloseReason::InvalidText)
            }
        }
    }
}

/// The frame that this header begins; `None` when the header goes on.
fn parse_header(header: &[u8], inflates: bool) -> Result<Option<Frame>, CloseReason> {
    const FINAL: u8 = 0x80;
    const RESERVED: u8 = 0x70;
    const MASKED: u8 = 0x80;
    let [first, second, ..] = *header else { return Ok(None) };
    let opcode = Opcode::of(first & 0x0f).ok_or(CloseReason::ProtocolError)?;
    let is_final = first & FINAL != 0;
    let short_len = second & !MASKED;
    let broken_control = opcode.is_control() && (!is_final || usize::from(short_len) > CONTROL_BYTES_MAX);
    let is_compressed = first & COMPRESSED != 0;
    // Only a message's first frame says whether it is compressed.
    let is_reserved = match inflates && opcode == Opcode::Text {
        true => first & RESERVED & !COMPRESSED != 0,
        false => first & RESERVED != 0,
    };
    if is_reserved || second & MASKED == 0 || broken_control {
        return Err(CloseReason::ProtocolError);
    }
    let len_bytes = match short_len {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let rest = &header[2..];
    if rest.len() < len_bytes + 4 {
        return Ok(None);
    }
    let (len, mask) = rest.split_at(len_bytes);
    let payload_len = if len.is_empty() {
        u64::from(short_len)
    } else {
        len.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    };
    // The highest bit of a length is reserved; a length that does not fit is over any limit.
    if payload_len >> 63 != 0 {
        return Err(CloseReason::ProtocolError);
    }
    let payload_len = usize::try_from(payload_len).map_err(|_| CloseReason::MessageTooBig)?;
    let mask = [mask[0], mask[1], mask[2], mask[3]];
    Ok(Some(Frame { opcode, is_final, is_compressed, mask, payload_len, read: 0 }))
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, CloseReason> {
    match payload {
        [] => Ok(None),
        [_] => Err(CloseReason::ProtocolError),
        [high, low, message @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(CloseReason::ProtocolError);
            }
            std::str::from_utf8(message).map_err(|_| CloseReason::InvalidText)?;
            Ok(Some(code))
        }
    }
}

#[cfg(test)]
mod tests;
