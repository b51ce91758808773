//! What the players were told: the answers to their commands, and the alerts on their sockets. The result of a load is
//! judged by these alone.

use serde::{Deserialize, Serialize};

/// A player's number in the whole load, from 0.
pub(super) type Slot = u32;

/// What a participant holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holding {
    pub(super) points: u32,
    pub(super) shields: u32,
    pub(super) arrows: u32,
}

impl From<nimaora_api::v1::Balance> for Holding {
    fn from(balance: nimaora_api::v1::Balance) -> Self {
        Self { points: balance.points, shields: balance.shields, arrows: balance.arrows }
    }
}

/// An accepted command: what its player was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fact {
    /// Where the log has it.
    pub(super) position: u64,
    /// Who gave the command.
    pub(super) player: Slot,
    /// What the player holds after it, as it was answered.
    pub(super) balance: Holding,
    pub(super) deed: Deed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Deed {
    Joined,
    Answered {
        earned: Holding,
    },
    Attacked {
        target: Slot,
        blocked: bool,
        points_deducted: u32,
        /// When it was first sent, in microseconds of the machine's clock.
        sent_us: u64,
    },
}

/// How an alert reached its player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Arrival {
    /// On the socket, at this time in microseconds of the machine's clock.
    OnSocket(u64),
    /// Read from the list of attacks after the socket had been away.
    Fetched,
}

/// An attack that a player was told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alert {
    /// Where the log has the attack.
    pub(super) position: u64,
    /// Whose socket or list said so.
    pub(super) player: Slot,
    /// The attacker's name.
    pub(super) attacker: String,
    pub(super) blocked: bool,
    pub(super) points_lost: u32,
    pub(super) arrival: Arrival,
    /// How often the socket said it again.
    pub(super) repeats: u32,
}

/// The name under which a player joins.
pub(super) fn username(slot: Slot) -> String {
    format!("player-{slot:05}")
}
