//! Lets arrivals through when they are due, to the fraction of a millisecond, on a thread of its own: the runtime's
//! timers tick in milliseconds, which would be a good part of what is measured.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use super::error::LoadError;
use super::plan::Arrival;
use super::time::now_us;

/// Arrivals that wait for the runtime. When it is reached the pacer waits too, and the arrivals' lag shows it.
const WAITING_MAX: usize = 1_024;
/// How long after the end of its phase an arrival may still be sent. What is left then counts as not sent.
const OVERTIME_US: u64 = 1_000_000;

/// Arrivals as they become due.
pub(super) struct Pacer {
    pub(super) due: mpsc::Receiver<Arrival>,
    thread: JoinHandle<u64>,
}

impl Pacer {
    /// Lets `arrivals` through, counted from `began_us`. With `length_us` the phase ends so long after, whatever is left.
    pub(super) fn start(
        arrivals: impl Iterator<Item = Arrival> + Send + 'static,
        began_us: u64,
        length_us: Option<u64>,
    ) -> Result<Self, LoadError> {
        let (sender, due) = mpsc::channel(WAITING_MAX);
        let last_us = length_us.map_or(u64::MAX, |length| began_us + length + OVERTIME_US);
        let thread = thread::Builder::new()
            .name("load-pacer".to_owned())
            .spawn(move || pace(arrivals, began_us, last_us, &sender))
            .map_err(|source| LoadError::Io { action: "start the pacer's thread", source })?;
        Ok(Self { due, thread })
    }

    /// How many arrivals were not let through. To be called after the last one came.
    pub(super) fn not_sent(self) -> u64 {
        drop(self.due);
        // The thread does not panic; if it did, nothing of it could be counted.
        self.thread.join().unwrap_or(0)
    }
}

fn pace(
    mut arrivals: impl Iterator<Item = Arrival>,
    began_us: u64,
    last_us: u64,
    sender: &mpsc::Sender<Arrival>,
) -> u64 {
    while let Some(arrival) = arrivals.next() {
        wait_until(began_us + arrival.at_us);
        if now_us() > last_us || sender.blocking_send(arrival).is_err() {
            return 1 + arrivals.count() as u64;
        }
    }
    0
}

fn wait_until(due_us: u64) {
    loop {
        let now_us = now_us();
        if now_us >= due_us {
            return;
        }
        thread::park_timeout(Duration::from_micros(due_us - now_us));
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Arrivals, joins};
    use super::*;

    #[tokio::test]
    async fn everything_is_let_through_in_order_and_not_early() {
        let began_us = now_us();
        let arrivals = Arrivals::new(1, 5_000.0, Duration::from_millis(100), 10);
        let expected: Vec<_> = arrivals.clone().collect();
        let mut pacer = Pacer::start(arrivals, began_us, Some(100_000)).unwrap();
        let mut came = Vec::new();
        while let Some(arrival) = pacer.due.recv().await {
            assert!(now_us() >= began_us + arrival.at_us);
            came.push(arrival);
        }
        assert_eq!(came, expected);
        assert_eq!(pacer.not_sent(), 0);
    }

    #[tokio::test]
    async fn what_is_left_after_the_phase_is_counted() {
        // A phase that was over long ago.
        let mut pacer = Pacer::start(joins(10, 1e9), 0, Some(1)).unwrap();
        assert_eq!(pacer.due.recv().await, None);
        assert_eq!(pacer.not_sent(), 10);
    }
}
