//! What the read models count and measure.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_gauge!(
        "nimaora_read_models_boards_held_count",
        "Boards in memory. Past read_models.boards_max only battles that are not over are held."
    );
    describe_counter!(
        "nimaora_read_models_boards_let_go_total",
        "Boards of ended battles that were let go. Many asked for again: raise read_models.boards_max."
    );
    describe_counter!(
        "nimaora_read_models_replica_reads_total",
        "Reads that the replica of the tables was to answer, by who did. Many failed: it is down or slow; many absent: it is behind."
    );
    describe_counter!("nimaora_read_models_rows_written_total", "Rows written to the tables.");
    describe_histogram!(
        "nimaora_read_models_write_seconds",
        "How long a batch took to be written to the tables. Long: look at the disk."
    );
}

/// How many boards are in memory. Past the configured number only battles that are not over are held.
pub(crate) fn boards_held(boards: usize) {
    metrics::gauge!("nimaora_read_models_boards_held_count").set(boards as f64);
}

/// Boards of ended battles were let go. Many of them asked for again: raise the number that is held.
pub(crate) fn boards_let_go(boards: usize) {
    metrics::counter!("nimaora_read_models_boards_let_go_total").increment(boards as u64);
}

/// Who answered a read that the replica was to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The replica.
    Replica,
    /// The tables themselves, because the replica does not hold it.
    Absent,
    /// The tables themselves, because the replica cannot be used.
    Failed,
}

/// A read that the replica was to answer was answered. Many failed: look at the replica.
pub(crate) fn replica_asked(answered: Answered) {
    let answered = match answered {
        Answered::Replica => "replica",
        Answered::Absent => "absent",
        Answered::Failed => "failed",
    };
    metrics::counter!("nimaora_read_models_replica_reads_total", "answered" => answered).increment(1);
}

/// A batch was written to the tables.
pub(crate) fn tables_written(rows: usize, took: Duration) {
    metrics::counter!("nimaora_read_models_rows_written_total").increment(rows as u64);
    metrics::histogram!("nimaora_read_models_write_seconds").record(took.as_secs_f64());
}
