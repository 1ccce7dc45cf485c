//! How long to wait before a dead tracker is tried again.

use std::time::Duration;

use crate::rng::Rng;

/// First wait before a dead tracker is tried again, doubled each time.
const BACKOFF_MIN: Duration = Duration::from_secs(10);

/// Longest wait before a dead tracker is tried again.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(15 * 60);

/// The wait after so many failures in a row: half of it fixed, half random, so that the peers of a
/// tracker that comes back do not all come at once.
pub(super) fn backoff(failures: u32, rng: &mut Rng) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    let wait = (BACKOFF_MIN * 2_u32.pow(doublings)).min(BACKOFF_MAX);
    wait / 2 + random_part(wait / 2, rng)
}

/// A random part of a duration, to the millisecond.
pub(super) fn random_part(of: Duration, rng: &mut Rng) -> Duration {
    let millis = usize::try_from(of.as_millis()).unwrap_or(usize::MAX);
    Duration::from_millis(rng.below(millis + 1) as u64)
}
