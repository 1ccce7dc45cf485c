//! What is written down as a run goes, and the report of it.

use std::time::Duration;

use super::engine::{Event, Simulation, ns};
use super::host::{Host, State};
use super::parcel::KINDS;
use super::report::{PeerReport, Report, Sample, fluid_bound};
use super::scenario::{PeerSpec, Role};
use crate::swarm::Misbehaviour;

/// Between the first samples, in ns.
const INTERVAL_FIRST: u64 = 100_000_000;
/// With so many samples every two become one, and the interval doubles.
const SAMPLES_MAX: usize = 256;

/// What is written down.
#[derive(Debug)]
pub(super) struct Progress {
    /// When the first leech joins.
    begins_at: u64,
    first_forward_at: Option<u64>,
    completions: Vec<(Duration, u32)>,
    samples: Vec<Sample>,
    interval: u64,
}

impl Progress {
    pub(super) fn new(peers: &[PeerSpec]) -> Self {
        let leeches = peers.iter().filter(|peer| peer.role == Role::Leech);
        Self {
            begins_at: leeches.map(|peer| ns(peer.joins_at)).min().unwrap_or(0),
            first_forward_at: None,
            completions: Vec::new(),
            samples: Vec::new(),
            interval: INTERVAL_FIRST,
        }
    }

    pub(super) fn interval(&self) -> u64 {
        self.interval
    }

    pub(super) fn forwarded(&mut self, now: u64) {
        self.first_forward_at.get_or_insert(now);
    }

    pub(super) fn completed(&mut self, now: u64) {
        let count = self.completions.last().map_or(0, |last| last.1) + 1;
        self.completions.push((Duration::from_nanos(now), count));
    }

    fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
        if self.samples.len() == SAMPLES_MAX {
            let mean = |one: f64, other: f64| f64::midpoint(one, other);
            let pairs = self.samples.chunks_exact(2).map(|pair| Sample {
                leech_uplink_use: mean(pair[0].leech_uplink_use, pair[1].leech_uplink_use),
                seed_uplink_use: mean(pair[0].seed_uplink_use, pair[1].seed_uplink_use),
                ..pair[1]
            });
            self.samples = pairs.collect();
            self.interval *= 2;
        }
    }
}

/// A mean that is being taken.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / f64::from(self.count) }
    }
}

impl Simulation {
    pub(super) fn sample(&mut self) {
        let seconds = Duration::from_nanos(self.progress.interval).as_secs_f64();
        let chunks = f64::from(self.content.layout.chunk_count());
        let (mut verified, mut leech, mut seed) =
            (Mean::default(), Mean::default(), Mean::default());
        for (host, port) in self.hosts.iter_mut().zip(&self.ports) {
            let sent =
                host.sent_bytes - std::mem::replace(&mut host.sampled_bytes, host.sent_bytes);
            let used = sent as f64 * 8.0 / (port.up_bits_per_second as f64 * seconds);
            let is_leech = host.spec.role == Role::Leech;
            if is_leech && host.state != State::Absent {
                verified.add(f64::from(host.stored.count()) / chunks);
            }
            if host.state == State::Up {
                if is_leech { leech.add(used) } else { seed.add(used) }
            }
        }
        self.progress.add(Sample {
            at: Duration::from_nanos(self.now),
            verified: verified.value(),
            leech_uplink_use: leech.value(),
            seed_uplink_use: seed.value(),
        });
        self.queue.push(self.now + self.progress.interval, Event::Sample);
    }

    pub(super) fn report(self) -> Report {
        let peers = self.peer_reports();
        let layout = self.content.layout;
        let begins_at = self.progress.begins_at;
        let since = |at: u64| Duration::from_nanos(at - begins_at);
        let to_finish = self.hosts.iter().filter(|host| host.spec.is_to_finish());
        let last = to_finish.filter_map(|host| host.completed_at).max();
        let bound = fluid_bound(layout.length(), &self.scenario.peers);
        let finished = last.map_or(Duration::ZERO, since);
        let seeds = peers.iter().filter(|peer| peer.role == Role::Seed);
        let seeds_sent: u64 = seeds.map(|peer| peer.uploaded_bytes).sum();
        let sum = |of: fn(&PeerReport) -> u64| peers.iter().map(of).sum::<u64>();
        let kind_count =
            |kind: usize| self.hosts.iter().map(|host| host.traffic.kinds[kind]).sum::<u64>();
        let kinds = KINDS.iter().enumerate().map(|(kind, &name)| (name, kind_count(kind)));
        Report {
            seed: self.scenario.seed,
            trace: self.trace,
            content_bytes: layout.length(),
            chunk_length: layout.chunk_length(),
            chunk_count: layout.chunk_count(),
            bound,
            finished,
            ratio: finished.as_secs_f64() / bound.as_secs_f64(),
            first_forward: self.progress.first_forward_at.map(since),
            seed_copies: seeds_sent as f64 / layout.length() as f64,
            duplicate_bytes: sum(|peer| peer.duplicate_bytes),
            control_bytes: sum(|peer| peer.control_bytes_sent),
            payload_bytes: sum(|peer| peer.uploaded_bytes),
            frames: sum(|peer| peer.frames_sent),
            frames_by_kind: kinds.filter(|(_, count)| *count > 0).collect(),
            completions: self.progress.completions,
            progress: self.progress.samples,
            events: self.events,
            peers,
        }
    }

    fn peer_reports(&self) -> Vec<PeerReport> {
        let mut banned_by = std::collections::BTreeMap::new();
        let now = self.timestamp();
        for host in &self.hosts {
            for peer in host.swarm.peers(now) {
                if let Some(Misbehaviour::CorruptChunk(_)) = peer.banned {
                    *banned_by.entry(peer.peer_id).or_insert(0) += 1;
                }
            }
        }
        let report = |host: &Host| PeerReport {
            role: host.spec.role,
            conduct: host.spec.conduct,
            joined_at: host.spec.joins_at,
            completed_at: host.completed_at.map(Duration::from_nanos),
            uploaded_bytes: host.uploaded_bytes,
            downloaded_bytes: host.downloaded_bytes,
            duplicate_bytes: host.duplicate_bytes,
            frames_sent: host.traffic.frames,
            control_bytes_sent: host.traffic.control_bytes,
            banned_by: banned_by.get(&host.id).copied().unwrap_or(0),
            stayed: host.state == State::Up,
        };
        self.hosts.iter().map(report).collect()
    }
}
