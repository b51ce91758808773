//! How fast newcomers are let in. Clients that lost their node come back in one moment, and spread nothing themselves; they wait for the
//! first frame, though, and notice a wait only after some seconds.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Gives newcomers their turns.
pub(crate) struct Pace {
    /// When the next one has its turn, if it came then.
    next: Mutex<Instant>,
    every: Duration,
    delay_max: Duration,
}

/// Newcomers that need not wait when there were none for a while, as parts of a second.
const BURST: Duration = Duration::from_millis(250);

impl Pace {
    /// So many in a second; none waits longer than `delay_max`.
    pub(crate) fn new(per_second: u32, delay_max: Duration) -> Self {
        let every = Duration::from_secs(1) / per_second.max(1);
        Self { next: Mutex::new(Instant::now()), every, delay_max }
    }

    /// When a newcomer is let in; `None` when too many wait.
    pub(crate) fn turn(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut next = self.next.lock();
        let at = (*next).max(now.checked_sub(BURST).unwrap_or(now));
        if at > now + self.delay_max {
            return None;
        }
        *next = at + self.every;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_herd_is_let_in_one_after_the_other_and_the_rest_sent_away() {
        tokio::time::advance(BURST * 4).await;
        let pace = Pace::new(100, Duration::from_secs(2));
        tokio::time::advance(BURST * 4).await;
        let now = Instant::now();
        let turns: Vec<_> = (0..1_000).filter_map(|_| pace.turn()).collect();
        let at_once = turns.iter().filter(|at| **at <= now).count();
        assert_eq!(at_once, 26, "a quarter of a second's, and the one whose turn it is");
        assert_eq!(turns.len(), 226, "two seconds' more");
        assert!(turns.is_sorted() && turns[225] == now + Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((0..1_000).filter_map(|_| pace.turn()).count(), 100);
    }
}
