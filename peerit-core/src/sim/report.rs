//! What came of a run.

use std::time::Duration;

use super::scenario::{Conduct, PeerSpec, Role};

/// What came of a run. Times are virtual.
#[derive(Clone, Debug)]
pub struct Report {
    /// [`super::Scenario::seed`].
    pub seed: u64,
    /// Fingerprint of all that happened, in order: alike for runs that went alike.
    pub trace: u64,
    /// Length of the content in bytes.
    pub content_bytes: u64,
    /// Chunk length in bytes.
    pub chunk_length: u32,
    /// Chunks of the content.
    pub chunk_count: u32,
    /// Least time in which any scheme could distribute the content, see [`fluid_bound`].
    pub bound: Duration,
    /// From the first leech's joining until the last one that had to finish has stored everything.
    pub finished: Duration,
    /// `finished` / `bound`.
    pub ratio: f64,
    /// In the order of the scenario.
    pub peers: Vec<PeerReport>,
    /// From the first leech's joining until a leech has sent the last byte of a chunk to another.
    pub first_forward: Option<Duration>,
    /// Payload that the seeds have sent, in lengths of the content.
    pub seed_copies: f64,
    /// Payload that peers received beyond one copy, in bytes.
    pub duplicate_bytes: u64,
    /// All that was sent on connections and is not payload, in bytes: frames with their lengths.
    pub control_bytes: u64,
    /// Payload of blocks sent, in bytes.
    pub payload_bytes: u64,
    /// Frames sent.
    pub frames: u64,
    /// The same by kind; kinds that were not sent are left out.
    pub frames_by_kind: Vec<(&'static str, u64)>,
    /// Since the start of the run, how many leeches were complete from then on.
    pub completions: Vec<(Duration, u32)>,
    /// 128 to 255 samples in equal intervals, fewer in runs shorter than 13 s.
    pub progress: Vec<Sample>,
    /// Events of the simulation: what its speed is measured by.
    pub events: u64,
}

/// What came of a peer.
#[derive(Clone, Debug)]
pub struct PeerReport {
    /// What it had when it joined.
    pub role: Role,
    /// How it behaved.
    pub conduct: Conduct,
    /// Since the start of the run.
    pub joined_at: Duration,
    /// Since the start of the run, when it had stored everything; never for a seed.
    pub completed_at: Option<Duration>,
    /// Payload sent, in bytes.
    pub uploaded_bytes: u64,
    /// Payload received, in bytes.
    pub downloaded_bytes: u64,
    /// Payload received that it had received before, in bytes.
    pub duplicate_bytes: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// All that it sent on connections and is not payload, in bytes.
    pub control_bytes_sent: u64,
    /// How many peers have banned it.
    pub banned_by: u32,
    /// Whether it was there at the end.
    pub stayed: bool,
}

/// A look at everybody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// End of the interval, since the start of the run.
    pub at: Duration,
    /// Mean over the leeches that have joined of the part of the content that is stored, 0 to 1.
    pub verified: f64,
    /// Mean over the leeches that are there of the use of their uplinks since the last sample, 0 to 1.
    pub leech_uplink_use: f64,
    /// The same for seeds.
    pub seed_uplink_use: f64,
}

/// Least time to distribute `content_bytes` from the seeds to all leeches, of Kumar and Ross,
/// "Peer-Assisted File Distribution: The Minimum Distribution Time" (2006), with the seeds as one
/// server: F / min(d_min, u_s, (u_s + sum of u_i) / L).
///
/// Counts honest peers of which the scenario does not say that they go before they are complete, as
/// if all were there from the first leech's joining on.
#[must_use]
pub fn fluid_bound(content_bytes: u64, peers: &[PeerSpec]) -> Duration {
    let seeds = || {
        let is_seed = |peer: &&PeerSpec| peer.role == Role::Seed && peer.conduct == Conduct::Honest;
        peers.iter().filter(is_seed)
    };
    let leeches = || peers.iter().filter(|peer| peer.is_to_finish());
    let up = |peer: &PeerSpec| peer.link.up_bits_per_second as f64;
    let seed_up: f64 = seeds().map(up).sum();
    let leech_up: f64 = leeches().map(up).sum();
    let down = leeches().map(|peer| peer.link.down_bits_per_second as f64);
    let rate = down.fold(seed_up, f64::min).min((seed_up + leech_up) / leeches().count() as f64);
    let seconds = content_bytes as f64 * 8.0 / rate;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Link;
    use super::*;

    fn bound(seed_up: u64, leeches: &[(u64, u64)]) -> f64 {
        let mut peers = vec![PeerSpec::seed(Link::mbit(seed_up, 1))];
        peers.extend(leeches.iter().map(|&(up, down)| PeerSpec::leech(Link::mbit(up, down))));
        fluid_bound(12_500_000, &peers).as_secs_f64()
    }

    #[test]
    fn the_bound_is_set_by_the_narrowest_place() {
        assert_eq!(bound(10, &[(10, 100)]), 10.0);
        assert_eq!(bound(100, &[(100, 5), (100, 50)]), 20.0);
        assert_eq!(bound(100, &[(0, 100); 10]), 10.0);
        assert_eq!(bound(100, &[(90, 200); 10]), 1.0);
    }
}
