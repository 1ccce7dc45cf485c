//! What happens when: a hierarchical timing wheel.
//!
//! After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), in the form of a radix
//! heap (Ahuja et al. 1990): time never goes back, so an entry lies at the level of the highest digit
//! in which its moment differs from the last one taken. Each entry moves down at most once a level; a
//! push and a pop cost O(levels) with no comparison, and entries of one moment keep their order.

/// Bits of a digit; a level has a slot for each value.
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// Digits of 64 bits.
const LEVELS: usize = 64_usize.div_ceil(DIGIT_BITS as usize);

/// A queue of events by time.
#[derive(Debug)]
pub(super) struct Queue<T> {
    levels: Vec<Level<T>>,
    /// The moment of the last pop, in ns.
    last: u64,
    /// Entries of the slot of level 0 that is being emptied, last one first.
    current: Vec<T>,
}

#[derive(Debug)]
struct Level<T> {
    /// Which slots have entries.
    occupied: u64,
    slots: Vec<Vec<(u64, T)>>,
}

impl<T: Copy> Queue<T> {
    pub(super) fn new() -> Self {
        let level = || Level { occupied: 0, slots: (0..SLOTS).map(|_| Vec::new()).collect() };
        Self { levels: (0..LEVELS).map(|_| level()).collect(), last: 0, current: Vec::new() }
    }

    /// Puts an event behind all others of its moment; the past counts as the moment of the last pop.
    pub(super) fn push(&mut self, at: u64, event: T) {
        let at = at.max(self.last);
        let differs = at ^ self.last;
        let level = (63 - (differs | 1).leading_zeros()) / DIGIT_BITS;
        let slot = digit(at >> (level * DIGIT_BITS));
        let level = &mut self.levels[level as usize];
        level.occupied |= 1 << slot;
        level.slots[slot].push((at, event));
    }

    /// The first event and its moment.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        if let Some(event) = self.current.pop() {
            return Some((self.last, event));
        }
        loop {
            let level = self.levels.iter().position(|level| level.occupied != 0)?;
            let slot = self.levels[level].occupied.trailing_zeros();
            self.levels[level].occupied &= !(1 << slot);
            let mut entries = std::mem::take(&mut self.levels[level].slots[slot as usize]);
            self.last = entries.iter().map(|entry| entry.0).min().unwrap_or(self.last);
            if level == 0 {
                self.current.extend(entries.drain(..).rev().map(|(_, event)| event));
            } else {
                entries.drain(..).for_each(|(at, event)| self.push(at, event));
            }
            // The slot keeps its memory.
            self.levels[level].slots[slot as usize] = entries;
            if let Some(event) = self.current.pop() {
                return Some((self.last, event));
            }
        }
    }
}

/// The lowest digit.
#[expect(clippy::cast_possible_truncation, reason = "below 64")]
fn digit(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn events_come_by_time_and_then_in_order() {
        let (mut queue, mut rng) = (Queue::new(), Rng::from_seed(1));
        let (mut now, mut pushed) = (0, 0_u64);
        let mut expected = std::collections::BTreeMap::new();
        for _ in 0..20_000 {
            if rng.below(5) < 3 {
                let range = [1, 4, 1_000, 1 << 40][rng.below(4)];
                let at = now + rng.next_u64() % range;
                queue.push(at, pushed);
                expected.insert((at, pushed), ());
                pushed += 1;
            } else {
                let first = expected.pop_first().map(|(key, ())| key);
                assert_eq!(queue.pop(), first);
                now = first.map_or(now, |(at, _)| at);
            }
        }
        while let Some(((at, number), ())) = expected.pop_first() {
            assert_eq!(queue.pop(), Some((at, number)));
        }
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn what_is_late_comes_at_once() {
        let mut queue = Queue::new();
        queue.push(100, 'a');
        assert_eq!(queue.pop(), Some((100, 'a')));
        queue.push(7, 'b');
        queue.push(u64::MAX, 'c');
        assert_eq!(queue.pop(), Some((100, 'b')));
        assert_eq!(queue.pop(), Some((u64::MAX, 'c')));
    }
}
