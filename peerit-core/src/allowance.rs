//! How much of something somebody may do.

use crate::time::Timestamp;

/// Millionths in a token: tokens a second are then millionths a microsecond.
const TOKEN: u64 = 1_000_000;

/// A token bucket: so many at once, and so many more each second.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    burst: u32,
    per_second: u32,
    /// Millionths of a token left.
    left: u64,
    filled: Timestamp,
}

impl Allowance {
    pub(crate) fn new(now: Timestamp, burst: u32, per_second: u32) -> Self {
        Self { burst, per_second, left: u64::from(burst) * TOKEN, filled: now }
    }

    /// Takes one; false when none is left.
    pub(crate) fn take(&mut self, now: Timestamp) -> bool {
        // In microseconds: a peer that takes often must not lose the rest of a coarser unit each time.
        let passed = u64::try_from((now - self.filled).as_micros()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(u64::from(self.per_second));
        self.left = self.left.saturating_add(gained).min(u64::from(self.burst) * TOKEN);
        self.filled = now;
        let enough = self.left >= TOKEN;
        if enough {
            self.left -= TOKEN;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let at = |ms| Timestamp::from_origin(Duration::from_millis(ms));
        let mut allowance = Allowance::new(at(0), 3, 2);
        let taken =
            |allowance: &mut Allowance, now| (0..10).filter(|_| allowance.take(now)).count();
        assert_eq!(taken(&mut allowance, at(0)), 3);
        assert_eq!(taken(&mut allowance, at(499)), 0);
        assert_eq!(taken(&mut allowance, at(1_499)), 2);
        assert_eq!(taken(&mut allowance, at(3_600_000)), 3);
    }

    #[test]
    fn taking_often_loses_nothing() {
        let at = |us| Timestamp::from_origin(Duration::from_micros(us));
        let mut allowance = Allowance::new(at(0), 1, 1_000);
        // A little slower than allowed, in steps of less than a millisecond and a half.
        assert!((0..10_000).all(|number| allowance.take(at(number * 1_100))));
    }
}
