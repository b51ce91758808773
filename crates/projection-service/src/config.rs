//! Settings of the projection, and its fixed limits.

use std::time::Duration;

use nimaora_runtime::Clock;

/// Settings of the projection.
#[derive(Clone, Debug)]
pub struct Config {
    /// The most events in one transaction. What is more waits for the next one. In a rebuild, a larger batch writes fewer
    /// rows, because each participant is written once in it.
    pub batch_events_max: usize,
    /// How long one write or read of a store may take; then it counts as unavailable and is tried again.
    pub store_timeout: Duration,
    /// How long a batch that the tables hold waits for the boards before its changes are published without them. Who is told then
    /// and reads a board finds it in the tables.
    pub boards_patience: Duration,
    /// How long whoever exchanged tables may take to compare the boards with them, before the projection does it.
    pub boards_noted_patience: Duration,
    /// How long to rest between two sweeps over the boards of battles that are over.
    pub ended_sweep_interval: Duration,
    /// How long publishing a batch may take; then it is tried again.
    pub publish_timeout: Duration,
    /// After so long without an event, the position up to which changes were published is saved on its own.
    pub quiet_time: Duration,
    /// How long to wait before the first retry, on average half of it; it doubles with each one.
    pub retry_first: Duration,
    /// The longest wait before a retry: what an outage costs beyond its end.
    pub retry_max: Duration,
    /// What time it is, for how far behind the projection is.
    pub clock: Clock,
    /// The seed of the jitter of retries.
    pub jitter_seed: u64,
}

impl Config {
    /// The defaults, with this clock and seed.
    pub fn new(clock: Clock, jitter_seed: u64) -> Self {
        Self {
            batch_events_max: 32_768,
            store_timeout: Duration::from_secs(30),
            boards_patience: Duration::from_millis(50),
            boards_noted_patience: Duration::from_secs(30),
            ended_sweep_interval: Duration::from_secs(30),
            publish_timeout: Duration::from_secs(10),
            quiet_time: Duration::from_millis(250),
            retry_first: Duration::from_millis(100),
            retry_max: Duration::from_secs(1),
            clock,
            jitter_seed,
        }
    }
}

/// How long a process whose projection has failed for good lets others lead before it tries again, on average three quarters of it.
pub(crate) const FAILED_PAUSE: Duration = Duration::from_secs(20);
/// How long a projection that leads no more may take to end.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is measured how far behind the projection is.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Parked events are counted once in so many reports: operators discard some now and then.
pub(crate) const PARKED_COUNT_TICKS: u32 = 10;
/// Messages of the log that are decoded ahead of the writer, up to 2,048 events or some megabytes each. When it is reached, the
/// log is not read further.
pub(crate) const DECODED_MESSAGES_MAX: usize = 16;
/// Written batches that wait to be published. When it is reached, nothing more is written until the bus takes them.
pub(crate) const UNPUBLISHED_BATCHES_MAX: usize = 64;
/// Names of participants that are remembered, about 100 bytes each; a battle counts as one more. When it is reached, the battles
/// untouched for longest are forgotten and their names read again from the tables when they are needed.
pub(crate) const NAMES_MAX: usize = 500_000;
/// How many of them are kept then.
pub(crate) const NAMES_KEPT: usize = NAMES_MAX / 8 * 7;
/// Parked events in all. With more, the projection stops: this program does not understand this log.
pub(crate) const PARKED_EVENTS_MAX: usize = 10_000;
/// Changes of boards that wait for the leaderboard, about 100 bytes each. With more, all of them are dropped and the boards that they
/// were about are made anew from the log.
pub(crate) const UNWRITTEN_CHANGES_MAX: usize = 131_072;
/// How long the leaderboard may take for the last batches when the projection ends; what it lacks then is made anew.
pub(crate) const BOARDS_END_TIMEOUT: Duration = Duration::from_secs(5);
/// Lost battles for which the leaderboard is asked at once.
pub(crate) const ASKED_BATTLES_MAX: usize = 32;
/// Battles that wait for their board to be restored. When it is reached, more are forgotten, and found again by the sweep.
pub(crate) const UNHEALED_BATTLES_MAX: usize = 10_000;
/// Events of one battle that are read and folded at once for its board, some milliseconds; then it is the turn of what is new.
pub(crate) const HEALING_PAGE_EVENTS: usize = 1_024;
/// Battles whose boards are compared with the tables at once.
pub(crate) const SWEEP_PAGE_BATTLES: u32 = 100;
/// Between two pages of a sweep.
pub(crate) const SWEEP_PAGE_INTERVAL: Duration = Duration::from_millis(20);
/// How often it is looked whether tables were exchanged and the boards not compared with them.
pub(crate) const NOTED_INTERVAL: Duration = Duration::from_secs(2);
/// Between two sweeps over all battles that are not over.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(2);
/// Battles that were finished, and as many that were cancelled, whose boards are compared, the newest. Older boards have had their time.
pub(crate) const ENDED_SWEEP_BATTLES_MAX: usize = 10_000;
/// Between two pages of a sweep over them: nobody waits for it, and the tables have other things to do.
pub(crate) const ENDED_SWEEP_PAGE_INTERVAL: Duration = Duration::from_millis(500);
