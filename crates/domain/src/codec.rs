//! Events as JSON: `{"v":1,...}` under a stable type name.
//!
//! The type name is the name of the variant, the first field is the schema version, and both are pinned by
//! the golden files in `tests/golden`. A change that an old reader would misread gets the next version and a
//! step in [`UPCASTS`]; that table is the only place that knows old shapes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::event::{self, Event};

/// An event as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The stable name of its type.
    pub event_type: &'static str,
    /// Its JSON.
    pub data: Vec<u8>,
}

/// The bytes are no event that this program knows.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// No event has this type; a newer program wrote it.
    #[error("there is no event type '{event_type}'; a newer program may have written it")]
    TypeUnknown {
        /// The type's name.
        event_type: String,
    },
    /// The event's schema is newer than this program.
    #[error(
        "{event_type} has schema version {version}, and this program knows up to {version_max}; upgrade it"
    )]
    VersionNewer {
        /// The type's name.
        event_type: &'static str,
        /// The version of the event.
        version: u32,
        /// The newest version known here.
        version_max: u32,
    },
    /// The event's schema is older than anything that was ever written.
    #[error("{event_type} never had a schema version {version}")]
    VersionUnknown {
        /// The type's name.
        event_type: &'static str,
        /// The version of the event.
        version: u32,
    },
    /// The data is not the JSON of this type.
    #[error("the data of {event_type} is not as its schema says: {error}")]
    Malformed {
        /// The type's name.
        event_type: &'static str,
        /// Where and how it differs.
        #[source]
        error: serde_json::Error,
    },
}

/// Brings the JSON of one version of one type into the shape of the next version. The field `v` is moved on
/// by the caller.
struct Upcast {
    event_type: &'static str,
    from_version: u32,
    apply: fn(Value) -> Value,
}

/// Every step from an old schema version to the next.
const UPCASTS: &[Upcast] = &[
    // A name was a text, and may be an object now in which it is sealed; a text is read as before.
    Upcast { event_type: "ParticipantJoined", from_version: 1, apply: |value| value },
];

/// The usual length of an event, so that its buffer grows once at most.
const DATA_BYTES_EXPECTED: usize = 320;

macro_rules! events {
    ($($name:ident = $version:literal),* $(,)?) => {
        /// The names of all event types.
        pub const EVENT_TYPES: &[&str] = &[$(stringify!($name)),*];

        /// The stable name of the event's type.
        pub fn event_type(event: &Event) -> &'static str {
            match event {
                $(Event::$name(_) => stringify!($name),)*
            }
        }

        /// The event as the log holds it.
        pub fn encode(event: &Event) -> Encoded {
            match event {
                $(Event::$name(body) => Encoded {
                    event_type: stringify!($name),
                    data: write(concat!("{\"v\":", $version), body),
                },)*
            }
        }

        fn decode_with(upcasts: &[Upcast], event_type: &str, data: &[u8]) -> Result<Event, CodecError> {
            match event_type {
                $(stringify!($name) => {
                    let current = Schema {
                        event_type: stringify!($name),
                        version: $version,
                        prefix: concat!("{\"v\":", $version, ","),
                    };
                    read::<event::$name>(&current, upcasts, data).map(Event::$name)
                })*
                _ => Err(CodecError::TypeUnknown { event_type: event_type.to_owned() }),
            }
        }
    };
}

events! {
    BattleCreated = 1,
    BattleStarted = 1,
    BattleFinished = 1,
    BattleCancelled = 1,
    ParticipantJoined = 2,
    SessionReplaced = 1,
    AnswerSubmitted = 1,
    AnswerJudged = 1,
    AttackLanded = 1,
    ParticipantLeft = 1,
    ParticipantRemoved = 1,
    ParticipantsLapsed = 1,
    ParticipantReturned = 1,
    NameErased = 1,
}

/// The event that the log holds as `data` under the name `event_type`.
///
/// # Errors
/// [`CodecError`] says why it is no event that this program knows.
pub fn decode(event_type: &str, data: &[u8]) -> Result<Event, CodecError> {
    decode_with(UPCASTS, event_type, data)
}

/// The newest schema of a type.
struct Schema {
    event_type: &'static str,
    version: u32,
    /// What data of this version begins with.
    prefix: &'static str,
}

/// `opening` is `{"v":1`. Every body has at least one field, so its own brace becomes the comma after the
/// version.
fn write(opening: &str, body: &impl Serialize) -> Vec<u8> {
    let mut data = Vec::with_capacity(DATA_BYTES_EXPECTED);
    data.extend_from_slice(opening.as_bytes());
    let brace = data.len();
    // Numbers, texts and ids always have a JSON form, and writing to memory cannot fail.
    let written = serde_json::to_writer(&mut data, body);
    debug_assert!(written.is_ok());
    if let Some(brace) = data.get_mut(brace) {
        *brace = b',';
    }
    data
}

/// One pass over data of the current version, which every body skips as a field it does not know.
fn read<T: DeserializeOwned>(schema: &Schema, upcasts: &[Upcast], data: &[u8]) -> Result<T, CodecError> {
    let malformed = |error| CodecError::Malformed { event_type: schema.event_type, error };
    if data.starts_with(schema.prefix.as_bytes()) {
        return serde_json::from_slice(data).map_err(malformed);
    }
    let value: Value = serde_json::from_slice(data).map_err(malformed)?;
    serde_json::from_value(upcast(schema, upcasts, value)?).map_err(malformed)
}

fn upcast(schema: &Schema, upcasts: &[Upcast], mut value: Value) -> Result<Value, CodecError> {
    let event_type = schema.event_type;
    let Some(written) = value.get("v").and_then(Value::as_u64).and_then(|v| u32::try_from(v).ok()) else {
        let error = serde::de::Error::custom("the schema version 'v' is missing or no number");
        return Err(CodecError::Malformed { event_type, error });
    };
    if written > schema.version {
        return Err(CodecError::VersionNewer { event_type, version: written, version_max: schema.version });
    }
    for version in written..schema.version {
        let step = upcasts.iter().find(|step| step.event_type == event_type && step.from_version == version);
        value = match step {
            Some(step) => (step.apply)(value),
            None => return Err(CodecError::VersionUnknown { event_type, version }),
        };
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ADA, BOB, balance, created, joined, lapsed, started};

    fn landed() -> Event {
        Event::AttackLanded(event::AttackLanded {
            attacker_id: ADA,
            target_id: BOB,
            blocked: false,
            points_deducted: 1,
            attacker_balance: balance(3, 1, 1),
            target_balance: balance(1, 0, 1),
        })
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let ada = joined(ADA, "Ada \"the\" Ö\u{1F600}", balance(1, 2, 3));
        for event in [created(), started(), ada, landed(), lapsed(ADA)] {
            let encoded = encode(&event);
            assert_eq!(encoded.event_type, event_type(&event));
            let version = if encoded.event_type == "ParticipantJoined" { 2 } else { 1 };
            assert!(encoded.data.starts_with(format!("{{\"v\":{version},\"").as_bytes()));
            assert_eq!(decode(encoded.event_type, &encoded.data).unwrap(), event);
        }
    }

    #[test]
    fn reads_json_that_was_written_by_another_hand() {
        let json = format!("{{ \"participantId\": \"{}\",\n \"new\": null, \"v\": 1 }}", ADA.0);
        let left = Event::ParticipantLeft(event::ParticipantLeft { participant_id: ADA });
        assert_eq!(decode("ParticipantLeft", json.as_bytes()).unwrap(), left);
    }

    #[test]
    fn says_what_it_cannot_read() {
        let said = |event_type, data: &str| decode(event_type, data.as_bytes()).unwrap_err().to_string();
        assert!(said("ParticipantFlew", "{\"v\":1}").contains("'ParticipantFlew'"));
        assert!(said("ParticipantLeft", "{\"v\":2}").contains("up to 1; upgrade"));
        assert!(said("ParticipantLeft", "{\"v\":0}").contains("never had a schema version 0"));
        assert!(said("ParticipantLeft", "{\"v\":1}").contains("participantId"));
        assert!(said("ParticipantLeft", "{\"v\":1,\"participantId\":7}").contains("ParticipantLeft"));
        assert!(said("ParticipantLeft", "{\"v\":1,").contains("column"));
        assert!(said("ParticipantLeft", "{").contains("column"));
        assert!(said("ParticipantLeft", "{}").contains("'v' is missing"));
        assert!(said("ParticipantLeft", "{\"v\":99999999999}").contains("'v' is missing or no number"));
    }

    /// Steps from a version that never was, in which an attack said `pointsLost`.
    const STEPS: &[Upcast] = &[
        Upcast { event_type: "AttackLanded", from_version: 0, apply: with_name_of_today },
        Upcast { event_type: "ParticipantLeft", from_version: 0, apply: |value| value },
    ];

    fn with_name_of_today(mut value: Value) -> Value {
        if let Some(fields) = value.as_object_mut()
            && let Some(points) = fields.remove("pointsLost")
        {
            fields.insert("pointsDeducted".to_owned(), points);
        }
        value
    }

    #[test]
    fn brings_an_old_version_into_the_shape_of_today() {
        let today = String::from_utf8(encode(&landed()).data).unwrap();
        let old = today.replace("\"v\":1", "\"v\":0").replace("pointsDeducted", "pointsLost");
        assert_ne!(old, today);
        assert_eq!(decode_with(STEPS, "AttackLanded", old.as_bytes()).unwrap(), landed());
        let other = decode_with(STEPS, "ParticipantRemoved", b"{\"v\":0}");
        assert!(matches!(other, Err(CodecError::VersionUnknown { version: 0, .. })));
    }
}
