//! What changed, in the words that a receiver needs; nobody has to read the log to understand it.

use std::sync::Arc;

use nimaora_domain::{BattleId, ParticipantId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Position;
use crate::lane::Lane;

/// Something that changed in a battle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "change")]
pub enum Change {
    /// Somebody was attacked.
    #[serde(rename_all = "camelCase")]
    AttackReceived {
        /// The position of the attack in the log.
        position: Position,
        /// The id of its event.
        event_id: Uuid,
        /// Who was attacked.
        target_id: ParticipantId,
        /// Who attacked.
        attacker_id: ParticipantId,
        /// The attacker's name.
        attacker: Arc<str>,
        /// The target's name; empty from a node of a version that does not tell it.
        #[serde(default = "unnamed")]
        target: Arc<str>,
        /// Whether a shield absorbed it.
        blocked: bool,
        /// What the target lost.
        points_lost: u32,
        /// When.
        timestamp: Timestamp,
    },
    /// Somebody holds something else now.
    #[serde(rename_all = "camelCase")]
    ScoreChanged {
        /// The position of the change in the log.
        position: Position,
        /// Who.
        participant_id: ParticipantId,
        /// The score now.
        points: u32,
        /// The shields now.
        shields: u32,
        /// The arrows now.
        arrows: u32,
    },
    /// A participant signed in again; its other sessions must go.
    #[serde(rename_all = "camelCase")]
    SessionReplaced {
        /// The position of the change in the log.
        position: Position,
        /// Who.
        participant_id: ParticipantId,
        /// The session that may act.
        session_id: SessionId,
    },
    /// A participant left or was removed; its sessions must go.
    #[serde(rename_all = "camelCase")]
    ParticipantGone {
        /// The position of the change in the log.
        position: Position,
        /// Who.
        participant_id: ParticipantId,
    },
    /// The battle takes answers and attacks.
    #[serde(rename_all = "camelCase")]
    BattleStarted {
        /// The position of the change in the log.
        position: Position,
        /// When.
        started_at: Timestamp,
    },
    /// The standings are final.
    #[serde(rename_all = "camelCase")]
    BattleFinished {
        /// The position of the change in the log.
        position: Position,
        /// When.
        finished_at: Timestamp,
    },
    /// The battle was called off.
    #[serde(rename_all = "camelCase")]
    BattleCancelled {
        /// The position of the change in the log.
        position: Position,
        /// What the players are told.
        reason: String,
    },
    /// The read models have moved to the batch's position; `board` says whether somebody's line on the board did.
    #[serde(rename_all = "camelCase")]
    Applied {
        /// Whether the board is another one now.
        board: bool,
    },
}

fn unnamed() -> Arc<str> {
    "".into()
}

impl Change {
    /// The lane it travels in.
    pub fn lane(&self) -> Lane {
        match self {
            Self::AttackReceived { .. } => Lane::Attacks,
            Self::SessionReplaced { .. }
            | Self::ParticipantGone { .. }
            | Self::BattleStarted { .. }
            | Self::BattleFinished { .. }
            | Self::BattleCancelled { .. } => Lane::Broadcast,
            Self::Applied { .. } => Lane::Leaderboard,
            Self::ScoreChanged { .. } => Lane::Default,
        }
    }
}

/// The changes of one battle in one lane that became visible together. Published after the read models were written, so
/// that who is told can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeBatch {
    /// The battle.
    pub battle_id: BattleId,
    /// The lane of all the changes.
    pub lane: Lane,
    /// The battle's own position after them.
    pub position: Position,
    /// In the order in which they happened.
    pub changes: Vec<Change>,
}
