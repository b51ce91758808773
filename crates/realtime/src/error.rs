//! How a socket or a subscription is told that something is not as it should be.

use nimaora_read_models::StoreError;

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Anybody could sign with an empty secret.
    #[error("the realtime service has no secret; set app_secret to the same long random text on every node")]
    SecretMissing,
    /// The system gives no thread for sending to many.
    #[error("no thread could be started for sending to many sockets: {0}")]
    Thread(#[source] std::io::Error),
}

/// Why the server closes a socket. The numbers are RFC 6455's and the Pusher protocol's; what a client does next follows from
/// them: 4000–4099 it stays away, 4100–4199 it comes back after a second, 4200–4299 at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client has closed; its frame is answered.
    Answered,
    /// A frame breaks RFC 6455.
    ProtocolError,
    /// A binary message.
    UnsupportedData,
    /// A text that is not UTF-8.
    InvalidText,
    /// A message over the limit.
    MessageTooBig,
    /// The key in the path is not this application's.
    UnknownApp,
    /// The path is no application's.
    PathNotFound,
    /// The protocol's version is no number.
    BadVersion,
    /// A version of the protocol that is not spoken here.
    UnsupportedProtocol,
    /// No version of the protocol was named.
    NoProtocol,
    /// The session that this socket listened for has ended.
    SessionEnded,
    /// The application has ended all sockets of this user.
    Terminated,
    /// A page of another origin.
    OriginRefused,
    /// The node has as many sockets as it takes.
    NodeFull,
    /// The client reads more slowly than it is written to.
    TooSlow,
    /// The node is stopping.
    Draining,
    /// The client did not answer a ping.
    NoPong,
}

impl CloseReason {
    /// The number in the close frame.
    pub fn code(self) -> u16 {
        match self {
            Self::Answered => 1000,
            Self::ProtocolError => 1002,
            Self::UnsupportedData => 1003,
            Self::InvalidText => 1007,
            Self::MessageTooBig => 1009,
            Self::UnknownApp => 4001,
            Self::PathNotFound => 4005,
            Self::BadVersion => 4006,
            Self::UnsupportedProtocol => 4007,
            Self::NoProtocol => 4008,
            Self::SessionEnded | Self::Terminated | Self::OriginRefused => 4009,
            Self::NodeFull | Self::TooSlow => 4100,
            Self::Draining => 4200,
            Self::NoPong => 4201,
        }
    }

    /// What the client is told. At most 123 bytes, as RFC 6455 wants it.
    pub fn message(self) -> &'static str {
        match self {
            Self::Answered => "",
            Self::ProtocolError => "the frame breaks RFC 6455",
            Self::UnsupportedData => "binary messages are not supported; send text",
            Self::InvalidText => "the text is not UTF-8",
            Self::MessageTooBig => "the message is too big",
            Self::UnknownApp => "no application has this key",
            Self::PathNotFound => "connect to /app/{key}",
            Self::BadVersion => "the protocol version is no number",
            Self::UnsupportedProtocol => "this protocol version is not supported; use 5, 6 or 7",
            Self::NoProtocol => "no protocol version: add ?protocol=7",
            Self::SessionEnded => "this session has ended; sign in again",
            Self::Terminated => "the application has ended this connection",
            Self::OriginRefused => "pages of this origin may not connect",
            Self::NodeFull => "the node is full; try again",
            Self::TooSlow => "too slow to read; connect again",
            Self::Draining => "the node is stopping; connect again",
            Self::NoPong => "no answer to a ping; connect again",
        }
    }

    /// The reason's name as a metric's label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ProtocolError => "protocol_error",
            Self::UnsupportedData => "unsupported_data",
            Self::InvalidText => "invalid_text",
            Self::MessageTooBig => "message_too_big",
            Self::UnknownApp => "unknown_app",
            Self::PathNotFound => "path_not_found",
            Self::BadVersion => "bad_version",
            Self::UnsupportedProtocol => "unsupported_protocol",
            Self::NoProtocol => "no_protocol",
            Self::SessionEnded => "session_ended",
            Self::Terminated => "terminated",
            Self::OriginRefused => "origin_refused",
            Self::NodeFull => "node_full",
            Self::TooSlow => "too_slow",
            Self::Draining => "draining",
            Self::NoPong => "no_pong",
        }
    }
}

/// Why a channel is not for this socket, or not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name follows no known pattern.
    #[error(
        "no such channel; letters, digits and _-=@,.; make a name, and ids follow battle., attacks.battle., presence-battle. and private-participant."
    )]
    UnknownChannel,
    /// The messages to a user, for a socket that has not signed in as it.
    #[error("sign in as this user first")]
    NotSignedIn,
    /// A socket that has signed in as somebody else.
    #[error("this socket has signed in as somebody else")]
    OtherUser,
    /// A private channel without a signature.
    #[error("a private channel needs 'auth'")]
    SignatureMissing,
    /// The signature does not fit the socket, the channel and the data.
    #[error("the signature is not valid for this socket and channel")]
    SignatureWrong,
    /// The signed data does not say whose channel it is.
    #[error("'channel_data' is not what this channel takes")]
    DataWrong,
    /// Somebody else's channel.
    #[error("this channel is not yours")]
    Foreign,
    /// A newer sign-in has taken over, or the participant is gone.
    #[error("this session has ended; sign in again")]
    SessionEnded,
    /// There is no such battle.
    #[error("no such battle")]
    UnknownBattle,
    /// The socket has as many channels as it may.
    #[error("too many channels on one socket")]
    TooManyChannels,
    /// A user that watches more others than it may.
    #[error("a watchlist has at most 100 users")]
    WatchlistTooLong,
    /// A store does not answer.
    #[error("the server cannot look this up now; try again")]
    Unavailable,
}

impl Refusal {
    /// The error's class in the frame.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::SignatureMissing
            | Self::SignatureWrong
            | Self::DataWrong
            | Self::Foreign
            | Self::NotSignedIn
            | Self::OtherUser
            | Self::SessionEnded => "AuthError",
            Self::UnknownChannel | Self::UnknownBattle => "ChannelError",
            Self::TooManyChannels | Self::WatchlistTooLong => "LimitReached",
            Self::Unavailable => "Unavailable",
        }
    }

    /// The HTTP status that says the same.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::SignatureMissing | Self::SignatureWrong | Self::DataWrong => 401,
            Self::Foreign | Self::NotSignedIn | Self::OtherUser | Self::SessionEnded => 403,
            Self::UnknownChannel | Self::UnknownBattle => 404,
            Self::TooManyChannels | Self::WatchlistTooLong => 429,
            Self::Unavailable => 503,
        }
    }

    /// The protocol's number for it, for who wants to sign in.
    pub(crate) fn sign_in_code(self) -> u16 {
        match self {
            Self::WatchlistTooLong => 4302,
            Self::UnknownChannel
            | Self::NotSignedIn
            | Self::OtherUser
            | Self::SignatureMissing
            | Self::SignatureWrong
            | Self::DataWrong
            | Self::Foreign
            | Self::SessionEnded
            | Self::UnknownBattle
            | Self::TooManyChannels
            | Self::Unavailable => CloseReason::SessionEnded.code(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotHeld(_) => Self::UnknownBattle,
            StoreError::Constraint { .. }
            | StoreError::Overtaken { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Damaged { .. } => Self::Unavailable,
        }
    }
}
