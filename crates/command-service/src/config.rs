//! Settings of the command service. Each is a bound or a delay, its unit last.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the command service behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Commands that may wait for one battle's writer. When it is reached, a command is answered `RESOURCE_EXHAUSTED` with a
    /// retry delay; the queue never grows past it.
    pub mailbox_commands_max: usize,
    /// Battles that are held in memory at a time. When it is reached, a command to another battle is answered
    /// `RESOURCE_EXHAUSTED` with a retry delay, until some battle was idle long enough.
    pub writers_max: usize,
    /// After how long without a command a battle leaves the memory, in milliseconds.
    pub writer_idle_ms: u64,
    /// The same for a battle that is over, in milliseconds.
    pub writer_idle_over_ms: u64,
    /// Where snapshots of battles are kept; none when absent. A cache: it can be deleted at any time.
    pub snapshot_dir: Option<PathBuf>,
    /// After how many events a battle's snapshot is written anew; five for each participant where that is more.
    pub snapshot_events: u64,
    /// How long a command may take when its caller names no shorter time, in milliseconds. Then its caller is answered
    /// `DEADLINE_EXCEEDED`; it may still be carried out, and a repeat tells.
    pub command_timeout_ms: u64,
    /// For how long a participant's token is valid, in milliseconds.
    pub token_lifetime_ms: u64,
    /// For how long a repeated sign-in is answered with a token again, in milliseconds.
    pub sign_in_repeat_ms: u64,
    /// After how much silence a participant lapses, in milliseconds.
    pub lapse_after_ms: u64,
    /// How often silence is looked for, in milliseconds.
    pub lapse_check_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mailbox_commands_max: 4_096,
            writers_max: 10_000,
            writer_idle_ms: 5 * 60 * 1_000,
            writer_idle_over_ms: 15 * 1_000,
            snapshot_dir: None,
            snapshot_events: 10_000,
            command_timeout_ms: 10_000,
            token_lifetime_ms: 24 * 60 * 60 * 1_000,
            sign_in_repeat_ms: 2 * 60 * 1_000,
            lapse_after_ms: 90 * 1_000,
            lapse_check_ms: 5_000,
        }
    }
}

/// The largest request that is read, in bytes. A larger one is answered `OUT_OF_RANGE` (`MESSAGE_TOO_LARGE`) without being
/// decoded.
pub const REQUEST_BYTES_MAX: usize = 512 * 1024;
