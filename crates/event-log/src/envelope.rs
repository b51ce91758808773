//! The envelope of a battle's event: its metadata as log bytes and back, and the chain of hashes through its stream.
//!
//! Metadata is a JSON object whose last two fields are `prevHash` and `hash`. `hash` is the SHA-256 of the stream's name, the
//! revision, the event's id, type and data, and of the metadata before `,"hash":`, each with its length. So every byte
//! that is stored is covered, by the event's own hash and through `prevHash` by all later ones.

mod fields;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use nimaora_domain::codec::{self, CodecError};
use nimaora_domain::{CommandId, Recorded, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use fields::Fields;

use crate::types::{NewEvent, Position, RecordedEvent, Revision};

/// What surrounds a battle's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The command that appended the event.
    pub command_id: CommandId,
    /// What all that follows from one request has in common.
    pub correlation_id: Uuid,
    /// What the event directly follows from.
    pub causation_id: Uuid,
    /// Who did it: `admin`, `participant:{id}`, `guest` or `system`.
    pub actor: String,
    /// When it was decided.
    pub time: Timestamp,
    /// The W3C trace that it belongs to.
    pub traceparent: Option<String>,
}

/// The hash of a stream's last event; 32 zeros before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainHead([u8; HASH_BYTES]);

/// An event is not what was sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{stream}, revision {revision} (position {position}): {broken}; the history was edited or damaged")]
pub struct ChainError {
    /// The stream.
    pub stream: Arc<str>,
    /// The event's number in it.
    pub revision: Revision,
    /// The event's place in the log.
    pub position: Position,
    /// What differs.
    pub broken: Broken,
}

/// What differs between an event and its seal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The metadata is no envelope.
    #[error("its metadata is no envelope: {0}")]
    Metadata(String),
    /// The event's own hash does not match its bytes.
    #[error("its bytes have the hash {computed}, but it says {stored}")]
    Hash {
        /// What the metadata says, in hex.
        stored: String,
        /// What the bytes say, in hex.
        computed: String,
    },
    /// The event does not follow the one before it.
    #[error("it follows an event with the hash {stored}, but the one before it has {expected}")]
    Previous {
        /// What the metadata says, in hex.
        stored: String,
        /// The hash of the event before it, in hex.
        expected: String,
    },
}

/// An event is none of the domain's.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// Its metadata is no envelope.
    #[error(transparent)]
    Metadata(#[from] ChainError),
    /// Its data is no event that this program knows.
    #[error("{stream}, revision {revision}: {source}")]
    Data {
        /// The stream.
        stream: Arc<str>,
        /// The event's number in it.
        revision: Revision,
        /// What the data lacks.
        source: CodecError,
    },
}

const HASH_BYTES: usize = 32;
const HASH_FIELD: &[u8] = b",\"hash\":\"";
const METADATA_END: &[u8] = b"\"}";
/// `,"hash":"`, 64 digits and `"}`.
const HASH_SUFFIX_BYTES: usize = HASH_FIELD.len() + 2 * HASH_BYTES + METADATA_END.len();
/// The usual length of metadata, so that it is allocated once.
const METADATA_BYTES_EXPECTED: usize = 640;

/// Makes the event that goes in the log at `revision` of `stream`, and moves the chain on.
pub fn seal(
    stream: &str,
    revision: Revision,
    event_id: Uuid,
    event_type: &'static str,
    data: Vec<u8>,
    envelope: &Envelope,
    chain: &mut ChainHead,
) -> NewEvent {
    let mut metadata = metadata_before_hash(envelope, chain);
    let hash = hash(stream, revision, event_id, event_type, &data, metadata.as_bytes());
    metadata.push_str(",\"hash\":\"");
    push_hex(&mut metadata, &hash);
    metadata.push_str("\"}");
    *chain = ChainHead(hash);
    NewEvent {
        id: event_id,
        event_type: event_type.into(),
        data: data.into(),
        metadata: metadata.into_bytes().into(),
    }
}

/// Reads the envelope of an event and checks that it is what was sealed and follows `chain`; then moves the chain on.
///
/// # Errors
/// [`ChainError`] with the place and what differs; the chain stays where it is.
pub fn open(event: &RecordedEvent, chain: &mut ChainHead) -> Result<Envelope, ChainError> {
    let fields = check(event, chain).map_err(|broken| ChainError::at(event, broken))?;
    Ok(fields.into_envelope())
}

/// Like [`open`], and reads what `evolve` needs of a battle's event.
///
/// # Errors
/// [`RecordedError`] when the event is not what was sealed, or is none of the domain's.
pub fn open_recorded(event: &RecordedEvent, chain: &mut ChainHead) -> Result<Recorded, RecordedError> {
    Ok(open_unlinked(event)?.link(event, chain)?)
}

/// An event that has the hash that it says. What it follows was not looked at yet.
#[derive(Debug)]
pub struct Unlinked {
    recorded: Recorded,
    previous: ChainHead,
    own: ChainHead,
}

/// The part of [`open_recorded`] that needs nothing but the event, so that many can be opened on several cores.
///
/// # Errors
/// [`RecordedError`] when the event's bytes are not what was sealed, or it is none of the domain's.
pub fn open_unlinked(event: &RecordedEvent) -> Result<Unlinked, RecordedError> {
    let (fields, own) = check_alone(event).map_err(|broken| ChainError::at(event, broken))?;
    let (recorded, previous) = (recorded(event, &fields)?, fields.prev_hash);
    Ok(Unlinked { recorded, previous, own })
}

impl Unlinked {
    /// Checks that the event follows `chain`, and moves the chain on.
    ///
    /// # Errors
    /// [`ChainError`]; the chain stays where it is.
    pub fn link(self, event: &RecordedEvent, chain: &mut ChainHead) -> Result<Recorded, ChainError> {
        follow(self.previous, self.own, chain).map_err(|broken| ChainError::at(event, broken))?;
        Ok(self.recorded)
    }
}

/// Reads the envelope of an event without checking its hash, for readers that trust the log and need only its content.
///
/// # Errors
/// [`ChainError`] when the metadata is no envelope.
pub fn peek(event: &RecordedEvent) -> Result<Envelope, ChainError> {
    let fields = Fields::parse(&event.metadata).map_err(|broken| ChainError::at(event, broken))?;
    Ok(fields.into_envelope())
}

/// Reads what `evolve` needs of a battle's event, without checking its hash: the cheapest way to a battle's state.
///
/// # Errors
/// [`RecordedError`] when the metadata is no envelope or the data no event of the domain.
pub fn to_recorded(event: &RecordedEvent) -> Result<Recorded, RecordedError> {
    let fields = Fields::parse(&event.metadata).map_err(|broken| ChainError::at(event, broken))?;
    recorded(event, &fields)
}

fn recorded(event: &RecordedEvent, fields: &Fields<'_>) -> Result<Recorded, RecordedError> {
    let decoded = codec::decode(&event.event_type, &event.data).map_err(|source| RecordedError::Data {
        stream: Arc::clone(&event.stream),
        revision: event.revision,
        source,
    })?;
    Ok(Recorded {
        revision: event.revision,
        event_id: event.id,
        command_id: fields.command_id,
        time: fields.time,
        event: decoded,
    })
}

/// The metadata of an event that is what was sealed and follows `chain`, which is moved on.
fn check<'a>(event: &'a RecordedEvent, chain: &mut ChainHead) -> Result<Fields<'a>, Broken> {
    let (fields, own) = check_alone(event)?;
    follow(fields.prev_hash, own, chain)?;
    Ok(fields)
}

/// The metadata of an event whose bytes are what was sealed, and its hash.
fn check_alone(event: &RecordedEvent) -> Result<(Fields<'_>, ChainHead), Broken> {
    let (before, stored) = split_hash(&event.metadata)?;
    let computed = hash(&event.stream, event.revision, event.id, &event.event_type, &event.data, before);
    if computed != stored {
        return Err(Broken::Hash { stored: hex::encode(stored), computed: hex::encode(computed) });
    }
    Ok((Fields::parse(&event.metadata)?, ChainHead(stored)))
}

fn follow(previous: ChainHead, own: ChainHead, chain: &mut ChainHead) -> Result<(), Broken> {
    if previous != *chain {
        return Err(Broken::Previous { stored: hex::encode(previous.0), expected: hex::encode(chain.0) });
    }
    *chain = own;
    Ok(())
}

impl ChainError {
    fn at(event: &RecordedEvent, broken: Broken) -> Self {
        Self { stream: Arc::clone(&event.stream), revision: event.revision, position: event.position, broken }
    }
}

impl ChainHead {
    /// The chain behind `event`, whose own hash is taken as it says. For readers that begin in the middle of a stream.
    ///
    /// # Errors
    /// [`ChainError`] when the metadata holds no hash.
    pub fn after(event: &RecordedEvent) -> Result<Self, ChainError> {
        let (_, hash) = split_hash(&event.metadata).map_err(|broken| ChainError::at(event, broken))?;
        Ok(Self(hash))
    }
}

impl std::fmt::Display for ChainHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for ChainHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChainHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        parse_hash(text.as_bytes())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("no hash of 64 hex digits"))
    }
}

/// The metadata before the hash field, and the hash.
fn split_hash(metadata: &[u8]) -> Result<(&[u8], [u8; HASH_BYTES]), Broken> {
    let no_hash = || Broken::Metadata("it does not end with its hash".to_owned());
    let at = metadata.len().checked_sub(HASH_SUFFIX_BYTES).ok_or_else(no_hash)?;
    let (before, suffix) = metadata.split_at(at);
    let digits = suffix.strip_prefix(HASH_FIELD).and_then(|rest| rest.strip_suffix(METADATA_END));
    let hash = digits.and_then(parse_hash).ok_or_else(no_hash)?;
    Ok((before, hash))
}

/// What each digit stands for. Upper-case digits are none: they would be other bytes with the same hash.
const DIGIT_VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[HEX_DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = 0xff;
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Two are read of each event of an audit, so it does not stop to look at each digit.
fn parse_hash(digits: &[u8]) -> Option<[u8; HASH_BYTES]> {
    let digits: &[u8; 2 * HASH_BYTES] = digits.try_into().ok()?;
    let (mut hash, mut seen) = ([0; HASH_BYTES], 0);
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (DIGIT_VALUES[usize::from(pair[0])], DIGIT_VALUES[usize::from(pair[1])]);
        seen |= high | low;
        *byte = high << 4 | (low & 15);
    }
    (seen & 0xf0 == 0).then_some(hash)
}

fn metadata_before_hash(envelope: &Envelope, chain: &ChainHead) -> String {
    let mut out = String::with_capacity(METADATA_BYTES_EXPECTED);
    out.push_str("{\"$correlationId\":\"");
    push_uuid(&mut out, envelope.correlation_id);
    out.push_str("\",\"$causationId\":\"");
    push_uuid(&mut out, envelope.causation_id);
    out.push_str("\",\"commandId\":\"");
    push_uuid(&mut out, envelope.command_id.0);
    out.push_str("\",\"actor\":");
    push_text(&mut out, &envelope.actor);
    // Writing to a string cannot fail, and a domain time can always be written.
    let time = write!(out, ",\"time\":\"{}\"", envelope.time);
    debug_assert!(time.is_ok());
    if let Some(traceparent) = &envelope.traceparent {
        out.push_str(",\"traceparent\":");
        push_text(&mut out, traceparent);
    }
    out.push_str(",\"prevHash\":\"");
    push_hex(&mut out, &chain.0);
    out.push('"');
    out
}

fn push_uuid(out: &mut String, id: Uuid) {
    out.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}

/// Writes a JSON string. Most texts need no escape.
fn push_text(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

fn push_hex(out: &mut String, bytes: &[u8; HASH_BYTES]) {
    for byte in bytes {
        out.push(char::from(HEX_DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(HEX_DIGITS[usize::from(byte & 15)]));
    }
}

fn hash(
    stream: &str,
    revision: Revision,
    event_id: Uuid,
    event_type: &str,
    data: &[u8],
    metadata: &[u8],
) -> [u8; HASH_BYTES] {
    let mut sha = Sha256::new();
    let mut add = |part: &[u8]| {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    };
    add(stream.as_bytes());
    add(&revision.to_be_bytes());
    add(event_id.as_bytes());
    add(event_type.as_bytes());
    add(data);
    add(metadata);
    sha.finalize().into()
}

#[cfg(test)]
mod tests;
