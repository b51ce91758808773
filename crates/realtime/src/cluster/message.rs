//! What nodes say to each other: a byte with the version of the form, the sender, then JSON.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::asking::{ChannelState, Query};

/// A node from its start to its end. A node that starts again is another one.
pub(crate) type NodeId = Uuid;

/// The form that is written, and the only one that is read.
const FORM: u8 = 1;
const HEADER_BYTES: usize = 17;

/// Which state of a channel on its node something is about: the channel's life there, and the changes since that began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) life: u64,
    pub(crate) change: u64,
}

/// What a node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Say {
    /// It lives; who has not said so to it before is to say so too when it greets.
    Alive { greets: bool },
    /// It stops. Its members are gone.
    Stopping,
    /// Who is in this channel on that node, or on all?
    Who { channel: Arc<str>, of: Option<NodeId> },
    /// The members of a channel on the sender.
    Here(Here),
    /// Somebody came to the sender.
    Came { channel: Arc<str>, version: Version, user_id: Arc<str>, info: Arc<str> },
    /// Somebody went from the sender; whether it is nowhere now, as far as the sender knows.
    Went { channel: Arc<str>, version: Version, user_id: Arc<str>, is_last: bool },
    /// So many sockets of the sender listen to this channel.
    Count { channel: Arc<str>, sockets: Sockets },
    /// Where the sender stands in each of its channels whose members or sockets all nodes know.
    Stands { channels: Vec<(Arc<str>, Stand)> },
    /// The sender may have missed something: where do the others stand?
    Compare,
    /// The signature of a request that the sender has carried out.
    Done { signature: Box<str> },
    /// All who listen to a channel are told something.
    Event(Event),
    /// What a cache channel was told last, for a node that asked who is there.
    Last(Event),
    /// All sockets of a user are to be closed.
    Terminate { user_id: Arc<str> },
    /// What is on the sender.
    Whereabouts { about: About, word: Word },
    /// Which channels are there?
    Ask { id: u64, query: Query },
    /// These are, in answer to a question of that node.
    Tell { to: NodeId, id: u64, is_last: bool, channels: Vec<(Arc<str>, ChannelState)> },
}

/// So many sockets of one channel, and when that was counted: a higher number is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Sockets {
    pub(crate) number: u64,
    pub(crate) count: usize,
}

/// What a node has said of a channel so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Stand {
    /// Of its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Version>,
    /// Of its sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sockets: Option<Sockets>,
}

/// What a word about whereabouts is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum About {
    /// Channels that have sockets. Said where webhooks tell of them.
    Channels,
    /// Users that have signed in.
    Users,
}

/// What a node says of what is on it, each change with the next number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Word {
    /// This has come; whether it was nowhere before, as far as the sender knows.
    There { number: u64, key: Arc<str>, is_new: bool },
    /// This is there no more.
    Gone { number: u64, key: Arc<str> },
    /// So far it has said so much.
    Still { number: u64 },
    /// What is on that node?
    Ask { of: NodeId },
    /// All that is on the sender.
    Whole(Whole),
}

/// See [`Word::Whole`]. Much takes several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Whole {
    pub(crate) number: u64,
    pub(crate) part: u32,
    pub(crate) parts: u32,
    pub(crate) keys: Vec<Arc<str>>,
}

/// Something that an application or a client says to a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) channel: Arc<str>,
    pub(crate) name: Arc<str>,
    /// JSON, as it is sent on.
    pub(crate) data: Arc<str>,
    /// The member that says it, in a presence channel.
    pub(crate) user_id: Option<Arc<str>>,
    /// The socket that is left out.
    pub(crate) except: Option<Arc<str>>,
}

impl Event {
    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.channel.len() + self.name.len() + self.data.len()
    }
}

/// See [`Say::Here`]. A large channel takes several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Here {
    pub(crate) channel: Arc<str>,
    pub(crate) version: Version,
    pub(crate) part: u32,
    pub(crate) parts: u32,
    /// Each with what is to be known of it, as JSON.
    pub(crate) members: Vec<(Arc<str>, Arc<str>)>,
    /// Where sockets are counted.
    pub(crate) sockets: Option<Sockets>,
}

/// The message's bytes.
pub(crate) fn encode(from: NodeId, say: &Say) -> Bytes {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(FORM);
    bytes.extend_from_slice(from.as_bytes());
    // Strings, numbers and ids hold nothing that JSON cannot say.
    let _ = serde_json::to_writer(&mut bytes, say);
    bytes.into()
}

/// Who sent the message, if it has the form of one.
pub(crate) fn sender(bytes: &[u8]) -> Option<NodeId> {
    match bytes.split_first() {
        Some((&FORM, rest)) => rest.get(..HEADER_BYTES - 1).and_then(|id| Uuid::from_slice(id).ok()),
        _ => None,
    }
}

/// What the message says. A node of another version may say what is not known here.
pub(crate) fn decode(bytes: &[u8]) -> Option<Say> {
    serde_json::from_slice(bytes.get(HEADER_BYTES..)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_as_it_was() {
        let version = Version { life: 3, change: 4 };
        let from = Uuid::from_u128(7);
        for say in [
            Say::Alive { greets: true },
            Say::Stopping,
            Say::Who { channel: "presence-a".into(), of: Some(from) },
            Say::Came { channel: "presence-a".into(), version, user_id: "ü\"".into(), info: "{}".into() },
        ] {
            let bytes = encode(from, &say);
            assert_eq!((sender(&bytes), decode(&bytes)), (Some(from), Some(say)));
        }
    }

    #[test]
    fn what_is_no_message_is_passed_over() {
        for bytes in [&b""[..], b"\x01short", b"\x02aaaaaaaaaaaaaaaa{}", &[1; 40]] {
            assert!(sender(bytes).is_none() || decode(bytes).is_none(), "{bytes:?}");
        }
    }
}
