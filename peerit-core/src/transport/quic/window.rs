//! How much a peer may send ahead of its reader.

use std::time::{Duration, Instant};

/// What a stranger may make us hold: less than the 256 handshakes that a node takes at once may cost
/// (64 MiB). It lets a connection start at the speed of slow start: its first window is 12 KB.
pub(super) const FIRST: u32 = 256 << 10;

/// What the fastest peer may make us hold: 1 Gbit/s over a round trip of 100 ms are 12.5 MB on the way.
pub(super) const MAX: u32 = 16 << 20;

/// The receive window of one connection, which follows what the path can use.
///
/// Like TCP's (dynamic right-sizing, Feng et al. 2001): whenever a whole window was read in less than
/// two round trips, the window may be what holds the sender back, and doubles. So it ends below four times
/// the product of bandwidth and delay: peers nearby never cost more than the first window.
pub(super) struct ReceiveWindow {
    length: u32,
    /// Read since `since`.
    read: u32,
    since: Instant,
}

impl ReceiveWindow {
    pub(super) fn new(now: Instant) -> Self {
        Self { length: FIRST, read: 0, since: now }
    }

    /// `count` bytes were read. Gives the new length when it grows.
    pub(super) fn read(
        &mut self,
        count: usize,
        clock: impl FnOnce() -> Instant,
        round_trip: impl FnOnce() -> Duration,
    ) -> Option<u32> {
        if self.length == MAX {
            return None;
        }
        self.read = self.read.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if self.read < self.length {
            return None;
        }
        let now = clock();
        let took = now.saturating_duration_since(self.since);
        (self.read, self.since) = (0, now);
        if took >= round_trip() * 2 {
            return None;
        }
        self.length = MAX.min(self.length * 2);
        Some(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window after 100 MB at this rate.
    fn window_at(bytes_per_second: u32, round_trip_ms: u64) -> u32 {
        let (start, step) = (Instant::now(), 1_000_u32);
        let mut window = ReceiveWindow::new(start);
        let round_trip = Duration::from_millis(round_trip_ms);
        for number in 1..=100_000 {
            // No more than a window each round trip.
            let rate = f64::from(bytes_per_second)
                .min(f64::from(window.length) / round_trip.as_secs_f64());
            let now = window.since + Duration::from_secs_f64(f64::from(window.read + step) / rate);
            let grown = window.read(step as usize, || now, || round_trip);
            assert!(grown.is_none_or(|length| length == window.length), "{number}");
        }
        window.length
    }

    #[test]
    fn it_grows_to_what_the_path_can_use_and_no_further() {
        for (rate, round_trip_ms) in
            [(1_000_000, 20), (10_000_000, 20), (125_000_000, 10), (125_000_000, 100)]
        {
            let product = u32::try_from(u64::from(rate) * round_trip_ms / 1_000).unwrap();
            let window = window_at(rate, round_trip_ms);
            assert!(window >= product, "{window} is too small for {product}");
            assert!(window <= FIRST.max(product * 4), "{window} is too much for {product}");
        }
    }

    #[test]
    fn it_has_an_end() {
        assert_eq!(window_at(u32::MAX, 1_000), MAX);
    }
}
