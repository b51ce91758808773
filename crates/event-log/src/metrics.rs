//! What the embedded log counts and measures.

use std::time::Duration;

/// A group was committed.
pub(crate) fn committed(appends: usize, events: u64, bytes: u64, took: Duration) {
    metrics::counter!("nimaora_event_log_commits_total").increment(1);
    metrics::counter!("nimaora_event_log_appends_total").increment(appends as u64);
    metrics::counter!("nimaora_event_log_events_total").increment(events);
    metrics::counter!("nimaora_event_log_written_bytes_total").increment(bytes);
    metrics::histogram!("nimaora_event_log_commit_seconds").record(took.as_secs_f64());
}

/// An append was answered `Unavailable` because too many were waiting.
pub(crate) fn shed() {
    metrics::counter!("nimaora_event_log_shed_appends_total").increment(1);
}

/// A write failed. Look at the disk: full, or failing.
pub(crate) fn write_failed() {
    metrics::counter!("nimaora_event_log_write_failures_total").increment(1);
}

/// Whether the log takes appends: 1 or 0. Alert on 0.
pub(crate) fn writable(writable: bool) {
    metrics::gauge!("nimaora_event_log_writable_state").set(if writable { 1.0 } else { 0.0 });
}

/// Somebody read from disk what was no longer in memory.
pub(crate) fn disk_read(bytes: u64) {
    metrics::counter!("nimaora_event_log_disk_read_bytes_total").increment(bytes);
}
