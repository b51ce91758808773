//! What clients say: one JSON object a message.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Something a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Ping,
    Pong,
}

/// See [`Request::Subscribe`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Subscribe {
    pub(crate) channel: String,
    /// The application's signature, for channels that are not public.
    #[serde(default)]
    pub(crate) auth: Option<String>,
    /// What was signed together with the channel's name, byte for byte.
    #[serde(default)]
    pub(crate) channel_data: Option<String>,
}

/// See [`Request::Unsubscribe`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Unsubscribe {
    pub(crate) channel: String,
}

/// Why a message was not understood. The client is told, and its socket stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misunderstood {
    #[error("the message is no JSON object with an 'event'")]
    NotAnEvent,
    #[error("the event's 'data' is not what this event takes")]
    WrongData,
    #[error("client events are not enabled")]
    ClientEvent,
    #[error("no such event")]
    UnknownEvent,
}

impl Misunderstood {
    /// The protocol's number for it, where it has one.
    pub(crate) fn code(self) -> Option<u16> {
        match self {
            Self::ClientEvent => Some(4301),
            Self::NotAnEvent | Self::WrongData | Self::UnknownEvent => None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// Reads a message.
pub(crate) fn parse(text: &str) -> Result<Request, Misunderstood> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|_| Misunderstood::NotAnEvent)?;
    match &*envelope.event {
        "pusher:ping" => Ok(Request::Ping),
        "pusher:pong" => Ok(Request::Pong),
        "pusher:subscribe" => data(&envelope).map(Request::Subscribe),
        "pusher:unsubscribe" => data(&envelope).map(Request::Unsubscribe),
        event if event.starts_with("client-") => Err(Misunderstood::ClientEvent),
        _ => Err(Misunderstood::UnknownEvent),
    }
}

/// The event's data, which is an object or a string that holds one.
fn data<T: DeserializeOwned>(envelope: &Envelope<'_>) -> Result<T, Misunderstood> {
    let json = envelope.data.ok_or(Misunderstood::WrongData)?.get();
    let parsed = if json.starts_with('"') {
        serde_json::from_str::<String>(json).and_then(|inner| serde_json::from_str(&inner))
    } else {
        serde_json::from_str(json)
    };
    parsed.map_err(|_| Misunderstood::WrongData)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(channel: &str) -> Request {
        Request::Subscribe(Subscribe { channel: channel.to_owned(), auth: None, channel_data: None })
    }

    #[test]
    fn data_may_be_an_object_or_a_string() {
        for text in [
            r#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#,
            r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\"}"}"#,
            r#"{"data":{"channel":"\u0061","auth":null},"event":"pusher\u003asubscribe","channel":null}"#,
        ] {
            assert_eq!(parse(text), Ok(subscribe("a")), "{text}");
        }
    }

    #[test]
    fn pings_need_no_data() {
        assert_eq!(parse(r#"{"event":"pusher:ping","data":{}}"#), Ok(Request::Ping));
        assert_eq!(parse(r#"{"event":"pusher:pong"}"#), Ok(Request::Pong));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, why) in [
            ("", Misunderstood::NotAnEvent),
            ("hello", Misunderstood::NotAnEvent),
            ("[]", Misunderstood::NotAnEvent),
            (r#"{"event":1}"#, Misunderstood::NotAnEvent),
            (r#"{"event":"pusher:subscribe"}"#, Misunderstood::WrongData),
            (r#"{"event":"pusher:subscribe","data":{}}"#, Misunderstood::WrongData),
            (r#"{"event":"pusher:subscribe","data":{"channel":7}}"#, Misunderstood::WrongData),
            (r#"{"event":"pusher:unsubscribe","data":"a"}"#, Misunderstood::WrongData),
            (r#"{"event":"client-typing","channel":"private-a","data":{}}"#, Misunderstood::ClientEvent),
            (r#"{"event":"pusher:signin","data":{}}"#, Misunderstood::UnknownEvent),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
