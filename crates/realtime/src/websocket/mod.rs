//! The WebSocket protocol (RFC 6455) as a server needs it: frames to clients, messages from clients, compressed ones (RFC 7692) too.

pub(crate) mod deflate;
pub(crate) mod encode;
pub(crate) mod read;

/// What the first four bits of a frame's first byte may say; the rest of the sixteen are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The bit of a message's first byte that says that it is compressed, where that was agreed on.
const COMPRESSED: u8 = 0x40;

/// The largest payload of a close, ping or pong.
const CONTROL_BYTES_MAX: usize = 125;
