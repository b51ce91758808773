//! What the query gateway counts and measures.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_histogram!(
        "nimaora_queries_seconds",
        "How long queries took, by kind, waiting for a position included."
    );
    describe_counter!(
        "nimaora_queries_turned_away_total",
        "Queries answered with an error, by kind and reason. Many QUERIES_OVERLOADED or TOO_MANY_WAITING: add \
         nodes, or look at the lag of the projection."
    );
    describe_histogram!(
        "nimaora_queries_waits_seconds",
        "How long queries waited for a position. Long: the projection lags."
    );
    describe_counter!(
        "nimaora_queries_fallbacks_total",
        "Times that the tables answered for the leaderboard. Many not_held after a start is over: raise \
         read_models.boards_max. Any unavailable: look at the leaderboard."
    );
    describe_counter!(
        "nimaora_queries_boards_total",
        "Boards that were answered as kept, or had to be read."
    );
    describe_gauge!(
        "nimaora_queries_watchers_count",
        "Streams that watch a board. Near query.watchers_max, add nodes."
    );
    describe_gauge!(
        "nimaora_queries_watched_battles_count",
        "Battles that somebody watches; each is read once a tick."
    );
}

/// A kind of question, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    Battle,
    Battles,
    Questions,
    Participant,
    Attacks,
    Leaderboard,
    Rank,
    AroundRank,
    Watch,
}

impl Query {
    fn name(self) -> &'static str {
        match self {
            Self::Battle => "battle",
            Self::Battles => "battles",
            Self::Questions => "questions",
            Self::Participant => "participant",
            Self::Attacks => "attacks",
            Self::Leaderboard => "leaderboard",
            Self::Rank => "rank",
            Self::AroundRank => "around_rank",
            Self::Watch => "watch",
        }
    }
}

/// A query was answered, waiting for a position included. For a watch: its stream began.
pub(crate) fn answered(query: Query, took: Duration) {
    metrics::histogram!("nimaora_queries_seconds", "query" => query.name()).record(took.as_secs_f64());
}

/// A query was answered with an error; `reason` is one of the API's fixed names.
pub(crate) fn turned_away(query: Query, reason: &'static str) {
    metrics::counter!("nimaora_queries_turned_away_total", "query" => query.name(), "reason" => reason)
        .increment(1);
}

/// A query waited for its position this long. Long waits mean that the projection lags; look at its own metrics.
pub(crate) fn waited(time: Duration) {
    metrics::histogram!("nimaora_queries_waits_seconds").record(time.as_secs_f64());
}

/// Why the tables answered for the leaderboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// It does not hold the battle: let go, being made anew, or no battle at all.
    NotHeld,
    /// It cannot be used now.
    Unavailable,
    /// It has not reached the position that was asked for.
    Behind,
}

/// The tables answered for the leaderboard, which costs more.
pub(crate) fn fell_back(why: Fallback) {
    let why = match why {
        Fallback::NotHeld => "not_held",
        Fallback::Unavailable => "unavailable",
        Fallback::Behind => "behind",
    };
    metrics::counter!("nimaora_queries_fallbacks_total", "why" => why).increment(1);
}

/// A board was answered as it was kept, or had to be read.
pub(crate) fn board_kept(kept: bool) {
    let found = if kept { "kept" } else { "read" };
    metrics::counter!("nimaora_queries_boards_total", "found" => found).increment(1);
}

/// A stream watches a board from now on.
pub(crate) fn watcher_came() {
    metrics::gauge!("nimaora_queries_watchers_count").increment(1.0);
}

/// A stream that watched a board is over.
pub(crate) fn watcher_went() {
    metrics::gauge!("nimaora_queries_watchers_count").decrement(1.0);
}

/// How many battles are watched by somebody.
pub(crate) fn watched_battles(count: usize) {
    metrics::gauge!("nimaora_queries_watched_battles_count").set(count as f64);
}
