//! An ordered set that knows every key's place: sorted chunks, with a Fenwick tree over their sizes.
//!
//! Each operation is a binary search over the chunks, one within a chunk, and a walk of the Fenwick tree: O(log N). A chunk
//! is a few pages of plain keys, so moving half of one costs less than following the pointers of a balanced tree.

/// A chunk that grows past this many keys is split in two.
const CHUNK_KEYS_MAX: usize = 256;
/// A chunk that shrinks below this many keys is joined with a neighbour, if both fit in three quarters of a chunk.
const CHUNK_KEYS_MIN: usize = 64;

/// Keys in ascending order, each once.
#[derive(Clone, Debug)]
pub(super) struct Ranking<K> {
    /// None is empty; all keys of one are smaller than all of the next.
    chunks: Vec<Vec<K>>,
    sizes: Fenwick,
    len: usize,
}

impl<K> Default for Ranking<K> {
    fn default() -> Self {
        Self { chunks: Vec::new(), sizes: Fenwick::default(), len: 0 }
    }
}

impl<K: Ord + Copy> Ranking<K> {
    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key. Answers false, and changes nothing, when it is there already.
    pub(super) fn insert(&mut self, key: K) -> bool {
        // A key behind all others goes to the end of the last chunk.
        let at = self.chunk_for(&key).min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(vec![key]);
            self.resized();
            self.len = 1;
            return true;
        };
        let Err(place) = chunk.binary_search(&key) else { return false };
        chunk.insert(place, key);
        self.len += 1;
        if chunk.len() > CHUNK_KEYS_MAX {
            self.split(at);
        } else {
            self.sizes.add(at, 1);
        }
        true
    }

    /// Takes a key out. Answers whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        let at = self.chunk_for(key);
        let Some(chunk) = self.chunks.get_mut(at) else { return false };
        let Ok(place) = chunk.binary_search(key) else { return false };
        chunk.remove(place);
        self.len -= 1;
        if chunk.len() >= CHUNK_KEYS_MIN || !self.shrink(at) {
            self.sizes.add(at, -1);
        }
        true
    }

    /// How many keys are smaller than this one, which is there; `None` when it is not.
    pub(super) fn rank(&self, key: &K) -> Option<usize> {
        let at = self.chunk_for(key);
        let place = self.chunks.get(at)?.binary_search(key).ok()?;
        Some(self.sizes.before(at) + place)
    }

    /// The keys from the `from`th on (from 0), in order.
    pub(super) fn iter_from(&self, from: usize) -> impl Iterator<Item = &K> {
        let (at, place) = self.sizes.find(from);
        let first = self.chunks.get(at).and_then(|chunk| chunk.get(place..)).unwrap_or_default();
        let rest = self.chunks.get(at + 1..).unwrap_or_default();
        first.iter().chain(rest.iter().flatten())
    }

    /// The first chunk whose last key is not smaller.
    fn chunk_for(&self, key: &K) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last < key))
    }

    fn split(&mut self, at: usize) {
        let upper = self.chunks[at].split_off(CHUNK_KEYS_MAX / 2);
        self.chunks.insert(at + 1, upper);
        self.resized();
    }

    /// Drops a chunk that is empty, or joins one that is small with its neighbour. Answers whether the chunks changed.
    fn shrink(&mut self, at: usize) -> bool {
        if self.chunks[at].is_empty() {
            self.chunks.remove(at);
            self.resized();
            return true;
        }
        let left = if at + 1 < self.chunks.len() { at } else { at.saturating_sub(1) };
        let Some(right) = self.chunks.get(left + 1) else { return false };
        if self.chunks[left].len() + right.len() > CHUNK_KEYS_MAX / 4 * 3 {
            return false;
        }
        let right = self.chunks.remove(left + 1);
        self.chunks[left].extend(right);
        self.resized();
        true
    }

    /// The chunks are others now. Costs as many steps as there are chunks, once in many insertions or removals.
    fn resized(&mut self) {
        self.sizes = Fenwick::new(self.chunks.iter().map(Vec::len));
    }
}

/// Sums over a list of sizes in O(log n).
#[derive(Clone, Debug, Default)]
struct Fenwick {
    /// `sums[i]` is the sum of the sizes in the block that ends with the `i`th.
    sums: Vec<usize>,
}

impl Fenwick {
    fn new(sizes: impl Iterator<Item = usize>) -> Self {
        let mut sums: Vec<usize> = sizes.collect();
        for at in 0..sums.len() {
            let parent = at | (at + 1);
            if parent < sums.len() {
                sums[parent] += sums[at];
            }
        }
        Self { sums }
    }

    fn add(&mut self, mut at: usize, by: isize) {
        while let Some(sum) = self.sums.get_mut(at) {
            *sum = sum.saturating_add_signed(by);
            at |= at + 1;
        }
    }

    /// The sum of the first `end` sizes.
    fn before(&self, mut end: usize) -> usize {
        let mut sum = 0;
        while end > 0 {
            sum += self.sums[end - 1];
            end &= end - 1;
        }
        sum
    }

    /// Where the `nth` element (from 0) is: in which block, and which one there. Past the end: the number of blocks.
    fn find(&self, mut nth: usize) -> (usize, usize) {
        let mut at = 0;
        let mut step = self.sums.len().checked_ilog2().map_or(0, |log| 1 << log);
        while step > 0 {
            if let Some(&sum) = self.sums.get(at + step - 1)
                && sum <= nth
            {
                nth -= sum;
                at += step;
            }
            step /= 2;
        }
        (at, nth)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn agrees(ranking: &Ranking<u32>, model: &BTreeSet<u32>, from: usize) {
        assert_eq!(ranking.len(), model.len());
        let expected: Vec<_> = model.iter().skip(from).copied().collect();
        let found: Vec<_> = ranking.iter_from(from).copied().collect();
        assert_eq!(found, expected, "from {from}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn holds_what_a_sorted_set_holds(
            steps in prop::collection::vec((any::<bool>(), 0_u32..3_000), 0..6_000),
            from in 0_usize..3_000,
        ) {
            let (mut ranking, mut model) = (Ranking::default(), BTreeSet::new());
            for (insert, key) in steps {
                if insert {
                    prop_assert_eq!(ranking.insert(key), model.insert(key));
                } else {
                    prop_assert_eq!(ranking.remove(&key), model.remove(&key));
                }
            }
            agrees(&ranking, &model, from);
            agrees(&ranking, &model, 0);
            for (rank, key) in model.iter().enumerate() {
                prop_assert_eq!(ranking.rank(key), Some(rank));
            }
        }
    }

    #[test]
    fn grows_and_shrinks_to_nothing() {
        let mut ranking = Ranking::default();
        for key in 0..100_000_u32 {
            assert!(ranking.insert(key.wrapping_mul(2_654_435_761)));
        }
        assert!(ranking.chunks.iter().all(|chunk| chunk.len() <= CHUNK_KEYS_MAX));
        for key in 0..100_000_u32 {
            assert!(ranking.remove(&key.wrapping_mul(2_654_435_761)));
        }
        agrees(&ranking, &BTreeSet::new(), 0);
        assert!(ranking.chunks.is_empty());
    }
}
