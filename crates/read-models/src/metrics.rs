//! What the read models count and measure.

use std::time::Duration;

/// How many boards are in memory. Past the configured number only battles that are not over are held.
pub(crate) fn boards_held(boards: usize) {
    metrics::gauge!("nimaora_read_models_boards_held_count").set(boards as f64);
}

/// Boards of ended battles were let go. Many of them asked for again: raise the number that is held.
pub(crate) fn boards_let_go(boards: usize) {
    metrics::counter!("nimaora_read_models_boards_let_go_total").increment(boards as u64);
}

/// A batch was written to the tables.
pub(crate) fn tables_written(rows: usize, took: Duration) {
    metrics::counter!("nimaora_read_models_rows_written_total").increment(rows as u64);
    metrics::histogram!("nimaora_read_models_write_seconds").record(took.as_secs_f64());
}
