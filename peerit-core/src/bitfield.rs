//! A set of chunks, one bit each.

use crate::id::ChunkIndex;

/// A set of chunks of a content with a fixed chunk count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitfield {
    words: Vec<u64>,
    len: u32,
    ones: u32,
}

impl Bitfield {
    /// The empty set, for a content of `len` chunks.
    #[must_use]
    pub fn empty(len: u32) -> Self {
        Self { words: vec![0; len.div_ceil(64) as usize], len, ones: 0 }
    }

    /// The set of all `len` chunks.
    #[must_use]
    pub fn full(len: u32) -> Self {
        (0..len).map(ChunkIndex).fold(Self::empty(len), |mut all, chunk| {
            all.insert(chunk);
            all
        })
    }

    /// Reads the form of the wire: chunk 0 is the highest bit of the first byte. `None` when the
    /// length is not that of `len` chunks or a spare bit is set.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], len: u32) -> Option<Self> {
        if bytes.len() != len.div_ceil(8) as usize {
            return None;
        }
        let mut words = vec![0; len.div_ceil(64) as usize];
        for (index, &byte) in bytes.iter().enumerate() {
            words[index / 8] |= u64::from(byte) << (56 - 8 * (index % 8));
        }
        let spare = len.next_multiple_of(64) - len;
        if spare > 0 && words.last().is_some_and(|word| word.trailing_zeros() < spare) {
            return None;
        }
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Some(Self { words, len, ones })
    }

    /// The form of the wire, see [`Bitfield::from_bytes`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(self.len.div_ceil(8) as usize);
        bytes
    }

    /// How many chunks the content has.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// How many chunks are in the set.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Whether no chunk is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// Whether all chunks are in the set.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether `chunk` is in the set; false beyond its end.
    #[must_use]
    pub fn contains(&self, chunk: ChunkIndex) -> bool {
        chunk.0 < self.len && self.words[chunk.as_usize() / 64] & Self::bit(chunk) != 0
    }

    /// Adds `chunk`; returns whether it is new. Beyond the end nothing happens.
    pub fn insert(&mut self, chunk: ChunkIndex) -> bool {
        let new = chunk.0 < self.len && !self.contains(chunk);
        if new {
            self.words[chunk.as_usize() / 64] |= Self::bit(chunk);
            self.ones += 1;
        }
        new
    }

    /// Takes `chunk` out; returns whether it was there.
    pub fn remove(&mut self, chunk: ChunkIndex) -> bool {
        let there = self.contains(chunk);
        if there {
            self.words[chunk.as_usize() / 64] &= !Self::bit(chunk);
            self.ones -= 1;
        }
        there
    }

    /// The chunks in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = ChunkIndex> + '_ {
        self.words.iter().zip((0..).step_by(64)).flat_map(|(&word, base): (_, u32)| {
            ones_of(word).map(move |bit| ChunkIndex(base + bit))
        })
    }

    /// Whether `self` has a chunk that `other` lacks.
    #[must_use]
    pub fn has_beyond(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(ours, theirs)| ours & !theirs != 0)
    }

    /// The chunks that are in `self` and `other` and not in `without`, in order, from the word of `start` on and
    /// around. Costs a step for each 64 chunks until the last one that is taken.
    pub(crate) fn common_from<'a>(
        &'a self,
        other: &'a Self,
        without: &'a Self,
        start: ChunkIndex,
    ) -> impl Iterator<Item = ChunkIndex> + 'a {
        let words = self.words.len().min(other.words.len()).min(without.words.len());
        let first = (start.as_usize() / 64).min(words);
        (first..words).chain(0..first).flat_map(move |word| {
            let common = self.words[word] & other.words[word] & !without.words[word];
            let base = u32::try_from(word * 64).unwrap_or(u32::MAX);
            ones_of(common).map(move |bit| ChunkIndex(base + bit))
        })
    }

    fn bit(chunk: ChunkIndex) -> u64 {
        1 << (63 - chunk.0 % 64)
    }
}

/// Positions of the set bits of a word, counted from the highest.
fn ones_of(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = word.leading_zeros();
        (bit < 64).then(|| {
            word &= !(1 << (63 - bit));
            bit
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_zero_is_the_highest_bit() {
        let mut set = Bitfield::empty(10);
        set.insert(ChunkIndex(0));
        set.insert(ChunkIndex(9));
        assert_eq!(set.to_bytes(), [0b1000_0000, 0b0100_0000]);
        assert_eq!(Bitfield::from_bytes(&set.to_bytes(), 10), Some(set));
    }

    #[test]
    fn spare_bits_and_wrong_lengths_are_refused() {
        assert_eq!(Bitfield::from_bytes(&[0xff, 0b0010_0000], 10), None);
        assert_eq!(Bitfield::from_bytes(&[0xff], 10), None);
        assert_eq!(Bitfield::from_bytes(&[0xff, 0, 0], 10), None);
        assert_eq!(Bitfield::from_bytes(&[0xff; 8], 64), Some(Bitfield::full(64)));
        assert_eq!(Bitfield::from_bytes(&[], 0), Some(Bitfield::empty(0)));
    }

    #[test]
    fn counts_follow_changes() {
        let mut set = Bitfield::empty(130);
        assert!(set.insert(ChunkIndex(129)));
        assert!(!set.insert(ChunkIndex(129)));
        assert!(!set.insert(ChunkIndex(130)));
        assert!(set.insert(ChunkIndex(64)));
        assert_eq!(set.iter().collect::<Vec<_>>(), [ChunkIndex(64), ChunkIndex(129)]);
        assert!(set.remove(ChunkIndex(64)));
        assert!(!set.remove(ChunkIndex(64)));
        assert_eq!(set.count(), 1);
        assert!(Bitfield::full(130).is_full());
    }

    #[test]
    fn common_chunks_come_from_a_word_on_and_around() {
        let of = |chunks: &[u32]| {
            let mut set = Bitfield::empty(200);
            for &chunk in chunks {
                set.insert(ChunkIndex(chunk));
            }
            set
        };
        let (one, other, without) = (of(&[1, 2, 70, 199]), of(&[2, 3, 70, 199]), of(&[70]));
        let from =
            |start| one.common_from(&other, &without, ChunkIndex(start)).map(|chunk| chunk.0);
        assert_eq!(from(0).collect::<Vec<_>>(), [2, 199]);
        assert_eq!(from(100).collect::<Vec<_>>(), [199, 2]);
        assert_eq!(from(u32::MAX).collect::<Vec<_>>(), [2, 199]);
    }

    #[test]
    fn beyond_compares_sets() {
        let mut one = Bitfield::empty(70);
        let mut other = Bitfield::empty(70);
        other.insert(ChunkIndex(69));
        assert!(!one.has_beyond(&other));
        assert!(other.has_beyond(&one));
        one.insert(ChunkIndex(69));
        assert!(!other.has_beyond(&one));
    }
}
