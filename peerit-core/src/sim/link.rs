//! What a link does to bytes.
//!
//! Each peer has one uplink, which its connections share round robin, a segment at a time, then the
//! latency of both ends, then the receiver's downlink:
//!
//! - **Uplink**: serves one segment after another at its rate. Several short segments (frames without
//!   payload) are decided on together while they are no more than one full segment.
//! - **Path**: one-way latency of both ends, and up to the jitter of both, drawn evenly for each
//!   segment. Within a connection nothing overtakes.
//! - **Downlink**: a first-come-first-served queue, kept as the moment up to which its work reaches, so
//!   that it needs no events. Segments count in the order in which they were sent, and the latency of
//!   each comes behind the work: with one latency for all this is exact; otherwise what comes from far
//!   takes its turn as if it came from near, which keeps the rate and does not make near ones wait.
//! - **Loss**: each packet of 1,448 bytes of a segment is lost by itself. The lost ones cost uplink and
//!   downlink once more, and the segment, with all behind it in the connection, comes a round trip later.
//!
//! What is left out: congestion control (a connection takes its whole share from the first byte, and
//! loss does not make it slower than that), headers of TCP, IP and TLS (3 to 6 % of full packets, more
//! of short frames), acknowledgements in the other direction, and queues inside the network, which is
//! never the bottleneck.

use super::scenario::Link;
use crate::rng::Rng;

/// Payload of a packet on a path with an MTU of 1,500 bytes, in bytes.
const PACKET_BYTES: u64 = 1_448;
/// Loss is drawn in parts of this.
const LOSS_UNIT: u64 = 1 << 32;
/// Rounds of retransmission that a segment may need: with the greatest loss one in 2^16 segments would
/// need more.
const RETRANSMISSIONS_MAX: u32 = 16;

/// Both directions of a peer's link, in ns and bytes.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) up_bits_per_second: u64,
    down_bits_per_second: u64,
    pub(super) latency: u64,
    jitter: u64,
    /// Packets of so many of [`LOSS_UNIT`].
    loss: u64,
    /// Until when the downlink is busy with what was sent so far, the latencies not counted.
    down_work: u64,
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transit {
    /// When the uplink is free for the next one.
    pub(super) taken_at: u64,
    /// When its last byte has come through the receiver's downlink.
    pub(super) arrives_at: u64,
}

impl Port {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most half of the unit, and not negative"
    )]
    pub(super) fn new(link: &Link) -> Self {
        let ns = |duration: std::time::Duration| {
            u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX >> 8)
        };
        Self {
            up_bits_per_second: link.up_bits_per_second.max(1),
            down_bits_per_second: link.down_bits_per_second.max(1),
            latency: ns(link.latency),
            jitter: ns(link.jitter),
            loss: (link.loss.clamp(0.0, 0.5) * LOSS_UNIT as f64) as u64,
            down_work: 0,
        }
    }

    fn up_time(&self, bytes: u64) -> u64 {
        bytes * 8 * 1_000_000_000 / self.up_bits_per_second
    }

    fn down_time(&self, bytes: u64) -> u64 {
        bytes * 8 * 1_000_000_000 / self.down_bits_per_second
    }
}

/// Sends `bytes` from one port to another; the uplink is free from `start` on.
pub(super) fn transit(
    ports: &mut [Port],
    (from, to): (usize, usize),
    start: u64,
    bytes: u64,
    rng: &mut Rng,
) -> Transit {
    let latency = latency(ports, (from, to)) + jitter(ports, (from, to), rng);
    let (mut sent, mut extra) = (bytes, 0);
    if ports[from].loss + ports[to].loss > 0 {
        let rounds = retransmissions(ports, (from, to), bytes, rng, &mut sent);
        extra = u64::from(rounds) * 2 * latency;
    }
    let taken_at = start + ports[from].up_time(sent);
    let receiver = &mut ports[to];
    receiver.down_work = receiver.down_work.max(start) + receiver.down_time(sent);
    Transit { taken_at, arrives_at: taken_at.max(receiver.down_work) + latency + extra }
}

/// One way between two ports without jitter, in ns.
pub(super) fn latency(ports: &[Port], (from, to): (usize, usize)) -> u64 {
    ports[from].latency + ports[to].latency
}

fn jitter(ports: &[Port], (from, to): (usize, usize), rng: &mut Rng) -> u64 {
    match ports[from].jitter + ports[to].jitter {
        0 => 0,
        most => rng.next_u64() % (most + 1),
    }
}

/// Whether a packet between two ports is lost.
pub(super) fn loses(ports: &[Port], (from, to): (usize, usize), rng: &mut Rng) -> bool {
    let loss = ports[from].loss + ports[to].loss;
    loss > 0 && rng.next_u64() % LOSS_UNIT < loss
}

/// How often packets of a segment have to be sent again; adds them to `sent`.
fn retransmissions(
    ports: &[Port],
    path: (usize, usize),
    bytes: u64,
    rng: &mut Rng,
    sent: &mut u64,
) -> u32 {
    let mut missing = bytes.div_ceil(PACKET_BYTES);
    for round in 0..RETRANSMISSIONS_MAX {
        missing = (0..missing).map(|_| u64::from(loses(ports, path, rng))).sum();
        if missing == 0 {
            return round;
        }
        *sent += (missing * PACKET_BYTES).min(bytes);
    }
    RETRANSMISSIONS_MAX
}
