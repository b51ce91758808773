//! What the event store counts.

use metrics::{describe_counter, describe_gauge};

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_counter!(
        "nimaora_event_store_appends_total",
        "Appends of outside clients by outcome: written, refused (the client is at fault), failed (the log is). Failed ones: look at \
         the log."
    );
    describe_counter!("nimaora_event_store_sent_events_total", "Events sent to outside clients.");
    describe_counter!(
        "nimaora_event_store_shed_calls_total",
        "Calls of outside clients that were refused because too many, or too many bytes, were on their way. Many: ask who it is, or \
         serve the log from more processes."
    );
    describe_counter!(
        "nimaora_event_store_dismissed_connections_total",
        "Connections without a call that were closed because nearly all places were taken. Many: somebody holds connections for nothing; \
         ask who it is, or keep the port from strangers."
    );
    describe_counter!(
        "nimaora_event_store_fell_behind_total",
        "Subscriptions that were live and could not keep up. Many: their clients are slow."
    );
    describe_counter!(
        "nimaora_event_store_parked_events_total",
        "Events that consumers of persistent subscriptions could not work on. Any: look at what they parked, mend them, and replay."
    );
    describe_gauge!("nimaora_event_store_subscriptions", "Outside clients that listen now, by kind.");
}

/// What became of an append.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Written,
    Refused,
    Failed,
}

/// An append was answered.
pub(crate) fn appended(outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Written => "written",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    };
    metrics::counter!("nimaora_event_store_appends_total", "outcome" => outcome).increment(1);
}

/// Events were sent.
pub(crate) fn sent(events: u64) {
    metrics::counter!("nimaora_event_store_sent_events_total").increment(events);
}

/// A call was refused because of a bound of all calls together.
pub(crate) fn shed() {
    metrics::counter!("nimaora_event_store_shed_calls_total").increment(1);
}

/// A connection gives way to another.
pub(crate) fn dismissed() {
    metrics::counter!("nimaora_event_store_dismissed_connections_total").increment(1);
}

/// A subscription that was live is behind.
pub(crate) fn fell_behind() {
    metrics::counter!("nimaora_event_store_fell_behind_total").increment(1);
}

/// An event was parked.
pub(crate) fn parked() {
    metrics::counter!("nimaora_event_store_parked_events_total").increment(1);
}

/// How a client listens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    CatchUp,
    Persistent,
}

/// A client listens for as long as this is held.
#[derive(Debug)]
pub(crate) struct Listens(Kind);

impl Listens {
    pub(crate) fn new(kind: Kind) -> Self {
        let listens = Self(kind);
        listens.change(1.0);
        listens
    }

    fn change(&self, by: f64) {
        let kind = match self.0 {
            Kind::CatchUp => "catch_up",
            Kind::Persistent => "persistent",
        };
        metrics::gauge!("nimaora_event_store_subscriptions", "kind" => kind).increment(by);
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        self.change(-1.0);
    }
}
