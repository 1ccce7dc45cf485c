//! A rate per host, in memory of one fixed size.

use std::time::Duration;

use crate::host::Host;
use crate::time::Timestamp;

/// Buckets of a limiter: 4,096 of 16 bytes are 64 KiB.
const BUCKETS: usize = 4_096;

/// Something may happen `burst` times at once, and once an `interval` in the long run.
///
/// The generic cell rate algorithm (ITU-T I.371): a bucket is the moment at which it is empty
/// again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) interval: Duration,
    pub(super) burst: u32,
}

impl Rate {
    /// Whether it may happen `count` times now.
    pub(super) fn has_room(self, bucket: Timestamp, now: Timestamp, count: u32) -> bool {
        self.filled(bucket, now, count) - now <= self.interval * self.burst
    }

    /// The bucket after it has happened `count` times.
    pub(super) fn filled(self, bucket: Timestamp, now: Timestamp, count: u32) -> Timestamp {
        bucket.max(now) + self.interval * count
    }
}

/// A [`Rate`] for each host.
///
/// Hosts share buckets by a keyed hash that nobody outside can predict: two busy hosts get
/// the rate of one with probability 1/4,096, and a flood from many forged addresses closes the door
/// for all at a total of 4,096 per interval instead of growing a table.
pub(super) struct RateLimiter {
    key: [u8; 32],
    rate: Rate,
    empty_at: Vec<Timestamp>,
}

impl RateLimiter {
    pub(super) fn new(key: [u8; 32], interval: Duration, burst: u32) -> Self {
        let rate = Rate { interval, burst };
        Self { key, rate, empty_at: vec![Timestamp::ZERO; BUCKETS] }
    }

    /// Whether `host` may do it now; if so, it is counted.
    pub(super) fn allow(&mut self, now: Timestamp, host: Host) -> bool {
        let allowed = self.has_room(now, host, 1);
        if allowed {
            self.count(now, host, 1);
        }
        allowed
    }

    /// Whether `host` may do it `count` times now.
    pub(super) fn has_room(&self, now: Timestamp, host: Host, count: u32) -> bool {
        self.rate.has_room(self.empty_at[self.bucket(host)], now, count)
    }

    /// Counts what `host` has done.
    pub(super) fn count(&mut self, now: Timestamp, host: Host, count: u32) {
        let bucket = self.bucket(host);
        self.empty_at[bucket] = self.rate.filled(self.empty_at[bucket], now, count);
    }

    fn bucket(&self, host: Host) -> usize {
        let digest = blake3::keyed_hash(&self.key, &host.bits().to_be_bytes());
        let [high, low, ..] = *digest.as_bytes();
        usize::from(u16::from_be_bytes([high, low])) % BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut limiter = RateLimiter::new([1; 32], Duration::from_secs(1), 4);
        let host = Host::of([198, 51, 100, 7].into());
        let at = |ms| Timestamp::from_origin(Duration::from_millis(ms));
        let allowed =
            |limiter: &mut RateLimiter, ms| (0..10).filter(|_| limiter.allow(at(ms), host)).count();
        assert_eq!(allowed(&mut limiter, 5_000), 4);
        assert_eq!(allowed(&mut limiter, 5_999), 0);
        assert_eq!(allowed(&mut limiter, 6_000), 1);
        assert_eq!(allowed(&mut limiter, 60_000), 4);
        assert!(limiter.allow(at(60_000), Host::of([198, 51, 100, 8].into())));
    }
}
