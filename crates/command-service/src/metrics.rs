//! What the command service counts and measures.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_counter!("nimaora_commands_accepted_total", "Commands that are durable.");
    describe_histogram!(
        "nimaora_commands_group_events",
        "Events that went to the log in one append. It grows with the load of a battle."
    );
    describe_histogram!(
        "nimaora_commands_append_seconds",
        "How long the log took for a group. Long: look at the log and its disk."
    );
    describe_counter!(
        "nimaora_commands_failed_appends_total",
        "Groups of commands that the log did not take. Any: look at the log and its disk."
    );
    describe_counter!(
        "nimaora_commands_turned_away_total",
        "Commands refused by the rules or answered with an error, by reason. Many MAILBOX_FULL or \
         WRITERS_FULL: the node has too much to do."
    );
    describe_counter!(
        "nimaora_commands_dropped_late_total",
        "Commands dropped because nobody waited for them any more. Many: the node has too much to do."
    );
    describe_gauge!("nimaora_commands_writers_live_count", "Battles in memory.");
    describe_counter!(
        "nimaora_commands_loaded_events_total",
        "Events read to bring battles into memory. Many a battle: look at the snapshots."
    );
    describe_histogram!("nimaora_commands_load_seconds", "How long a battle took to come into memory.");
    describe_counter!(
        "nimaora_commands_snapshot_failures_total",
        "Snapshots that were not written or not used; battles load more slowly. Look at the snapshot folder."
    );
    describe_counter!(
        "nimaora_commands_presence_failures_total",
        "Times that presence could not be used; nobody lapses or returns meanwhile. Look at its store."
    );
    describe_histogram!(
        "nimaora_commands_timer_lateness_seconds",
        "How late scheduled starts and ends were. More than a second: the node has too much to do."
    );
    describe_counter!(
        "nimaora_commands_forwarded_total",
        "Commands sent on to the node that owns their battle, by outcome. Many 'unreached': a node is down or cannot be reached \
         from here."
    );
    describe_counter!(
        "nimaora_commands_erasures_finished_total",
        "Names that were erased and whose keys were still there when the battle was read, by outcome. 'failed': erase them again, and \
         look at where the keys are."
    );
    describe_gauge!("nimaora_commands_battles_owned_count", "Battles that this node has leased.");
    describe_counter!(
        "nimaora_commands_takeovers_total",
        "Battles taken over from nodes that died. Any: look at what became of those nodes."
    );
}

/// A group of commands was made durable.
pub(crate) fn committed(commands: usize, events: usize, took: Duration) {
    metrics::counter!("nimaora_commands_accepted_total").increment(commands as u64);
    metrics::histogram!("nimaora_commands_group_events").record(events as f64);
    metrics::histogram!("nimaora_commands_append_seconds").record(took.as_secs_f64());
}

/// A group of commands was lost to the log. Look at the log's own metrics and at its disk.
pub(crate) fn append_failed() {
    metrics::counter!("nimaora_commands_failed_appends_total").increment(1);
}

/// A command was refused by the rules or answered with an error; `reason` is one of the API's fixed names.
pub(crate) fn turned_away(reason: &'static str) {
    metrics::counter!("nimaora_commands_turned_away_total", "reason" => reason).increment(1);
}

/// A command was dropped before it was decided, because nobody waits for its answer any more. Many of them mean overload.
pub(crate) fn dropped_late() {
    metrics::counter!("nimaora_commands_dropped_late_total").increment(1);
}

/// How many battles are in memory.
pub(crate) fn writers_live(count: usize) {
    metrics::gauge!("nimaora_commands_writers_live_count").set(count as f64);
}

/// A battle was read into memory.
pub(crate) fn loaded(events: u64, took: Duration) {
    metrics::counter!("nimaora_commands_loaded_events_total").increment(events);
    metrics::histogram!("nimaora_commands_load_seconds").record(took.as_secs_f64());
}

/// A snapshot could not be written or used. The service works without; starting takes longer. Look at the folder.
pub(crate) fn snapshot_failed() {
    metrics::counter!("nimaora_commands_snapshot_failures_total").increment(1);
}

/// Presence could not be used. Nobody lapses or returns meanwhile.
pub(crate) fn presence_failed() {
    metrics::counter!("nimaora_commands_presence_failures_total").increment(1);
}

/// A scheduled start or end was carried out this long after its time.
pub(crate) fn timer_fired(late: Duration) {
    metrics::histogram!("nimaora_commands_timer_lateness_seconds").record(late.as_secs_f64());
}

/// What became of a request that was sent on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Forwarded {
    /// It was carried out.
    Answered,
    /// The owner said no.
    TurnedAway,
    /// The owner was not reached, or is the owner no more.
    Unreached,
}

/// A request was sent on.
pub(crate) fn forwarded(outcome: Forwarded) {
    let outcome = match outcome {
        Forwarded::Answered => "answered",
        Forwarded::TurnedAway => "turned_away",
        Forwarded::Unreached => "unreached",
    };
    metrics::counter!("nimaora_commands_forwarded_total", "outcome" => outcome).increment(1);
}

/// A name was erased, and its key was still there when the battle was read; whether it is destroyed now.
pub(crate) fn erasure_finished(done: bool) {
    let outcome = if done { "done" } else { "failed" };
    metrics::counter!("nimaora_commands_erasures_finished_total", "outcome" => outcome).increment(1);
}

/// How many battles this node has leased.
pub(crate) fn battles_owned(count: usize) {
    metrics::gauge!("nimaora_commands_battles_owned_count").set(count as f64);
}

/// A battle was taken over from a node that died.
pub(crate) fn taken_over() {
    metrics::counter!("nimaora_commands_takeovers_total").increment(1);
}
