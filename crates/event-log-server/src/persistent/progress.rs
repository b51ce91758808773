//! How far a group is: everything up to a place is done.

use std::collections::VecDeque;

use super::settings::Place;

/// What was read and is not known to be done, in order.
#[derive(Debug, Default)]
pub(super) struct Progress {
    read: VecDeque<(Place, bool)>,
    done: Option<Place>,
    /// Events done since the place was last written.
    unwritten: u64,
}

impl Progress {
    pub(super) fn new(done: Option<Place>) -> Self {
        Self { done, ..Self::default() }
    }

    /// An event was read.
    pub(super) fn read(&mut self, place: Place) {
        self.read.push_back((place, false));
    }

    /// Everything up to here was looked at, and what the group does not want was passed over.
    pub(super) fn passed(&mut self, place: Place) {
        // What was passed counts as done as soon as what was read before it is.
        match self.read.back_mut() {
            Some(last) if last.1 => last.0 = place,
            _ => self.read.push_back((place, true)),
        }
        self.move_on();
    }

    /// An event is done, one way or another.
    pub(super) fn settle(&mut self, place: Place) {
        let at = self.read.partition_point(|(read, _)| *read < place);
        if let Some(entry) = self.read.get_mut(at).filter(|entry| entry.0 == place && !entry.1) {
            entry.1 = true;
            self.unwritten += 1;
            self.move_on();
        }
    }

    fn move_on(&mut self) {
        while let Some((place, true)) = self.read.front().copied() {
            self.read.pop_front();
            self.done = Some(place);
        }
    }

    /// Events that were read since the first that is not done.
    pub(super) fn len(&self) -> usize {
        self.read.len()
    }

    /// Everything up to here is done.
    pub(super) fn done(&self) -> Option<Place> {
        self.done
    }

    /// The last place that was read.
    pub(super) fn last_read(&self) -> Option<Place> {
        self.read.back().map(|(place, _)| *place).or(self.done)
    }

    pub(super) fn unwritten(&self) -> u64 {
        self.unwritten
    }

    pub(super) fn written(&mut self) {
        self.unwritten = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_passed_that_is_not_done() {
        let mut progress = Progress::new(None);
        for place in [3, 5, 8] {
            progress.read(place);
        }
        progress.passed(20);
        progress.settle(5);
        assert_eq!((progress.done(), progress.unwritten()), (None, 1));
        progress.settle(3);
        assert_eq!(progress.done(), Some(5));
        // Again, and what was never read.
        progress.settle(3);
        progress.settle(6);
        assert_eq!((progress.done(), progress.unwritten()), (Some(5), 2));
        progress.settle(8);
        assert_eq!((progress.done(), progress.last_read()), (Some(20), Some(20)));
    }

    #[test]
    fn what_is_not_wanted_is_passed_over() {
        let mut progress = Progress::new(Some(2));
        assert_eq!(progress.done(), Some(2));
        progress.passed(9);
        assert_eq!((progress.done(), progress.unwritten()), (Some(9), 0));
    }
}
