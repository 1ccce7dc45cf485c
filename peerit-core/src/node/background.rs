//! Sending that gives way to other traffic: LEDBAT (RFC 6817) with a rate in place of a window.
//!
//! Whoever else uses the path fills the queue before its narrowest link, and so makes the round trip longer than it
//! ever was. From that this sender sees that it is in the way, long before anything is lost.

use std::collections::VecDeque;
use std::time::Duration;

use super::rate_limit::Pacer;
use crate::time::Timestamp;

/// The queue that is aimed at: enough to use a path, little enough that nobody hears it on a call. RFC 6817 allows
/// 100 ms at most, and LEDBAT++ has come to 60 ms; but many senders of today, among them ours, keep less than that on
/// the way, and would not be noticed.
const TARGET: Duration = Duration::from_millis(30);

/// The rate of a new connection in bytes a second.
const RATE_START: u64 = 64 << 10;

/// What is sent at least, so that the path is still measured: sixteen parts a second. The system tells a mean over
/// eight acknowledgements or so, and with fewer it would be seconds until the path is seen to be free.
const RATE_MIN: u64 = 32 << 10;

/// What is sent in one piece: 10 ms of the rate, a third of the queue that is aimed at. A block at once would be 2 s of
/// an uplink of 1 Mbit/s. More than 64 KiB saves nothing, less than 2 KiB is hardly a packet.
const PART_LASTS_MS: u64 = 10;
const PART_MIN: u64 = 2 << 10;
const PART_MAX: u64 = 64 << 10;

/// Far above what any path carries.
const RATE_MAX: u64 = 10 << 30;

/// Time between two changes of the rate: what the last one has done is seen by then on most paths.
const INTERVAL: Duration = Duration::from_millis(250);

/// Most that a change adds or takes, in parts of a thousand: where the path has been full before, 100 double the rate
/// in two seconds; 250 take nine tenths of it in two. Below that, and with a queue of a quarter of the target at most,
/// it is doubled.
const RISE: u64 = 100;
const FALL: u64 = 250;
const FREE: u64 = 250;

/// The shortest round trip counts of so many minutes: paths change, and then a longer one is no queue (RFC 6817,
/// section 4.2, `BASE_HISTORY`).
const MINUTES: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// The pace of one connection that is in the background.
#[derive(Debug)]
pub(super) struct Background {
    pacer: Pacer,
    rate: u64,
    /// The rate at which the path was full last; 0: never.
    full_at: u64,
    is_full: bool,
    base: BaseDelay,
    changed_at: Timestamp,
    /// Since then.
    sent: u64,
}

impl Background {
    pub(super) fn new(now: Timestamp) -> Self {
        let mut background = Self {
            pacer: Pacer::default(),
            rate: RATE_START,
            full_at: 0,
            is_full: false,
            base: BaseDelay::default(),
            changed_at: now,
            sent: 0,
        };
        background.set_rate(now, RATE_START);
        background
    }

    /// How many bytes are sent in one piece.
    pub(super) fn part_length(&self) -> usize {
        let length = (self.rate * PART_LASTS_MS / 1_000).clamp(PART_MIN, PART_MAX);
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    /// When `bytes` may be sent, given the round trip as it is now; they are counted as if they were. Where it is not
    /// known: at once.
    pub(super) fn reserve(
        &mut self,
        now: Timestamp,
        bytes: u32,
        round_trip: Option<Duration>,
    ) -> Timestamp {
        let Some(round_trip) = round_trip else { return now };
        self.base.saw(now, round_trip);
        if now - self.changed_at >= INTERVAL {
            self.change(now, round_trip - self.base.shortest().min(round_trip));
        }
        self.sent += u64::from(bytes);
        self.pacer.reserve(now, bytes)
    }

    fn change(&mut self, now: Timestamp, queue: Duration) {
        // In parts of a thousand of the target, as far as it counts.
        let queue =
            u64::try_from(queue.as_millis() * 1_000 / TARGET.as_millis()).unwrap_or(u64::MAX);
        let change = self.rate * 1_000_u64.abs_diff(queue).min(1_000) / 1_000;
        let was_full = std::mem::replace(&mut self.is_full, queue >= 1_000);
        let rate = if self.is_full {
            // At much less than before it is others who fill it, and they may go.
            if !was_full && self.rate * 2 >= self.full_at {
                self.full_at = self.rate;
            }
            self.rate - change * FALL / 1_000
        } else if queue <= FREE && (self.full_at == 0 || self.rate * 2 < self.full_at) {
            self.rate * 2
        } else {
            self.rate + change * RISE / 1_000
        };
        // Who sends less than he may learns nothing of what more would do.
        let rate = rate.min(self.rate.max(2 * self.sent_a_second(now)));
        self.set_rate(now, rate.clamp(RATE_MIN, RATE_MAX));
        (self.changed_at, self.sent) = (now, 0);
    }

    fn sent_a_second(&self, now: Timestamp) -> u64 {
        // At least 250 have gone by.
        let elapsed_ms = (now - self.changed_at).as_millis().max(1);
        u64::try_from(u128::from(self.sent) * 1_000 / elapsed_ms).unwrap_or(u64::MAX)
    }

    fn set_rate(&mut self, now: Timestamp, rate: u64) {
        self.rate = rate;
        self.pacer.change(now, rate);
    }
}

/// The shortest round trips of the last minutes, the last one at the end.
#[derive(Debug, Default)]
struct BaseDelay {
    minutes: VecDeque<Duration>,
    minute_began: Timestamp,
}

impl BaseDelay {
    fn saw(&mut self, now: Timestamp, round_trip: Duration) {
        match self.minutes.back_mut() {
            Some(shortest) if now - self.minute_began < MINUTE => {
                *shortest = round_trip.min(*shortest);
            }
            _ => {
                if self.minutes.len() == MINUTES {
                    self.minutes.pop_front();
                }
                self.minutes.push_back(round_trip);
                self.minute_began = now;
            }
        }
    }

    fn shortest(&self) -> Duration {
        self.minutes.iter().min().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A link with a queue before it, in which others may have bytes too.
    struct Link {
        /// Bytes a second.
        rate: u64,
        /// Without a queue.
        round_trip: Duration,
        /// When all that is in the queue has left it.
        free: Timestamp,
    }

    impl Link {
        fn new(rate: u64, round_trip_ms: u64) -> Self {
            let round_trip = Duration::from_millis(round_trip_ms);
            Self { rate, round_trip, free: at(0) }
        }

        fn queue(&self, now: Timestamp) -> Duration {
            self.free - now
        }

        fn send(&mut self, now: Timestamp, bytes: u32) {
            let takes = Duration::from_nanos(u64::from(bytes) * 1_000_000_000 / self.rate);
            self.free = self.free.max(now) + takes;
        }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_origin(Duration::from_millis(ms))
    }

    /// Runs senders in the background, and one that keeps a queue of 200 ms while it is there, as a download by TCP
    /// does. The bytes of each sender in each second.
    fn run(
        link: &mut Link,
        senders: &mut [(u64, Background)],
        seconds: usize,
        other: impl Fn(usize) -> bool,
    ) -> Vec<Vec<u64>> {
        let mut next: Vec<Timestamp> =
            senders.iter().map(|(begins_ms, _)| at(*begins_ms)).collect();
        let mut sent = vec![vec![0; senders.len()]; seconds];
        for (now, second) in (0..seconds * 1_000).map(|ms| (at(ms as u64), ms / 1_000)) {
            for (number, (_, sender)) in senders.iter_mut().enumerate() {
                while next[number] <= now {
                    let part = u32::try_from(sender.part_length()).unwrap();
                    link.send(now, part);
                    sent[second][number] += u64::from(part);
                    let round_trip = link.round_trip + link.queue(now);
                    next[number] = sender.reserve(now, part, Some(round_trip));
                }
            }
            while other(second) && link.queue(now) < Duration::from_millis(200) {
                link.send(now, 1_500);
            }
        }
        sent
    }

    #[test]
    fn it_uses_a_path_that_nobody_else_uses_and_leaves_its_queue_short() {
        // On the slowest a part takes as long as the queue may be.
        let links = [(MIB / 8, 20, 80), (MIB, 40, 90), (12 * MIB, 5, 90), (120 * MIB, 100, 90)];
        for (rate, round_trip, percent) in links {
            let mut link = Link::new(rate, round_trip);
            let mut senders = [(0, Background::new(at(0)))];
            let sent = run(&mut link, &mut senders, 30, |_| false);
            let late: u64 = sent[10..].iter().map(|second| second[0]).sum();
            assert!(late >= 20 * rate * percent / 100, "{rate}: {sent:?}");
            assert!(link.queue(at(30_000)) <= Duration::from_millis(150), "{:?}", link.free);
        }
    }

    #[test]
    fn it_gives_way_within_seconds_and_comes_back() {
        for (rate, round_trip) in [(MIB, 40), (12 * MIB, 5)] {
            let mut link = Link::new(rate, round_trip);
            let mut senders = [(0, Background::new(at(0)))];
            let sent = run(&mut link, &mut senders, 60, |second| (20..40).contains(&second));
            let share = |seconds: std::ops::Range<usize>| {
                let length = seconds.len() as u64;
                sent[seconds].iter().map(|second| second[0]).sum::<u64>() * 100 / (length * rate)
            };
            assert!(share(10..20) >= 90, "{sent:?}");
            assert!(share(25..40) <= 5, "{sent:?}");
            assert!(share(50..60) >= 90, "{sent:?}");
        }
    }

    #[test]
    fn two_of_them_leave_something_to_each_other() {
        let mut link = Link::new(4 * MIB, 30);
        let mut senders = [(0, Background::new(at(0))), (500, Background::new(at(500)))];
        let sent = run(&mut link, &mut senders, 40, |_| false);
        let total = |number: usize| sent[10..].iter().map(|second| second[number]).sum::<u64>();
        assert!(total(0) + total(1) >= 30 * 4 * MIB * 9 / 10, "{sent:?}");
        assert!(total(0) / 10 <= total(1) && total(1) / 10 <= total(0), "{sent:?}");
    }

    #[test]
    fn a_path_that_has_become_longer_is_no_queue_for_ever() {
        let mut base = BaseDelay::default();
        base.saw(at(0), Duration::from_millis(10));
        for minute in 1..=9 {
            base.saw(at(minute * 60_000), Duration::from_millis(90));
        }
        assert_eq!(base.shortest(), Duration::from_millis(10));
        base.saw(at(10 * 60_000), Duration::from_millis(80));
        assert_eq!(base.shortest(), Duration::from_millis(80));
    }

    #[test]
    fn who_has_little_to_send_is_not_allowed_ever_more() {
        let mut background = Background::new(at(0));
        for second in 1..100 {
            background.reserve(at(second * 1_000), 1_000, Some(Duration::from_millis(20)));
        }
        assert_eq!(background.rate, RATE_START);
    }

    #[test]
    fn where_nothing_is_measured_nothing_waits() {
        let mut background = Background::new(at(0));
        assert!((0..100).all(|_| background.reserve(at(7), u32::MAX, None) == at(7)));
    }
}
