//! The knobs of the policy, and why they stand where they stand.

use std::time::Duration;

/// The knobs of the policy. The defaults suit anything from a modem to 10 Gbit/s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Most bytes of chunks that are begun and not yet stored (those being verified count too, so
    /// a slow disk slows the requests instead of filling memory). A chunk counts with its whole
    /// length from its first request on. At least two chunks fit, whatever this says. Default
    /// 48 MiB: 200 ms of 2 Gbit/s, and three of the longest chunks; with the buffers of its connections
    /// a transfer stays under 64 MiB.
    pub partial_bytes_max: u64,
    /// How long requests shall wait at a peer beyond the round trip. Long enough that a busy peer
    /// or a jittery path never runs dry, short enough that a chunk comes soon after it is asked for
    /// and can be passed on: each hop of a swarm waits that long. Default 100 ms.
    pub queue_target: Duration,
    /// Blocks requested of a peer at a time before it has delivered any, at least 1. Default 1: where
    /// chunks are few and peers are many, a second one could sooner come from another. It grows with the
    /// first delivery.
    pub pipeline_first_blocks: u64,
    /// Most bytes requested of one peer at a time. Default 16 MiB: 1.3 Gbit/s at the queue target.
    pub pipeline_bytes_max: u64,
    /// Most requests at one peer at a time, which peers may rely on. Default 512.
    pub requests_max: u32,
    /// How long a peer's best delivery rate is remembered when it delivers less. Default 2 s: a
    /// pause for a disk flush does not empty the pipeline, a slower link is noticed soon.
    pub rate_memory: Duration,
    /// Bytes a second that a peer is taken to deliver before it has delivered anything. Default
    /// 64 KiB: low, so that a peer on a slow link is not given up before its first block.
    pub unmeasured_rate: u64,
    /// How long a least round trip is believed; then the pipeline is drained once to measure it
    /// again. Default 10 s, as in BBR: a drain costs about one round trip.
    pub round_trip_expiry: Duration,
    /// A request is late after this many times the time it should take. Default 4: rates of real
    /// peers halve and double within seconds.
    pub deadline_factor: u32,
    /// Least time a request is given. Default 5 s: a TCP retransmission backing off takes 3 s.
    pub deadline_min: Duration,
    /// Most time a request is given. Default 60 s: a block at 4 KiB/s.
    pub deadline_max: Duration,
    /// How many chunks a pick looks at, from the rarest up. Default 64.
    pub rarity_scan: usize,
    /// How many chunks of the peer are compared when none of those is the peer's. Default 8: the
    /// rarest of 8 is in the rarest quarter 9 times of 10.
    pub rarity_sample: usize,
    /// How many begun chunks a peer without one looks at. Default 64.
    pub partial_scan: usize,
    /// How many outstanding requests a peer with nothing else to do looks at. Default 64.
    pub endgame_scan: usize,
    /// How long a peer has to say whether it sends a block that is recalled; then another is asked for it, too. Default
    /// 500 ms: two ways behind full queues.
    pub recall_patience: Duration,
    /// Before the endgame, a request is raced only when it will take longer than this. Default 2 s:
    /// several times what fast peers take for all memory allows (48 MiB at 1 Gbit/s: 0.4 s).
    pub race_after: Duration,
    /// How many peers with nothing to do look again when a chunk is stored. Default 8: each of them
    /// may fill the room, and most can; all look every [`Config::look_again`] in any case.
    pub wake_scan: usize,
    /// How often a peer with nothing to do looks again. Default 250 ms.
    pub look_again: Duration,
    /// A begun chunk that stands in the way is given up when it is older than this plus four
    /// times what the peer that wants its place needs for a whole chunk. Default 30 s.
    pub stale_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            partial_bytes_max: 48 << 20,
            queue_target: Duration::from_millis(100),
            pipeline_first_blocks: 1,
            pipeline_bytes_max: 16 << 20,
            requests_max: 512,
            rate_memory: Duration::from_secs(2),
            unmeasured_rate: 64 << 10,
            round_trip_expiry: Duration::from_secs(10),
            deadline_factor: 4,
            deadline_min: Duration::from_secs(5),
            deadline_max: Duration::from_secs(60),
            rarity_scan: 64,
            rarity_sample: 8,
            partial_scan: 64,
            endgame_scan: 64,
            recall_patience: Duration::from_millis(500),
            race_after: Duration::from_secs(2),
            wake_scan: 8,
            look_again: Duration::from_millis(250),
            stale_after: Duration::from_secs(30),
        }
    }
}
