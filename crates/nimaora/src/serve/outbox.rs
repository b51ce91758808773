//! What a connection has not been sent yet: since when, and how much.
//!
//! Each piece of an answer carries a ticket until its last byte is with the system. A stream on which nothing happens holds no
//! ticket, so only clients that do not take what is there are told apart, over HTTP/1.1 and HTTP/2 alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::body::Frame;
use nimaora_api::details;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Code, Status};

use super::budget::Budget;
use super::metrics;
use crate::config::Limits;

/// How many periods are told apart. A ticket is overdue when it has seen all of them but the one it was made in.
const PERIODS: usize = 3;
/// A piece of so many bytes is always sent: it may tell that a command was carried out. How many there are is bounded by the
/// requests at a time.
pub(super) const SMALL_BYTES_MAX: usize = 4 * 1024;
/// After how long it is worth trying again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What the answers of all connections have in common.
#[derive(Debug)]
pub(super) struct Outlet {
    unsent: Budget,
    per_connection_bytes_max: usize,
    patience: Duration,
}

impl Outlet {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            unsent: Budget::new(limits.unsent_answer_bytes_max),
            per_connection_bytes_max: limits.unsent_answer_bytes_per_connection_max,
            patience: Duration::from_millis(limits.answer_write_timeout_ms),
        }
    }
}

/// What one connection has not been sent yet.
#[derive(Debug)]
pub(super) struct Outbox {
    outlet: Arc<Outlet>,
    /// Tickets by the period they were made in.
    tickets: [AtomicUsize; PERIODS],
    period: AtomicUsize,
    /// The period of the last answer over HTTP/1.1 that had no body to carry a ticket, until the next request; else [`NONE`].
    bare: AtomicUsize,
    unsent: Budget,
}

/// No period at all.
const NONE: usize = PERIODS;

impl Outbox {
    pub(super) fn new(outlet: &Arc<Outlet>) -> Arc<Self> {
        let unsent = Budget::new(outlet.per_connection_bytes_max);
        let outlet = Arc::clone(outlet);
        let (tickets, period, bare) = (Default::default(), AtomicUsize::new(0), AtomicUsize::new(NONE));
        Arc::new(Self { outlet, tickets, period, bare, unsent })
    }

    /// Resolves when the client has not taken something for `limits.answer_write_timeout_ms`, or half as long again.
    pub(super) async fn overdue(&self) {
        let period = self.outlet.patience / (PERIODS as u32 - 1);
        let mut ticks = interval(period.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if self.turn() {
                return;
            }
        }
    }

    /// Begins the next period; answers whether something is left of when it was last its turn.
    fn turn(&self) -> bool {
        let next = (self.period.load(Ordering::Relaxed) + 1) % PERIODS;
        self.period.store(next, Ordering::Relaxed);
        self.tickets[next].load(Ordering::Relaxed) > 0 || self.bare.load(Ordering::Relaxed) == next
    }

    /// The client has asked again, so its connection is not stuck.
    pub(super) fn asked(&self) {
        self.bare.store(NONE, Ordering::Relaxed);
    }

    /// An answer without a body is on its way; nothing tells when it is gone. Nobody stays that long without a request:
    /// `limits.header_read_timeout_ms` is shorter, but does not count while the connection waits for its client to read.
    pub(super) fn answered_bare(&self) {
        self.bare.store(self.period.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// A ticket for so many bytes, unless too many are unsent.
    fn ticket(self: &Arc<Self>, bytes: usize) -> Option<Ticket> {
        let held_bytes = if bytes <= SMALL_BYTES_MAX { 0 } else { bytes };
        if held_bytes > 0 {
            if !self.unsent.take(held_bytes) {
                return None;
            }
            if !self.outlet.unsent.take(held_bytes) {
                self.unsent.give_back(held_bytes);
                return None;
            }
        }
        let period = self.period.load(Ordering::Relaxed);
        self.tickets[period].fetch_add(1, Ordering::Relaxed);
        Some(Ticket { outbox: Arc::clone(self), period, held_bytes })
    }

    /// The same frame with a ticket, if it has data.
    pub(super) fn stamp(self: &Arc<Self>, frame: Frame<Bytes>) -> Result<Frame<Piece>, Status> {
        let ticket = match frame.data_ref() {
            Some(data) => Some(self.ticket(data.len()).ok_or_else(too_many)?),
            None => None,
        };
        Ok(frame.map_data(|data| Piece { data, _ticket: ticket }))
    }
}

fn too_many() -> Status {
    metrics::answer_refused();
    let message =
        "this client, or all of them, have not read too many answers; read them, then send the request again";
    details::retry(Code::ResourceExhausted, "TOO_MANY_UNREAD_ANSWERS", message, RETRY_AFTER)
}

#[derive(Debug)]
struct Ticket {
    outbox: Arc<Outbox>,
    period: usize,
    held_bytes: usize,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.outbox.tickets[self.period].fetch_sub(1, Ordering::Relaxed);
        if self.held_bytes > 0 {
            self.outbox.unsent.give_back(self.held_bytes);
            self.outbox.outlet.unsent.give_back(self.held_bytes);
        }
    }
}

/// A piece of an answer on its way.
#[derive(Debug)]
pub(super) struct Piece {
    data: Bytes,
    _ticket: Option<Ticket>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.data.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.data
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(outbox: &Outbox) -> [bool; PERIODS] {
        [(); PERIODS].map(|()| outbox.turn())
    }

    #[test]
    fn only_a_piece_that_is_not_taken_is_overdue() {
        let outbox = Outbox::new(&Arc::new(Outlet::new(&Limits::default())));
        let unread = outbox.stamp(Frame::data(Bytes::from_static(b"1"))).unwrap();
        // The period in which it was made is not over at the first turn.
        assert_eq!(turns(&outbox), [false, false, true]);
        drop(unread);
        assert_eq!(turns(&outbox), [false; PERIODS]);
    }

    #[test]
    fn after_an_answer_without_a_body_the_next_request_has_to_come() {
        let outbox = Outbox::new(&Arc::new(Outlet::new(&Limits::default())));
        outbox.answered_bare();
        assert_eq!(turns(&outbox), [false, false, true]);
        outbox.asked();
        assert_eq!(turns(&outbox), [false; PERIODS]);
    }
}
