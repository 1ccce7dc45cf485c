//! How much may be asked of a peer at a time.

use std::time::Duration;

use super::config::Config;
use crate::time::Timestamp;

/// Least depth in blocks. One is enough where many serve us, each a little: more would wait in their
/// queues, where nobody else can send them to us. What is worth more grows at once.
const DEPTH_MIN: u64 = 1;
/// Deliveries closer together than this say more about the driver's clock than about the path.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// The pipeline of one peer: its depth follows the bandwidth-delay product.
///
/// Depth = delivery rate x (least round trip + queue), where the queue is [`Config::queue_target`] or
/// another round trip: without that a long path with one block in flight would stay at one; rounded to
/// whole blocks. Each
/// delivered block may deepen it by its own length, so from [`Config::pipeline_first_blocks`] on it at
/// most doubles a round trip, as in slow start (RFC 5681, section 3.1).
///
/// Delivery rate and least round trip are estimated as in BBR (Cardwell et al., "BBR:
/// congestion-based congestion control", ACM Queue 14(5), 2016; draft-cheng-iccrg-delivery-rate-estimation-02):
/// a sample is what was delivered between the sending of a request and its answer, over that time;
/// samples from when there was not enough to ask for do not lower the estimate; the least round trip
/// is measured anew on a drained pipeline when it has not been seen for a while. Where BBR takes a
/// windowed maximum, this falls with a time constant ([`Config::rate_memory`]), which needs no list.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    /// Length of a block.
    block: u64,
    depth: u64,
    /// Bytes a second; 0 until there is a sample.
    rate: u64,
    rate_at: Timestamp,
    round_trip: Option<RoundTrip>,
    delivered: u64,
    delivered_at: Timestamp,
    /// Requests sent before this much is delivered did not fill the pipeline.
    limited_until: u64,
    snubbed: bool,
}

#[derive(Clone, Copy, Debug)]
struct RoundTrip {
    least: Duration,
    seen_at: Timestamp,
}

/// What is remembered of the moment a request was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    at: Timestamp,
    delivered: u64,
    delivered_at: Timestamp,
    limited: bool,
    drained: bool,
}

impl Pipeline {
    pub(super) fn new(now: Timestamp, block_length: u32, config: &Config) -> Self {
        let block = u64::from(block_length);
        Self {
            block,
            depth: config.pipeline_first_blocks.max(1) * block,
            rate: 0,
            rate_at: now,
            round_trip: None,
            delivered: 0,
            delivered_at: now,
            limited_until: 0,
            snubbed: false,
        }
    }

    /// Whether one more block may be asked for on top of `outstanding` bytes.
    pub(super) fn has_room(&self, now: Timestamp, outstanding: u64, config: &Config) -> bool {
        let limit = if self.snubbed {
            self.block
        } else if self.round_trip_expired(now, config) {
            // More would measure its own queue.
            DEPTH_MIN * self.block
        } else {
            self.depth
        };
        outstanding + self.block <= limit
    }

    pub(super) fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// A request is sent, on top of `outstanding` bytes.
    pub(super) fn send(&mut self, now: Timestamp, outstanding: u64) -> Sent {
        if outstanding == 0 {
            self.delivered_at = now;
        }
        Sent {
            at: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            limited: self.delivered < self.limited_until,
            drained: outstanding < DEPTH_MIN * self.block,
        }
    }

    /// There was not enough to ask for: `outstanding` bytes are all.
    pub(super) fn starve(&mut self, outstanding: u64) {
        self.limited_until = self.delivered + outstanding;
    }

    /// The answer to a request came.
    pub(super) fn deliver(&mut self, now: Timestamp, sent: &Sent, length: u32, config: &Config) {
        self.deliver_late(now, length);
        self.measure_rate(now, sent, config);
        self.measure_round_trip(now, sent, config);
        let round_trip = self.least_round_trip();
        let in_flight = self.bytes_in(round_trip + config.queue_target.max(round_trip));
        let target = in_flight + self.block / 2;
        let grown = self.depth + u64::from(length);
        self.depth = grown.min(target).min(config.pipeline_bytes_max).max(DEPTH_MIN * self.block);
    }

    /// A block came whose request was taken back: proof of life, but no measure.
    pub(super) fn deliver_late(&mut self, now: Timestamp, length: u32) {
        self.delivered += u64::from(length);
        self.delivered_at = now;
        self.snubbed = false;
    }

    /// The peer let a deadline pass: what was known of it no longer holds.
    pub(super) fn snub(&mut self) {
        self.snubbed = true;
        self.depth = DEPTH_MIN * self.block;
        self.rate = 0;
    }

    /// How long the last of `bytes` outstanding takes to come.
    pub(super) fn time_for(&self, bytes: u64, config: &Config) -> Duration {
        let rate = if self.rate == 0 { config.unmeasured_rate } else { self.rate };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
        self.least_round_trip() + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn measure_rate(&mut self, now: Timestamp, sent: &Sent, config: &Config) {
        let interval = (now - sent.delivered_at).max(INTERVAL_MIN).as_nanos();
        let bytes = u128::from(self.delivered - sent.delivered);
        let sample = u64::try_from(bytes * 1_000_000_000 / interval).unwrap_or(u64::MAX);
        if sample >= self.rate {
            self.rate = sample;
        } else if !sent.limited {
            let (memory, passed) = (config.rate_memory.as_nanos(), (now - self.rate_at).as_nanos());
            let kept = u128::from(self.rate) * memory + u128::from(sample) * passed;
            self.rate = u64::try_from(kept / (memory + passed).max(1)).unwrap_or(u64::MAX);
        }
        self.rate_at = now;
    }

    fn measure_round_trip(&mut self, now: Timestamp, sent: &Sent, config: &Config) {
        let sample = now - sent.at;
        let expired = self.round_trip_expired(now, config);
        if self.round_trip.is_none_or(|known| sample <= known.least || expired && sent.drained) {
            self.round_trip = Some(RoundTrip { least: sample, seen_at: now });
        }
    }

    /// Whether the least round trip has to be measured anew, with nothing else in flight.
    pub(super) fn round_trip_expired(&self, now: Timestamp, config: &Config) -> bool {
        self.round_trip.is_some_and(|known| now - known.seen_at > config.round_trip_expiry)
    }

    fn least_round_trip(&self) -> Duration {
        self.round_trip.map_or(Duration::ZERO, |known| known.least)
    }

    fn bytes_in(&self, time: Duration) -> u64 {
        let bytes = u128::from(self.rate) * time.as_nanos() / 1_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::layout::BLOCK_LENGTH_MAX;

    const BLOCK: u64 = BLOCK_LENGTH_MAX as u64;
    const QUEUE: Duration = Duration::from_millis(250);

    /// Bytes in flight after each second at a peer of this rate (bytes/s) and round trip.
    fn depths(rate: u64, round_trip_ms: u64, seconds: usize) -> Vec<u64> {
        let config = Config { queue_target: QUEUE, ..Config::default() };
        let mut pipeline = Pipeline::new(Timestamp::ZERO, BLOCK_LENGTH_MAX, &config);
        let mut in_flight: VecDeque<(u64, Sent)> = VecDeque::new();
        let (mut now_us, mut free_at_us, mut depths) = (0, 0, Vec::new());
        let at = |us| Timestamp::from_origin(Duration::from_micros(us));
        while depths.len() < seconds {
            while pipeline.has_room(at(now_us), in_flight.len() as u64 * BLOCK, &config) {
                let sent = pipeline.send(at(now_us), in_flight.len() as u64 * BLOCK);
                free_at_us =
                    free_at_us.max(now_us + round_trip_ms * 1_000) + BLOCK * 1_000_000 / rate;
                in_flight.push_back((free_at_us, sent));
            }
            let (arrival, sent) = in_flight.pop_front().unwrap();
            now_us = arrival;
            pipeline.deliver(at(now_us), &sent, BLOCK_LENGTH_MAX, &config);
            if now_us >= (depths.len() as u64 + 1) * 1_000_000 {
                depths.push(in_flight.len() as u64 * BLOCK);
            }
        }
        depths
    }

    #[test]
    fn depth_follows_bandwidth_and_delay() {
        let mib = 1 << 20;
        for (rate, round_trip_ms) in [(1, 20), (10, 20), (10, 200), (40, 50)] {
            let product = rate * mib * (round_trip_ms + 250) / 1_000;
            for depth in &depths(rate * mib, round_trip_ms, 8)[4..] {
                let fits = (product * 2 / 3..product * 3 / 2 + 2 * BLOCK).contains(depth);
                assert!(fits, "{rate} MiB/s, {round_trip_ms} ms: {depth}, not {product}");
            }
        }
    }

    #[test]
    fn depth_does_not_creep_up_with_its_own_queue() {
        let long = depths(10 << 20, 20, 60);
        let product = (10 << 20) * 270 / 1_000;
        assert!(long.iter().all(|&depth| depth < product * 3 / 2), "{long:?}");
    }

    #[test]
    fn depth_is_bounded() {
        let config = Config::default();
        assert!(depths(4 << 30, 100, 3).iter().all(|&depth| depth <= config.pipeline_bytes_max));
        assert!(depths(64 << 10, 1, 9).iter().all(|&depth| depth <= 2 * BLOCK));
    }

    #[test]
    fn a_snubbed_peer_gets_one_block_until_it_delivers() {
        let config = Config::default();
        let mut pipeline = Pipeline::new(Timestamp::ZERO, BLOCK_LENGTH_MAX, &config);
        pipeline.snub();
        assert!(pipeline.has_room(Timestamp::ZERO, 0, &config));
        assert!(!pipeline.has_room(Timestamp::ZERO, BLOCK, &config));
        pipeline.deliver_late(Timestamp::ZERO, 1);
        let sent = pipeline.send(Timestamp::ZERO, 0);
        let soon = Timestamp::from_origin(Duration::from_millis(100));
        pipeline.deliver(soon, &sent, BLOCK_LENGTH_MAX, &config);
        assert!(pipeline.has_room(soon, BLOCK, &config));
    }

    #[test]
    fn a_dry_pool_does_not_lower_the_rate() {
        let config = Config::default();
        let at = |ms| Timestamp::from_origin(Duration::from_millis(ms));
        let mut pipeline = Pipeline::new(at(0), BLOCK_LENGTH_MAX, &config);
        let sent = pipeline.send(at(0), 0);
        pipeline.deliver(at(10), &sent, BLOCK_LENGTH_MAX, &config);
        let best = pipeline.rate;
        pipeline.starve(2 * BLOCK);
        let sent = pipeline.send(at(10), 0);
        pipeline.deliver(at(5_000), &sent, BLOCK_LENGTH_MAX, &config);
        assert_eq!(pipeline.rate, best);
        pipeline.delivered += 2 * BLOCK;
        let sent = pipeline.send(at(5_000), 0);
        pipeline.deliver(at(9_000), &sent, BLOCK_LENGTH_MAX, &config);
        assert!(pipeline.rate < best / 2);
    }
}
