//! What the leading process and the playing ones say to each other. Within one process the words go through a channel,
//! between processes as a JSON line each.

use serde::{Deserialize, Serialize};

use super::crew::{Progress, Setup};
use super::facts::{Alert, Fact, Slot};
use super::record::Record;

/// Words that may wait on a link. When it is reached, whoever speaks waits.
pub(super) const WAITING_MAX: usize = 64;
/// Facts or alerts in one message.
pub(super) const CHUNK: usize = 2_000;

/// Said by the leader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Join, and open the sockets.
    Join(Setup),
    /// Play. All players of the load by slot.
    Play { everyone: Vec<String> },
    /// Wait for the alerts of these attacks on players of this process; nothing happened after `position`.
    Settle { landed: Vec<(Slot, u64)>, position: u64 },
}

/// Said by a playing process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// How it goes, about once a second.
    Progress(Progress),
    /// All have joined and listen: the participants' ids in order.
    Joined { participants: Vec<String> },
    /// Some of what the players were answered.
    Facts(Vec<Fact>),
    /// The measured phase is over, and the outcome of every command is known or given up.
    Played { record: Box<Record>, cpu_seconds: f64 },
    /// Some of the alerts that the players got.
    Alerts(Vec<Alert>),
    /// That is all.
    Settled { reconnects: u64, board_faults: Vec<String> },
    /// It cannot go on.
    Failed { reason: String },
}
