//! What the bus counts.

use metrics::describe_counter;

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_counter!(
        "nimaora_change_bus_losses_total",
        "Followers that were told to read what the bus may have lost, by how it was noticed. Many: look at NATS, its \
         routes and its slow consumers."
    );
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
