//! What the bus counts.

use std::time::Duration;

use metrics::{describe_counter, describe_histogram};

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_counter!(
        "nimaora_change_bus_losses_total",
        "Followers that were told to read what the bus may have lost, by how it was noticed. Many: look at NATS, its \
         routes and its slow consumers."
    );
    describe_histogram!(
        "nimaora_change_bus_nats_publish_seconds",
        "What a publication takes until the NATS server has it. Long: look at NATS and the network."
    );
    describe_counter!(
        "nimaora_change_bus_nats_publish_failures_total",
        "Publications that the NATS server did not take in time. The projection makes them again; growing for long: NATS is away."
    );
    describe_counter!(
        "nimaora_change_bus_nats_reconnects_total",
        "Connections to NATS that took the place of another; all followers of the process read the tables then. Many: look at the \
         servers and the network."
    );
    describe_counter!(
        "nimaora_change_bus_nats_slow_total",
        "Times that the process read a subscription more slowly than changes came, so that the client dropped some. Any: add nodes."
    );
    describe_counter!(
        "nimaora_change_bus_nats_subscriptions_total",
        "Lanes of battles that the process began to follow, by outcome. failed: NATS did not take a subscription in time."
    );
    describe_histogram!(
        "nimaora_change_bus_nats_beat_gap_seconds",
        "From one beat of a publisher to its next, as heard here. One second is usual; more: changes come late or not at all."
    );
}

/// A publication ended; whether the server took it.
pub(crate) fn published(taken: bool, took: Duration) {
    match taken {
        true => metrics::histogram!("nimaora_change_bus_nats_publish_seconds").record(took.as_secs_f64()),
        false => metrics::counter!("nimaora_change_bus_nats_publish_failures_total").increment(1),
    }
}

/// There is a connection again.
pub(crate) fn reconnected() {
    metrics::counter!("nimaora_change_bus_nats_reconnects_total").increment(1);
}

/// The client dropped what was not read in time.
pub(crate) fn slow() {
    metrics::counter!("nimaora_change_bus_nats_slow_total").increment(1);
}

/// A lane is followed, or could not be.
pub(crate) fn subscribed(taken: bool) {
    let outcome = if taken { "taken" } else { "failed" };
    metrics::counter!("nimaora_change_bus_nats_subscriptions_total", "outcome" => outcome).increment(1);
}

/// A beat came so long after the one before.
pub(crate) fn beat_heard(gap: Duration) {
    metrics::histogram!("nimaora_change_bus_nats_beat_gap_seconds").record(gap.as_secs_f64());
}

/// How it was noticed that something may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// A number was left out.
    Gap,
    /// Another publisher was heard.
    Publisher,
    /// A publisher was not heard for too long.
    Silence,
    /// The connection was lost and is there again, or its queue was full.
    Connection,
}

/// `followers` were told.
pub(crate) fn lost(loss: Loss, followers: usize) {
    let cause = match loss {
        Loss::Gap => "gap",
        Loss::Publisher => "publisher",
        Loss::Silence => "silence",
        Loss::Connection => "connection",
    };
    metrics::counter!("nimaora_change_bus_losses_total", "cause" => cause).increment(followers as u64);
}
