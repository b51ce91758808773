//! Events as JSON: a stable type name beside the data, and in the data the schema version `v`, pinned by golden files.
//!
//! A change of an event's shape raises its version and adds one line to [`UPCASTS`]; nothing else knows old versions.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{
    AnswerJudged, AnswerSubmitted, AttackLanded, BattleCancelled, BattleCreated, BattleFinished,
    BattleStarted, Event, ParticipantJoined, ParticipantLeft, ParticipantRemoved, ParticipantReturned,
    ParticipantsLapsed, SessionReplaced,
};

/// Why bytes are no event of ours.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// No event has this type.
    #[error("there is no event type '{0}'; a newer version of the program may have written it")]
    UnknownType(String),
    /// The event was written by a newer program.
    #[error("{event_type} has schema version {version}, and this program knows up to {known}; update it")]
    NewerVersion {
        /// The event's type.
        event_type: &'static str,
        /// The version that was found.
        version: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// The bytes do not fit the type.
    #[error("{event_type} cannot be read: {source}")]
    Malformed {
        /// The event's type.
        event_type: &'static str,
        /// What does not fit.
        source: serde_json::Error,
    },
}

/// An event's shape: its type's name and the newest version of its schema.
struct Shape {
    name: &'static str,
    version: u32,
}

/// One step from an old version of a type's data to the next.
struct Upcast {
    event_type: &'static str,
    from: u32,
    step: fn(Value) -> Value,
}

/// Every step from an old version, for each type in ascending order.
const UPCASTS: &[Upcast] = &[];

#[derive(Deserialize)]
struct Version {
    v: u32,
}

macro_rules! events {
    ($($name:ident $version:literal),+ $(,)?) => {
        /// The name of the event's type, stable for ever.
        pub fn event_type(event: &Event) -> &'static str {
            match event {
                $(Event::$name(_) => stringify!($name),)+
            }
        }

        /// The name of the event's type and its data in the newest version of its schema.
        pub fn encode(event: &Event) -> (&'static str, Vec<u8>) {
            match event {
                $(Event::$name(data) => (stringify!($name), to_json($version, data)),)+
            }
        }

        /// Reads an event of any version that was ever written.
        ///
        /// # Errors
        /// [`CodecError`] for an unknown type, a newer version, or data that does not fit.
        pub fn decode(event_type: &str, data: &[u8]) -> Result<Event, CodecError> {
            match event_type {
                $(stringify!($name) => {
                    let shape = Shape { name: stringify!($name), version: $version };
                    from_json::<$name>(&shape, data, UPCASTS).map(Event::$name)
                })+
                unknown => Err(CodecError::UnknownType(unknown.to_owned())),
            }
        }
    };
}

events! {
    BattleCreated 1,
    BattleStarted 1,
    BattleFinished 1,
    BattleCancelled 1,
    ParticipantJoined 1,
    SessionReplaced 1,
    AnswerSubmitted 1,
    AnswerJudged 1,
    AttackLanded 1,
    ParticipantLeft 1,
    ParticipantRemoved 1,
    ParticipantsLapsed 1,
    ParticipantReturned 1,
}

/// The usual length of an event's data, so that it is allocated once.
const DATA_BYTES_EXPECTED: usize = 320;

fn prefix(version: u32) -> String {
    format!("{{\"v\":{version}")
}

fn to_json<T: Serialize>(version: u32, data: &T) -> Vec<u8> {
    let mut json = Vec::with_capacity(DATA_BYTES_EXPECTED);
    json.extend_from_slice(prefix(version).as_bytes());
    let brace = json.len();
    // Our events are structs with at least one field and string keys, which JSON can always hold.
    if serde_json::to_writer(&mut json, data).is_ok() {
        json[brace] = b',';
    }
    json
}

fn from_json<T: DeserializeOwned>(shape: &Shape, data: &[u8], upcasts: &[Upcast]) -> Result<T, CodecError> {
    let malformed = |source| CodecError::Malformed { event_type: shape.name, source };
    let current = prefix(shape.version);
    if let Some(rest) = data.strip_prefix(current.as_bytes())
        && rest.first() == Some(&b',')
    {
        return serde_json::from_slice(data).map_err(malformed);
    }
    let Version { v: version } = serde_json::from_slice(data).map_err(malformed)?;
    if version > shape.version {
        return Err(CodecError::NewerVersion { event_type: shape.name, version, known: shape.version });
    }
    let mut value: Value = serde_json::from_slice(data).map_err(malformed)?;
    for upcast in upcasts.iter().filter(|u| u.event_type == shape.name && u.from >= version) {
        value = (upcast.step)(value);
    }
    serde_json::from_value(value).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Counted {
        count: u32,
        unit: String,
    }

    const SHAPE: Shape = Shape { name: "Counted", version: 3 };
    const STEPS: &[Upcast] = &[
        Upcast { event_type: "Counted", from: 1, step: |old| serde_json::json!({ "count": old["n"] }) },
        Upcast { event_type: "Other", from: 1, step: |_| Value::Null },
        Upcast {
            event_type: "Counted",
            from: 2,
            step: |mut old| {
                old["unit"] = "points".into();
                old
            },
        },
    ];

    #[test]
    fn every_old_version_is_read_as_the_newest() {
        let expected = || Counted { count: 7, unit: "points".to_owned() };
        for json in [
            r#"{"v":1,"n":7}"#,
            r#"{"v":2,"count":7}"#,
            r#"{"v":3,"count":7,"unit":"points"}"#,
            r#"{"count":7,"unit":"points","v":3}"#,
        ] {
            let read: Counted = from_json(&SHAPE, json.as_bytes(), STEPS).unwrap();
            assert_eq!(read, expected(), "{json}");
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        let error = from_json::<Counted>(&SHAPE, br#"{"v":4,"count":7}"#, STEPS).unwrap_err();
        assert!(matches!(error, CodecError::NewerVersion { version: 4, known: 3, .. }), "{error}");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert!(matches!(decode("Unheard", b"{}"), Err(CodecError::UnknownType(_))));
        for json in ["", "[]", "{}", r#"{"v":1}"#, r#"{"v":1,"participantId":"x"}"#] {
            let error = decode("ParticipantLeft", json.as_bytes()).unwrap_err();
            assert!(matches!(error, CodecError::Malformed { .. }), "{json}");
        }
    }
}
