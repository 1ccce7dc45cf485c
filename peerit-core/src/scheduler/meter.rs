//! How fast bytes come, for people and for tit for tat.

use std::time::Duration;

use crate::time::Timestamp;

/// How many slots are kept.
const SLOTS: usize = 8;
/// What one slot covers: 8 slots are 4 s, long enough to be calm, short enough to be honest.
const SLOT_MS: u64 = 500;

/// Bytes a second over the last 3.5 to 4 seconds.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    began: Timestamp,
    /// The newest slot, counted from the origin of time.
    newest: u64,
    slots: [u64; SLOTS],
}

impl Meter {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { began: now, newest: slot_of(now), slots: [0; SLOTS] }
    }

    pub(super) fn add(&mut self, now: Timestamp, bytes: u32) {
        let slot = slot_of(now).max(self.newest);
        for skipped in (self.newest + 1..=slot).take(SLOTS) {
            self.slots[index(skipped)] = 0;
        }
        self.newest = slot;
        self.slots[index(slot)] += u64::from(bytes);
    }

    pub(super) fn rate(&self, now: Timestamp) -> u64 {
        let slot = slot_of(now);
        let oldest = (slot + 1).saturating_sub(SLOTS as u64);
        let kept = (oldest..=self.newest).rev().take(SLOTS).map(|kept| self.slots[index(kept)]);
        let covered_from = Timestamp::from_origin(Duration::from_millis(oldest * SLOT_MS));
        let covered = now - covered_from.max(self.began);
        let covered_ms = u64::try_from(covered.as_millis()).unwrap_or(u64::MAX).max(SLOT_MS);
        kept.sum::<u64>().saturating_mul(1_000) / covered_ms
    }
}

fn slot_of(now: Timestamp) -> u64 {
    u64::try_from(now.since_origin().as_millis()).unwrap_or(u64::MAX) / SLOT_MS
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn a_steady_stream_shows_its_rate_and_then_fades() {
        let mut meter = Meter::new(at(1_000));
        for ms in 1_000..9_000 {
            meter.add(at(ms), 100);
        }
        assert!((99_000..=100_000).contains(&meter.rate(at(9_000))), "{}", meter.rate(at(9_000)));
        assert!((40_000..=50_000).contains(&meter.rate(at(11_000))));
        assert_eq!(meter.rate(at(13_000)), 0);
        meter.add(at(60_000), 500);
        assert!(meter.rate(at(60_000)) < 200);
    }

    #[test]
    fn the_first_seconds_are_not_averaged_with_nothing() {
        let mut meter = Meter::new(at(1_000));
        meter.add(at(1_500), 100_000);
        assert_eq!(meter.rate(at(2_000)), 100_000);
    }
}
