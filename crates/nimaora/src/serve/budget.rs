//! Bytes that may be held at a time, counted without a lock.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts bytes that are held, and says when there are too many.
#[derive(Debug)]
pub(super) struct Budget {
    held: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Self { held: AtomicUsize::new(0), max }
    }

    /// Takes so many bytes, unless more than the bound would be held then.
    pub(super) fn take(&self, bytes: usize) -> bool {
        self.take_within(bytes, self.max)
    }

    /// Takes so many bytes from a reserve as large as the bound, for what is small and must not starve behind what is large.
    pub(super) fn take_reserve(&self, bytes: usize) -> bool {
        self.take_within(bytes, self.max.saturating_mul(2))
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn take_within(&self, bytes: usize, max: usize) -> bool {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed);
        let fits = held.saturating_add(bytes) <= max;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_for_what_asks_for_it() {
        let budget = Budget::new(10);
        assert!(budget.take(10));
        assert!(!budget.take(1));
        assert!(budget.take_reserve(10));
        assert!(!budget.take_reserve(1));
        budget.give_back(10);
        assert!(!budget.take(1), "the reserve is still taken");
        budget.give_back(10);
        assert!(budget.take(10));
    }
}
