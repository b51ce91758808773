//! What the projection counts and measures.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};

use crate::status::Lag;

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_counter!("nimaora_projection_events_total", "Events written to the tables.");
    describe_counter!(
        "nimaora_projection_batches_total",
        "Batches of new events. Events by batches grows with the load."
    );
    describe_histogram!(
        "nimaora_projection_batch_seconds",
        "How long a batch took to be folded and written. Long: look at the disk of the tables."
    );
    describe_histogram!(
        "nimaora_projection_lag_seconds",
        "How old the oldest event of a batch was once it could be read."
    );
    describe_gauge!(
        "nimaora_projection_behind_positions",
        "Positions of the log that are not applied yet. Growing: look at the stores and at the retries."
    );
    describe_gauge!(
        "nimaora_projection_behind_seconds",
        "How old the oldest event is that waits for the tables. Alert on some seconds: look at the stores and at \
         the retries."
    );
    describe_gauge!(
        "nimaora_projection_parked_events",
        "Events that could not be projected and were not discarded. Alert on any: 'nimaora projections parked list' says why."
    );
    describe_gauge!(
        "nimaora_projection_leads",
        "Whether this process leads the projection, 1 or 0. Alert when the sum over all processes is not 1 for long."
    );
    describe_gauge!(
        "nimaora_projection_boards_lost_count",
        "Boards that the leaderboard lacks and for which the tables answer. Not 0 for a minute: look at Redis."
    );
    describe_counter!(
        "nimaora_projection_boards_restored_total",
        "Boards that the leaderboard had lost and that were made anew from the log. Many: it lost its data; look why."
    );
    describe_gauge!(
        "nimaora_projection_tables_outdated_state",
        "1 while the tables are of another version of the projection than this process makes, else 0. Not 0 for long: \
         'nimaora projections rebuild --accept-differences'."
    );
    describe_counter!("nimaora_projection_changes_published_total", "Changes handed to the bus.");
    describe_counter!(
        "nimaora_projection_retries_total",
        "Tries that failed and are repeated, by what was tried. Many: that store, log or bus is down."
    );
}

/// A batch with new events was written: how many, how long it took, and how old the oldest was then.
pub(crate) fn applied(events: usize, took: Duration, age_ms: u64) {
    metrics::counter!("nimaora_projection_events_total").increment(events as u64);
    metrics::counter!("nimaora_projection_batches_total").increment(1);
    metrics::histogram!("nimaora_projection_batch_seconds").record(took.as_secs_f64());
    metrics::histogram!("nimaora_projection_lag_seconds").record(age_ms as f64 / 1_000.0);
}

/// How far behind the log it is, also while nothing can be applied. Growing: look at the stores.
pub(crate) fn behind(lag: Lag) {
    metrics::gauge!("nimaora_projection_behind_positions").set(lag.positions as f64);
    metrics::gauge!("nimaora_projection_behind_seconds").set(lag.millis as f64 / 1_000.0);
}

/// Whether this process leads the projection.
pub(crate) fn leads(leads: bool) {
    metrics::gauge!("nimaora_projection_leads").set(if leads { 1.0 } else { 0.0 });
}

/// How many events could not be projected. Alert on any: `nimaora projections parked list` says why.
pub(crate) fn parked(events: usize) {
    metrics::gauge!("nimaora_projection_parked_events").set(events as f64);
}

/// How many boards the leaderboard lacks, as far as is known. Not 0 for long: look at it.
pub(crate) fn boards_lost(boards: usize) {
    metrics::gauge!("nimaora_projection_boards_lost_count").set(boards as f64);
}

/// A board was made anew from the log.
pub(crate) fn board_restored() {
    metrics::counter!("nimaora_projection_boards_restored_total").increment(1);
}

/// Changes were published.
pub(crate) fn published(changes: usize) {
    metrics::counter!("nimaora_projection_changes_published_total").increment(changes as u64);
}

/// A store, the log or the bus could not be used and is tried again.
pub(crate) fn retried(what: &'static str) {
    metrics::counter!("nimaora_projection_retries_total", "what" => what).increment(1);
}

/// Whether the tables are of another version than this program makes.
pub(crate) fn tables_of_another_version(is_other: bool) {
    metrics::gauge!("nimaora_projection_tables_outdated_state").set(f64::from(u8::from(is_other)));
}
