//! A set of chunks that can be drawn from at random.

use crate::id::ChunkIndex;

/// A set of chunks with rank and select: a bit per chunk, and a Fenwick tree (Fenwick 1994, "A new
/// data structure for cumulative frequency tables") over the counts of its 64-bit words.
///
/// `insert`, `remove` and `nth` are O(log n). 65,536 chunks take 8 KiB of bits and 4 KiB of tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    words: Vec<u64>,
    /// `tree[i]` counts the words `i + 1 - lowbit(i + 1) ..= i`.
    tree: Vec<u32>,
    count: u32,
}

impl Wanted {
    pub(super) fn empty(chunk_count: u32) -> Self {
        let words = chunk_count.div_ceil(64) as usize;
        Self { words: vec![0; words], tree: vec![0; words], count: 0 }
    }

    /// The set of `chunks`; O(n) with no tree walk for each of them.
    pub(super) fn of(chunk_count: u32, chunks: impl Iterator<Item = ChunkIndex>) -> Self {
        let mut wanted = Self::empty(chunk_count);
        for chunk in chunks {
            wanted.words[chunk.as_usize() / 64] |= bit(chunk);
        }
        for word in 0..wanted.words.len() {
            let ones = wanted.words[word].count_ones();
            wanted.count += ones;
            wanted.tree[word] += ones;
            let parent = word | (word + 1);
            let sum = wanted.tree[word];
            if let Some(parent) = wanted.tree.get_mut(parent) {
                *parent += sum;
            }
        }
        wanted
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn contains(&self, chunk: ChunkIndex) -> bool {
        self.words.get(chunk.as_usize() / 64).is_some_and(|word| word & bit(chunk) != 0)
    }

    pub(super) fn insert(&mut self, chunk: ChunkIndex) {
        if !self.contains(chunk) {
            self.words[chunk.as_usize() / 64] |= bit(chunk);
            self.count += 1;
            self.add(chunk.as_usize() / 64, 1);
        }
    }

    pub(super) fn remove(&mut self, chunk: ChunkIndex) {
        if self.contains(chunk) {
            self.words[chunk.as_usize() / 64] &= !bit(chunk);
            self.count -= 1;
            self.add(chunk.as_usize() / 64, -1);
        }
    }

    /// The chunk with `rank` others of the set before it.
    pub(super) fn nth(&self, rank: u32) -> Option<ChunkIndex> {
        if rank >= self.count {
            return None;
        }
        let mut left = rank;
        let mut word = 0;
        let mut step = self.tree.len().next_power_of_two();
        while step > 0 {
            if let Some(&below) = self.tree.get(word + step - 1).filter(|&&below| below <= left) {
                left -= below;
                word += step;
            }
            step /= 2;
        }
        let mut bits = self.words[word];
        for _ in 0..left {
            bits &= bits - 1;
        }
        Some(ChunkIndex(u32::try_from(word).ok()? * 64 + bits.trailing_zeros()))
    }

    fn add(&mut self, word: usize, change: i32) {
        let mut node = word + 1;
        while node <= self.tree.len() {
            self.tree[node - 1] = self.tree[node - 1].wrapping_add_signed(change);
            node += node & node.wrapping_neg();
        }
    }
}

fn bit(chunk: ChunkIndex) -> u64 {
    1 << (chunk.0 % 64)
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "the numbers of tests are small")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn answers_like_a_plain_set() {
        for (seed, chunks) in [(1, 1), (2, 64), (3, 65), (4, 1_000), (5, 65_536)] {
            let mut rng = Rng::from_seed(seed);
            let mut wanted = Wanted::empty(chunks);
            let mut plain = BTreeSet::new();
            for _ in 0..2_000 {
                let chunk = ChunkIndex(rng.below(chunks as usize) as u32);
                if rng.below(3) > 0 {
                    wanted.insert(chunk);
                    plain.insert(chunk);
                } else {
                    wanted.remove(chunk);
                    plain.remove(&chunk);
                }
                let rank = rng.below(plain.len() + 1);
                assert_eq!(wanted.nth(rank as u32).as_ref(), plain.iter().nth(rank), "seed {seed}");
                assert_eq!(wanted.count() as usize, plain.len(), "seed {seed}");
                assert_eq!(wanted.contains(chunk), plain.contains(&chunk), "seed {seed}");
            }
            assert_eq!(Wanted::of(chunks, plain.into_iter()), wanted, "seed {seed}");
        }
    }

    #[test]
    fn no_chunks_no_trouble() {
        assert_eq!(Wanted::empty(0).nth(0), None);
        assert!(!Wanted::empty(0).contains(ChunkIndex(0)));
    }
}
