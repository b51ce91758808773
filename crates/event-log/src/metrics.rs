//! What the embedded log counts and measures.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_counter!(
        "nimaora_event_log_commits_total",
        "Groups of appends that were synced to disk. Appends by commits is how many share a sync."
    );
    describe_counter!("nimaora_event_log_appends_total", "Appends that are durable.");
    describe_counter!("nimaora_event_log_events_total", "Events that are durable.");
    describe_counter!(
        "nimaora_event_log_written_bytes_total",
        "Bytes written to segments. Plan the disk by them."
    );
    describe_histogram!(
        "nimaora_event_log_commit_seconds",
        "From the first byte of a group to its sync. Long: look at the disk."
    );
    describe_counter!(
        "nimaora_event_log_shed_appends_total",
        "Appends turned away because too many waited. Any: the disk is slower than the load."
    );
    describe_counter!(
        "nimaora_event_log_write_failures_total",
        "Writes that failed. Alert on any: the disk is full or failing."
    );
    describe_gauge!(
        "nimaora_event_log_writable_state",
        "1 while the log takes appends, else 0. Alert on 0: make room on the disk, or replace it."
    );
    describe_counter!(
        "nimaora_event_log_disk_read_bytes_total",
        "Bytes read from disk because memory held them no more. Many while nothing is rebuilt: raise \
         log.tail_bytes_max."
    );
}

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
