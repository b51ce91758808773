//! What clients say: one JSON object a message.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The longest name of an event, in characters; the protocol's own bound.
const EVENT_CHARS_MAX: usize = 200;

/// Something a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    SignIn(SignIn),
    ClientEvent(ClientEvent),
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

/// See [`Request::SignIn`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct SignIn {
    /// The application's signature.
    pub(crate) auth: String,
    /// Who signs in, byte for byte as it was signed.
    pub(crate) user_data: String,
}

/// See [`Request::ClientEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientEvent {
    pub(crate) name: String,
    pub(crate) channel: String,
    /// JSON, as it is sent on.
    pub(crate) data: String,
}

/// Why a message was not understood. The client is told, and its socket stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misunderstood {
    #[error("the message is no JSON object with an 'event'")]
    NotAnEvent,
    #[error("the event's 'data' is not what this event takes")]
    WrongData,
    #[error("clients send no events here")]
    ClientEventsOff,
    #[error("too many client events in a second")]
    ClientEventsTooMany,
    #[error(
        "clients send events to private and presence channels that they are subscribed to; not to encrypted ones, and not to those of a battle"
    )]
    ClientEventWrong,
    #[error("no such event")]
    UnknownEvent,
}

impl Misunderstood {
    /// The protocol's number for it, where it has one.
    pub(crate) fn code(self) -> Option<u16> {
        match self {
            Self::ClientEventsOff | Self::ClientEventsTooMany => Some(4301),
            Self::ClientEventWrong => Some(4009),
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
    #[serde(borrow, default)]
    channel: Option<Cow<'a, str>>,
}

/// Reads a message.
pub(crate) fn parse(text: &str) -> Result<Request, Misunderstood> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|_| Misunderstood::NotAnEvent)?;
    match &*envelope.event {
        "pusher:ping" => Ok(Request::Ping),
        "pusher:pong" => Ok(Request::Pong),
        "pusher:subscribe" => data(&envelope).map(Request::Subscribe),
        "pusher:unsubscribe" => data(&envelope).map(Request::Unsubscribe),
        "pusher:signin" => data(&envelope).map(Request::SignIn),
        event if event.starts_with("client-") => client_event(&envelope).map(Request::ClientEvent),
        _ => Err(Misunderstood::UnknownEvent),
    }
}

fn client_event(envelope: &Envelope<'_>) -> Result<ClientEvent, Misunderstood> {
    let channel = envelope.channel.as_deref().ok_or(Misunderstood::ClientEventWrong)?;
    if envelope.event.chars().count() > EVENT_CHARS_MAX {
        return Err(Misunderstood::ClientEventWrong);
    }
    let data = envelope.data.map_or("null", RawValue::get);
    Ok(ClientEvent {
        name: envelope.event.clone().into_owned(),
        channel: channel.to_owned(),
        data: data.to_owned(),
    })
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
    fn a_client_event_is_sent_on_as_it_came() {
        let text = r#"{"event":"client-typing","channel":"private-a","data":{"a": "\u00e9"}}"#;
        let expected = ClientEvent {
            name: "client-typing".to_owned(),
            channel: "private-a".to_owned(),
            data: r#"{"a": "\u00e9"}"#.to_owned(),
        };
        assert_eq!(parse(text), Ok(Request::ClientEvent(expected)));
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
            (r#"{"event":"client-typing","data":{}}"#, Misunderstood::ClientEventWrong),
            (r#"{"event":"pusher:signin","data":{}}"#, Misunderstood::WrongData),
            (r#"{"event":"pusher:other","data":{}}"#, Misunderstood::UnknownEvent),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
