//! A list whose members keep their places while others come and go, so that it can be walked in pieces.

/// Where something stands in a [`Slots`].
pub(crate) type Slot = usize;

/// Things at fixed places. A place that became free is given away again.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<Slot>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Takes something in and tells where it stands.
    pub(crate) fn insert(&mut self, thing: T) -> Slot {
        match self.free.pop() {
            Some(slot) => {
                self.places[slot] = Some(thing);
                slot
            }
            None => {
                self.places.push(Some(thing));
                self.places.len() - 1
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Takes out what stands there.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        let thing = self.places.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(thing)
    }

    /// What stands in the `count` places from `first` on; `None` behind the last place.
    pub(crate) fn piece(&mut self, first: Slot, count: usize) -> Option<impl Iterator<Item = &mut T>> {
        let end = self.places.len().min(first.saturating_add(count));
        (first < end).then(|| self.places[first..end].iter_mut().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_places() {
        let mut slots = Slots::default();
        let places: Vec<_> = (0..5).map(|n| slots.insert(n)).collect();
        assert_eq!(slots.remove(places[1]), Some(1));
        assert_eq!(slots.remove(places[1]), None);
        assert_eq!(slots.piece(0, 3).unwrap().map(|n| *n).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(slots.piece(3, 3).unwrap().map(|n| *n).collect::<Vec<_>>(), [3, 4]);
        assert!(slots.piece(5, 3).is_none());
        assert_eq!(slots.insert(9), places[1]);
    }
}
