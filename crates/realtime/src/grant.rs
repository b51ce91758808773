//! What `/broadcasting/auth` signs together with a private channel's name: whose channel it is.
//!
//! It travels through the client as `channel_data`, so that any node can serve the subscription without asking another.

use nimaora_domain::{BattleId, SessionId};
use serde::{Deserialize, Serialize};

use crate::Position;
use crate::error::Refusal;

/// Says in which battle, and under which sign-in, a participant listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) battle_id: BattleId,
    pub(crate) session_id: SessionId,
    /// The position of the last alert that the client had, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Position>,
}

impl Grant {
    /// Reads what was signed. The signature must have been checked.
    pub(crate) fn read(data: Option<&str>) -> Result<Self, Refusal> {
        data.and_then(|data| serde_json::from_str(data).ok()).ok_or(Refusal::DataWrong)
    }

    /// The text to sign.
    pub(crate) fn write(&self) -> String {
        // Ids and a number hold nothing that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }
}
