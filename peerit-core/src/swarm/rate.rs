//! How many bytes went by, and how fast lately.

use std::time::Duration;

use crate::time::Timestamp;

/// Length of a slot.
const SLOT: Duration = Duration::from_secs(1);
/// Slots of the window. Ten seconds smooth the bursts of single blocks on a slow link (256 KiB at
/// 100 kB/s are 2.6 s) and still follow a change while somebody watches.
const SLOTS: usize = 10;

/// Bytes per second over the last ten seconds, and the sum of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    /// Bytes in slot number `n` at index `n % SLOTS`.
    slots: [u64; SLOTS],
    /// The newest slot that was written to.
    newest: u64,
    started: Timestamp,
    total: u64,
}

impl Rate {
    pub(super) fn starting(now: Timestamp) -> Self {
        Self { newest: number(now), started: now, ..Self::default() }
    }

    pub(super) fn add(&mut self, now: Timestamp, bytes: u64) {
        let number = number(now).max(self.newest);
        for passed in (self.newest + 1..=number).take(SLOTS) {
            self.slots[index(passed)] = 0;
        }
        // When more than a window has passed, `take` has cleared every slot.
        self.newest = number;
        self.slots[index(number)] += bytes;
        self.total = self.total.saturating_add(bytes);
    }

    /// Bytes so far.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Bytes per second over the last one to two seconds: the current slot and the one before.
    pub(super) fn lately(&self, now: Timestamp) -> u64 {
        let current = number(now);
        let kept = (current.saturating_sub(1)..=current).filter(|&slot| slot <= self.newest);
        let bytes: u64 = kept.map(|slot| self.slots[index(slot)]).sum();
        let into_slot = now.since_origin().as_millis() % SLOT.as_millis();
        let window = (SLOT.as_millis() + into_slot).min((now - self.started).as_millis());
        u64::try_from(u128::from(bytes) * 1_000 / window.max(100)).unwrap_or(u64::MAX)
    }

    /// The fewest bytes in one of the last three whole seconds: what lasts, and no burst into a buffer.
    pub(super) fn lasting(&self, now: Timestamp) -> u64 {
        let current = number(now);
        let bytes = |slot: u64| if slot <= self.newest { self.slots[index(slot)] } else { 0 };
        (current.saturating_sub(3)..current).map(bytes).min().unwrap_or(0)
    }

    /// Bytes per second; while younger than the window, over its age (at least one second).
    pub(super) fn per_second(&self, now: Timestamp) -> u64 {
        let current = number(now).max(self.newest);
        let first = (current + 1).saturating_sub(SLOTS as u64);
        let bytes: u64 = (first..=self.newest).map(|slot| self.slots[index(slot)]).sum();
        // The current slot is not over: the window is its age and nine whole slots.
        let into_slot = now.since_origin().as_millis() % SLOT.as_millis();
        let window = (SLOT.as_millis() * (SLOTS as u128 - 1) + into_slot)
            .min((now - self.started).as_millis())
            .max(SLOT.as_millis());
        u64::try_from(u128::from(bytes) * 1_000 / window).unwrap_or(u64::MAX)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below SLOTS")]
fn index(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

fn number(now: Timestamp) -> u64 {
    now.since_origin().as_secs() / SLOT.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn a_steady_flow_has_its_rate_from_the_first_second_on() {
        let mut rate = Rate::starting(at(300));
        for ms in (400..60_300).step_by(100) {
            rate.add(at(ms), 100);
            if ms > 2_000 {
                let measured = rate.per_second(at(ms));
                assert!((950..=1_050).contains(&measured), "{measured} at {ms} ms");
            }
        }
        assert_eq!(rate.total(), 100 * 599);
    }

    #[test]
    fn a_burst_is_nothing_that_lasts() {
        let mut rate = Rate::starting(at(0));
        rate.add(at(1_500), 1_000_000);
        for ms in (2_000..8_000).step_by(100) {
            rate.add(at(ms), 100);
            let whole_seconds = ms / 1_000 - 1;
            assert_eq!(rate.lasting(at(ms)), if whole_seconds < 3 { 0 } else { 1_000 }, "{ms}");
        }
        assert_eq!(rate.lasting(at(10_000)), 0, "one of the last three was silent");
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let mut rate = Rate::starting(at(0));
        rate.add(at(500), 1_000_000);
        assert!(rate.per_second(at(9_000)) > 0);
        assert_eq!(rate.per_second(at(11_000)), 0);
        rate.add(at(3_600_000), 10);
        assert!(rate.per_second(at(3_600_000)) < 10);
    }

    #[test]
    fn a_burst_at_the_start_is_not_divided_by_nothing() {
        let mut rate = Rate::starting(at(0));
        rate.add(at(0), 5_000);
        assert_eq!(rate.per_second(at(0)), 5_000);
    }
}
