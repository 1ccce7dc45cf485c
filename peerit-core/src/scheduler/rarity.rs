//! How many peers have each chunk, and the untouched chunks in that order.

use std::collections::BTreeMap;

use crate::bitfield::Bitfield;
use crate::id::ChunkIndex;
use crate::rng::Rng;

/// The availability of every chunk, and the untouched ones (not here and not begun) sorted by it.
///
/// Peers that have everything are not counted chunk by chunk but in `seeds`, so that a seed that
/// joins or leaves costs O(1). Every other change is O(log levels) for one chunk.
#[derive(Debug)]
pub(super) struct Rarity {
    /// By chunk: how many peers that are not seeds have it.
    counted: Vec<u32>,
    seeds: u32,
    /// The untouched chunks by `counted`, each level in random order and never empty.
    levels: BTreeMap<u32, Vec<ChunkIndex>>,
    /// The same without an order.
    untouched: Bitfield,
    /// By chunk: where in its level it is, if it is untouched.
    place: Vec<u32>,
}

impl Rarity {
    pub(super) fn new(chunk_count: u32) -> Self {
        let chunks = chunk_count as usize;
        Self {
            counted: vec![0; chunks],
            seeds: 0,
            levels: BTreeMap::new(),
            untouched: Bitfield::empty(chunk_count),
            place: vec![0; chunks],
        }
    }

    pub(super) fn seed_joined(&mut self) {
        self.seeds += 1;
    }

    pub(super) fn seed_left(&mut self) {
        self.seeds -= 1;
    }

    pub(super) fn availability(&self, chunk: ChunkIndex) -> u32 {
        self.counted.get(chunk.as_usize()).map_or(0, |counted| counted + self.seeds)
    }

    /// Whether the chunk is untouched.
    pub(super) fn contains(&self, chunk: ChunkIndex) -> bool {
        self.untouched.contains(chunk)
    }

    /// The untouched chunks.
    pub(super) fn untouched(&self) -> &Bitfield {
        &self.untouched
    }

    /// Whether no chunk is untouched.
    pub(super) fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// One more peer (not a seed) has the chunk.
    pub(super) fn raise(&mut self, chunk: ChunkIndex, rng: &mut Rng) {
        self.change(chunk, 1, rng);
    }

    /// One peer (not a seed) less has the chunk.
    pub(super) fn lower(&mut self, chunk: ChunkIndex, rng: &mut Rng) {
        self.change(chunk, -1, rng);
    }

    fn change(&mut self, chunk: ChunkIndex, by: i32, rng: &mut Rng) {
        let untouched = self.contains(chunk);
        self.remove(chunk);
        let counted = &mut self.counted[chunk.as_usize()];
        *counted = counted.saturating_add_signed(by);
        if untouched {
            self.insert(chunk, rng);
        }
    }

    /// The chunk is untouched now: it gets a random place among the equally rare.
    pub(super) fn insert(&mut self, chunk: ChunkIndex, rng: &mut Rng) {
        if !self.untouched.insert(chunk) {
            return;
        }
        let level = self.levels.entry(self.counted[chunk.as_usize()]).or_default();
        let place = rng.below(level.len() + 1);
        level.push(chunk);
        let last = level.len() - 1;
        level.swap(place, last);
        self.place[level[last].as_usize()] = number(last);
        self.place[chunk.as_usize()] = number(place);
    }

    /// The chunk is begun or stored.
    pub(super) fn remove(&mut self, chunk: ChunkIndex) {
        if !self.untouched.remove(chunk) {
            return;
        }
        let (counted, place) = (self.counted[chunk.as_usize()], self.place[chunk.as_usize()]);
        let Some(level) = self.levels.get_mut(&counted) else { return };
        level.swap_remove(place as usize);
        if let Some(moved) = level.get(place as usize) {
            self.place[moved.as_usize()] = place;
        } else if level.is_empty() {
            self.levels.remove(&counted);
        }
    }

    /// The untouched chunks from the rarest up; each level from a random start on. Those that only
    /// seeds have are left out unless `of_seed`: no other peer can have them.
    pub(super) fn rarest<'a>(
        &'a self,
        of_seed: bool,
        rng: &'a mut Rng,
    ) -> impl Iterator<Item = ChunkIndex> + 'a {
        self.levels.range(u32::from(!of_seed)..).flat_map(|(_, level)| {
            let (before, from_start) = level.split_at(rng.below(level.len()));
            from_start.iter().chain(before).copied()
        })
    }
}

/// A place in a level, of which there are at most as many as chunks.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "the numbers of tests are small")]
mod tests {
    use super::*;

    /// Untouched chunks, with the availability of each as a digit of the picture.
    fn drawn(picture: &str, rng: &mut Rng) -> Rarity {
        let mut rarity = Rarity::new(picture.len() as u32);
        for (chunk, digit) in (0..).map(ChunkIndex).zip(picture.chars()) {
            rarity.insert(chunk, rng);
            (0..digit.to_digit(10).unwrap()).for_each(|_| rarity.raise(chunk, rng));
        }
        rarity
    }

    fn order(rarity: &Rarity, of_seed: bool) -> Vec<u32> {
        rarity.rarest(of_seed, &mut Rng::from_seed(9)).map(|chunk| chunk.0).collect()
    }

    #[test]
    fn rarest_come_first() {
        let rarity = drawn("3142", &mut Rng::from_seed(1));
        assert_eq!(order(&rarity, true), [1, 3, 0, 2]);
    }

    #[test]
    fn only_seeds_are_asked_for_what_only_seeds_have() {
        let rarity = drawn("3102", &mut Rng::from_seed(1));
        assert_eq!(order(&rarity, true), [2, 1, 3, 0]);
        assert_eq!(order(&rarity, false), [1, 3, 0]);
    }

    #[test]
    fn a_seed_raises_all_and_moves_none() {
        let mut rarity = drawn("3142", &mut Rng::from_seed(1));
        rarity.seed_joined();
        assert_eq!(rarity.availability(ChunkIndex(2)), 5);
        assert_eq!(order(&rarity, true), [1, 3, 0, 2]);
        rarity.seed_left();
        assert_eq!(rarity.availability(ChunkIndex(2)), 4);
    }

    #[test]
    fn ties_are_broken_at_random() {
        let mut first = [0; 4];
        for seed in 0..400 {
            let mut rng = Rng::from_seed(seed);
            let rarity = drawn("1111", &mut rng);
            first[rarity.rarest(true, &mut rng).next().unwrap().as_usize()] += 1;
        }
        assert!(first.iter().all(|&count| count > 60), "{first:?}");
    }

    #[test]
    fn begun_chunks_are_not_listed_but_counted() {
        let mut rng = Rng::from_seed(1);
        let mut rarity = drawn("2111", &mut rng);
        rarity.remove(ChunkIndex(1));
        rarity.lower(ChunkIndex(1), &mut rng);
        rarity.lower(ChunkIndex(0), &mut rng);
        assert!(!rarity.contains(ChunkIndex(1)));
        rarity.insert(ChunkIndex(1), &mut rng);
        assert_eq!(order(&rarity, true)[0], 1);
    }

    #[test]
    fn it_is_empty_when_every_chunk_is_begun() {
        let mut rarity = drawn("10", &mut Rng::from_seed(1));
        rarity.remove(ChunkIndex(0));
        assert!(!rarity.is_empty(), "nobody has the other one, but it is wanted");
        rarity.remove(ChunkIndex(1));
        assert!(rarity.is_empty());
    }
}
