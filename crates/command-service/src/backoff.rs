//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// The longest first wait: the log is not asked again while a writer turns commands away after a failure.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait of all. An outage is over for at most this long before it is noticed.
const MAX: Duration = Duration::from_secs(5);

/// The waits between tries. Each may be twice as long as the one before, up to [`MAX`], and is between a half and the whole of
/// that by chance: what failed together is not tried again together.
pub(crate) struct Backoff {
    rng: fastrand::Rng,
    longest: Duration,
}

impl Backoff {
    /// No try has failed yet.
    pub(crate) fn new(rng: fastrand::Rng) -> Self {
        Self { rng, longest: FIRST }
    }

    /// A try has worked: the next wait is a short one again.
    pub(crate) fn reset(&mut self) {
        self.longest = FIRST;
    }

    /// How long to wait now.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.longest.mul_f64(0.5 + 0.5 * self.rng.f64());
        self.longest = (2 * self.longest).min(MAX);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(fastrand::Rng::with_seed(seed))
    }

    #[test]
    fn waits_grow_to_a_bound_and_begin_again_after_a_success() {
        let mut backoff = backoff(1);
        let mut longest = FIRST;
        for _ in 0..20 {
            let wait = backoff.next_wait();
            assert!(wait >= longest / 2 && wait <= longest, "{wait:?} of {longest:?}");
            longest = (longest * 2).min(MAX);
        }
        assert_eq!(longest, MAX);
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }

    #[test]
    fn what_failed_together_is_not_tried_again_together() {
        let waits: std::collections::HashSet<_> = (0..64).map(|seed| backoff(seed).next_wait()).collect();
        assert!(waits.len() > 60, "{waits:?}");
    }
}
