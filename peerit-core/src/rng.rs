//! Randomness as the pure core sees it: a seed, so that a run can be repeated.

/// Random numbers from a seed. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(fastrand::Rng);

impl Rng {
    /// The sequence of `seed`.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.0.usize(..bound) }
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// One of `items`, each as likely; none of nothing.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}

/// Seeds the generator of this thread, for a library that draws from it unasked.
///
/// Called right before each call of the library, it makes what the library draws a part of the run that can
/// be repeated. Others on this thread that draw from the generator get numbers that are as random as `seed`.
pub(crate) fn seed_thread(seed: u64) {
    fastrand::seed(seed);
}
