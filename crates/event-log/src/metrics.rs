//! What the logs count and measure: the one in local files, and the one in JetStream.

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
    describe_jetstream();
}

/// The same of the log in JetStream. Called by [`describe`].
fn describe_jetstream() {
    describe_histogram!(
        "nimaora_event_log_jetstream_append_seconds",
        "From a message's sending to its acknowledgement. Long: look at the disks and the network of the NATS servers."
    );
    describe_counter!(
        "nimaora_event_log_jetstream_retries_total",
        "Tries that were made again, by what was tried (append, read, standing, consumer). Some with each election; many all the time: \
         look at NATS."
    );
    describe_counter!(
        "nimaora_event_log_jetstream_disbelieved_total",
        "Answers that were not believed, by why. no_majority: the leader was cut off, which passes. not_the_log: alert on any; the stream \
         was wiped, made anew or set back, and no command is taken until an operator has restored it."
    );
    describe_counter!(
        "nimaora_event_log_jetstream_reconnects_total",
        "Connections to NATS that took the place of another. Many: look at the servers and the network."
    );
    describe_counter!(
        "nimaora_event_log_jetstream_consumers_total",
        "Consumers that were made for reads and subscriptions. Many more than reads: subscriptions begin again and again; look at NATS."
    );
    describe_gauge!(
        "nimaora_event_log_jetstream_pending_messages",
        "Messages that were still to come after the last pull of any subscription. Large for long: a subscriber is slower than the load."
    );
    describe_gauge!(
        "nimaora_event_log_jetstream_sync_always_state",
        "1 where every NATS server says that it syncs before it acknowledges, else 0, as of the start. On 0: set sync_interval to always, \
         and stores.nats_monitors so that it can be asked."
    );
}

/// What is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retried {
    /// An append.
    Append,
    /// A get.
    Read,
    /// The question how the stream stands.
    Standing,
    /// A pull.
    Consumer,
}

/// Why an answer was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disbelieved {
    /// The leader does not hear the others.
    NoMajority,
    /// The stream is not the one that was opened.
    NotTheLog,
}

/// A message was acknowledged.
pub(crate) fn acknowledged(events: usize, bytes: usize, took: Duration) {
    metrics::counter!("nimaora_event_log_appends_total").increment(1);
    metrics::counter!("nimaora_event_log_events_total").increment(events as u64);
    metrics::counter!("nimaora_event_log_written_bytes_total").increment(bytes as u64);
    metrics::histogram!("nimaora_event_log_jetstream_append_seconds").record(took.as_secs_f64());
}

/// Something is tried again.
pub(crate) fn retried(what: Retried) {
    let what = match what {
        Retried::Append => "append",
        Retried::Read => "read",
        Retried::Standing => "standing",
        Retried::Consumer => "consumer",
    };
    metrics::counter!("nimaora_event_log_jetstream_retries_total", "what" => what).increment(1);
}

/// An answer was not believed.
pub(crate) fn disbelieved(why: Disbelieved) {
    let why = match why {
        Disbelieved::NoMajority => "no_majority",
        Disbelieved::NotTheLog => "not_the_log",
    };
    metrics::counter!("nimaora_event_log_jetstream_disbelieved_total", "why" => why).increment(1);
}

/// There is a connection again.
pub(crate) fn reconnected() {
    metrics::counter!("nimaora_event_log_jetstream_reconnects_total").increment(1);
}

/// A consumer was made.
pub(crate) fn consumer_made() {
    metrics::counter!("nimaora_event_log_jetstream_consumers_total").increment(1);
}

/// A pull brought something, and so many messages are still to come.
pub(crate) fn pulled(pending: u64) {
    metrics::gauge!("nimaora_event_log_jetstream_pending_messages").set(pending as f64);
}

/// Whether all servers say that they sync before they acknowledge.
pub(crate) fn syncs(always: bool) {
    metrics::gauge!("nimaora_event_log_jetstream_sync_always_state").set(if always { 1.0 } else { 0.0 });
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
