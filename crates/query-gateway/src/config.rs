//! Settings of the query gateway, and the limits that the API promises. Each is a bound or a delay, its unit last.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the query gateway behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Queries that are worked on at a time, those that wait for a position among them. When it is reached, a query is
    /// answered `RESOURCE_EXHAUSTED` with a retry delay.
    pub queries_max: usize,
    /// Queries with a token that wait for a position at a time; one battle takes at most three quarters of them. When it is
    /// reached, a query that would have to wait is answered `RESOURCE_EXHAUSTED` with a retry delay. With
    /// `waiting_anonymous_max` below `queries_max`, so that waiting never keeps others from an answer.
    pub waiting_max: usize,
    /// The same for queries without a token. They take no place from those with one.
    pub waiting_anonymous_max: usize,
    /// After what time a query that waits looks again although nobody told it that something changed, in milliseconds. Each
    /// time it waits twice as long, up to a second.
    pub wait_poll_ms: u64,
    /// How long a query that waits for a position asks the replica of the tables for it before it asks the tables themselves, in
    /// milliseconds.
    pub replica_patience_ms: u64,
    /// How long a read of the stores may take, in milliseconds. Then the query is answered `UNAVAILABLE`.
    pub read_timeout_ms: u64,
    /// How long the leaderboard may take before the tables are asked instead, in milliseconds.
    pub leaderboard_timeout_ms: u64,
    /// Battles whose board is kept as it was answered last. When it is reached, all are forgotten and read anew.
    pub boards_cached_max: usize,
    /// Streams that watch a board at a time. When it is reached, one more is answered `RESOURCE_EXHAUSTED` with a retry
    /// delay.
    pub watchers_max: usize,
    /// How long a watched board rests after it was sent before it is read again, in milliseconds.
    pub watch_tick_ms: u64,
    /// How often a watched board is read although nobody told that it changed, in milliseconds.
    pub watch_poll_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queries_max: 2_048,
            waiting_max: 1_024,
            waiting_anonymous_max: 256,
            wait_poll_ms: 100,
            replica_patience_ms: 100,
            read_timeout_ms: 5_000,
            leaderboard_timeout_ms: 1_000,
            boards_cached_max: 256,
            watchers_max: 5_000,
            watch_tick_ms: 200,
            watch_poll_ms: 2_000,
        }
    }
}

impl Config {
    pub(crate) fn wait_poll(&self) -> Duration {
        Duration::from_millis(self.wait_poll_ms)
    }

    pub(crate) fn replica_patience(&self) -> Duration {
        Duration::from_millis(self.replica_patience_ms)
    }

    pub(crate) fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    pub(crate) fn leaderboard_timeout(&self) -> Duration {
        Duration::from_millis(self.leaderboard_timeout_ms)
    }

    pub(crate) fn watch_tick(&self) -> Duration {
        Duration::from_millis(self.watch_tick_ms)
    }

    pub(crate) fn watch_poll(&self) -> Duration {
        Duration::from_millis(self.watch_poll_ms)
    }
}

/// The longest time after which a query that waits looks again, unless `wait_poll_ms` is longer.
pub(crate) const WAIT_POLL_MAX: Duration = Duration::from_secs(1);

/// How often a replica is asked for what the tables hold already, as long as it may take.
pub(crate) const REPLICA_POLL: Duration = Duration::from_millis(20);

/// A number that a request may leave out, and its bound. A larger one is answered `INVALID_ARGUMENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounded {
    /// What 0 stands for.
    pub default: u32,
    /// The largest that is taken.
    pub max: u32,
}

/// For how long a query waits for its `min_position`, in milliseconds.
pub const WAIT_MS: Bounded = Bounded { default: 1_000, max: 10_000 };
/// Battles on a page.
pub const BATTLES: Bounded = Bounded { default: 50, max: 500 };
/// Attacks in an answer.
pub const ATTACKS: Bounded = Bounded { default: 100, max: 1_000 };
/// Lines of a board.
pub const BOARD_LINES: Bounded = Bounded { default: 100, max: 1_000 };
/// Lines on each side of somebody.
pub const AROUND_LINES: Bounded = Bounded { default: 5, max: 100 };
/// Lines of a board that is watched.
pub const WATCH_LINES: Bounded = Bounded { default: 10, max: 100 };

/// The largest request that is read, in bytes: each has a few ids and numbers. A larger one is answered `OUT_OF_RANGE`.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;
