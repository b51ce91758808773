//! What travels through NATS: a byte with the version of the form, then JSON.

use bytes::Bytes;
use nimaora_domain::BattleId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::change::ChangeBatch;
use crate::lane::Lane;

/// The form that is written, and the only one that is read. Who reads a message of another one tells that it was lost.
const VERSION: u8 = 1;

/// Where publishers tell that they live, and what they have published last.
pub(super) const BEATS: &str = "nimaora.changes.beats";
/// Where followers ask publishers what was the last in a lane.
pub(super) const QUESTIONS: &str = "nimaora.changes.questions";
/// Where the nodes of the realtime service talk to each other.
pub(super) const RELAY: &str = "nimaora.realtime.relay";
/// Nobody listens here, so the server itself answers a request, in its turn behind all that came before.
pub(super) const NOBODY: &str = "nimaora.changes.nobody";

/// Where the changes of a battle in a lane travel.
pub(super) fn subject(battle_id: BattleId, lane: Lane) -> String {
    let lane = match lane {
        Lane::Attacks => "attacks",
        Lane::Broadcast => "broadcast",
        Lane::Leaderboard => "leaderboard",
        Lane::Default => "default",
        Lane::Notifications => "notifications",
    };
    format!("nimaora.changes.{}.{lane}", battle_id.0.as_hyphenated())
}

/// How many messages a publisher has sent in each lane of a battle, in the order of [`Lane::ALL`].
pub(super) type Numbers = [u64; Lane::ALL.len()];

/// A batch with its number in its battle and lane. A number that is left out shows a loss.
#[derive(Serialize)]
pub(super) struct Numbered<'a> {
    pub(super) publisher: Uuid,
    pub(super) number: u64,
    pub(super) batch: &'a ChangeBatch,
}

/// A [`Numbered`] batch as it is read.
#[derive(Deserialize)]
pub(super) struct Received {
    pub(super) publisher: Uuid,
    pub(super) number: u64,
    pub(super) batch: ChangeBatch,
}

/// A publisher lives; these battles have changed since its last beat.
#[derive(Serialize, Deserialize)]
pub(super) struct Beat {
    pub(super) publisher: Uuid,
    /// Counts the beats. A number that is left out shows a loss that may be anywhere.
    pub(super) number: u64,
    pub(super) last: Vec<(BattleId, Numbers)>,
}

/// What was the last in this lane?
#[derive(Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) battle_id: BattleId,
    pub(super) lane: Lane,
}

/// The last in a lane.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) publisher: Uuid,
    /// The number of the publisher's last beat.
    pub(super) beat: u64,
    /// The number of the last batch in the lane.
    pub(super) number: u64,
}

/// Why a message cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("its form is not version {VERSION}")]
    Version,
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

pub(super) fn encode<T: Serialize>(message: &T) -> Result<Bytes, WireError> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, message)?;
    Ok(bytes.into())
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    match bytes.split_first() {
        Some((&VERSION, json)) => Ok(serde_json::from_slice(json)?),
        _ => Err(WireError::Version),
    }
}
