//! The figures of a run. `--json` prints them as they are: fields are added, never renamed.

use std::collections::BTreeMap;
use std::time::Duration;

use peerit_core::sim::{Conduct, Report, Role, Sample};
use serde::Serialize;

/// All runs.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// In the order of their random seeds.
    pub(crate) runs: Vec<Run>,
    pub(crate) ratio: Spread,
}

/// Of all runs.
#[derive(Debug, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    /// Of an even number of runs, the mean of the two in the middle.
    pub(crate) median: f64,
    pub(crate) max: f64,
}

/// One run. Times and speeds are the swarm's, on virtual time, but for the last two.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) random_seed: u64,
    /// The fingerprint of all that happened, in hexadecimal.
    pub(crate) trace: String,
    pub(crate) seeds: usize,
    pub(crate) leeches: usize,
    pub(crate) content_bytes: u64,
    pub(crate) chunk_length_bytes: u32,
    pub(crate) chunk_count: u32,
    /// The least time in which any schedule is done.
    pub(crate) bound_s: f64,
    /// Until the last honest leech that stays is complete.
    pub(crate) finished_s: f64,
    /// `finished_s` over `bound_s`.
    pub(crate) ratio: f64,
    /// Until a leech has sent on its first chunk; null: none did.
    pub(crate) first_forward_s: Option<f64>,
    /// What the seeds gave, in contents.
    pub(crate) seed_copies: f64,
    /// 0 to 1, the mean over the run.
    pub(crate) seed_uplink_use: f64,
    /// 0 to 1, the mean over the run and the leeches.
    pub(crate) leech_uplink_use: f64,
    pub(crate) payload_bytes: u64,
    /// Payload that its receiver had already.
    pub(crate) duplicate_bytes: u64,
    /// All that is not payload.
    pub(crate) control_bytes: u64,
    pub(crate) messages: u64,
    pub(crate) messages_by_kind: BTreeMap<&'static str, u64>,
    pub(crate) messages_per_peer: f64,
    pub(crate) messages_per_peer_and_chunk: f64,
    pub(crate) liars: usize,
    /// Banned by at least one peer.
    pub(crate) liars_banned: usize,
    /// Resident at the most in this run and those before it, the simulator's own included. The content hardly counts:
    /// all peers share the bytes of one chunk. Null where the system does not say.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) memory_bytes_per_peer: Option<f64>,
    pub(crate) memory_bytes_per_peer_and_chunk: Option<f64>,
    /// In equal intervals.
    pub(crate) progress: Vec<Moment>,
    pub(crate) events: u64,
    /// Of simulated events, on this machine.
    pub(crate) events_per_s: f64,
    /// On this machine's clock.
    pub(crate) wall_s: f64,
}

/// How far everybody is.
#[derive(Debug, Serialize)]
pub(crate) struct Moment {
    at_s: f64,
    /// 0 to 1, the mean over the leeches that have joined.
    verified: f64,
    /// Since the moment before.
    seed_uplink_use: f64,
    leech_uplink_use: f64,
}

impl From<&Sample> for Moment {
    fn from(sample: &Sample) -> Self {
        let &Sample { at, verified, seed_uplink_use, leech_uplink_use } = sample;
        Self { at_s: at.as_secs_f64(), verified, seed_uplink_use, leech_uplink_use }
    }
}

impl Run {
    pub(crate) fn new(report: &Report, wall: Duration, memory_bytes: Option<u64>) -> Self {
        let peers = report.peers.len().max(1) as f64;
        let chunks = f64::from(report.chunk_count.max(1));
        let seeds = report.peers.iter().filter(|peer| peer.role == Role::Seed).count();
        let is_liar = |conduct| matches!(conduct, Conduct::Liar { .. });
        let liars = || report.peers.iter().filter(|peer| is_liar(peer.conduct));
        let samples = report.progress.len().max(1) as f64;
        let mean = |of: fn(&Sample) -> f64| report.progress.iter().map(of).sum::<f64>() / samples;
        let per_peer = memory_bytes.map(|bytes| bytes as f64 / peers);
        Self {
            random_seed: report.seed,
            trace: format!("{:016x}", report.trace),
            seeds,
            leeches: report.peers.len() - seeds,
            content_bytes: report.content_bytes,
            chunk_length_bytes: report.chunk_length,
            chunk_count: report.chunk_count,
            bound_s: report.bound.as_secs_f64(),
            finished_s: report.finished.as_secs_f64(),
            ratio: report.ratio,
            first_forward_s: report.first_forward.map(|time| time.as_secs_f64()),
            seed_copies: report.seed_copies,
            seed_uplink_use: mean(|sample| sample.seed_uplink_use),
            leech_uplink_use: mean(|sample| sample.leech_uplink_use),
            payload_bytes: report.payload_bytes,
            duplicate_bytes: report.duplicate_bytes,
            control_bytes: report.control_bytes,
            messages: report.frames,
            messages_by_kind: report.frames_by_kind.iter().copied().collect(),
            messages_per_peer: report.frames as f64 / peers,
            messages_per_peer_and_chunk: report.frames as f64 / peers / chunks,
            liars: liars().count(),
            liars_banned: liars().filter(|liar| liar.banned_by > 0).count(),
            memory_bytes,
            memory_bytes_per_peer: per_peer,
            memory_bytes_per_peer_and_chunk: per_peer.map(|bytes| bytes / chunks),
            progress: report.progress.iter().map(Moment::from).collect(),
            events: report.events,
            events_per_s: report.events as f64 / wall.as_secs_f64().max(1e-9),
            wall_s: wall.as_secs_f64(),
        }
    }
}

impl Summary {
    /// Of at least one run.
    pub(crate) fn new(runs: Vec<Run>) -> Self {
        let mut ratios: Vec<_> = runs.iter().map(|run| run.ratio).collect();
        ratios.sort_by(f64::total_cmp);
        Self { runs, ratio: Spread::of(&ratios) }
    }
}

impl Spread {
    /// Of numbers in ascending order; zeros of none.
    fn of(sorted: &[f64]) -> Self {
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let (last, half) = (sorted.len().saturating_sub(1), sorted.len() / 2);
        Self { min: at(0), median: f64::midpoint(at(last / 2), at(half)), max: at(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |sorted: &[f64]| {
            let spread = Spread::of(sorted);
            [spread.min, spread.median, spread.max]
        };
        assert_eq!(of(&[2.0]), [2.0, 2.0, 2.0]);
        assert_eq!(of(&[1.0, 2.0, 9.0]), [1.0, 2.0, 9.0]);
        assert_eq!(of(&[1.0, 2.0, 4.0, 9.0]), [1.0, 3.0, 9.0]);
    }
}
