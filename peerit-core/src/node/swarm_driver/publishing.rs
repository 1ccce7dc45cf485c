//! What a share's handles see of its swarm.

use std::time::Duration;

use super::super::status::{PeerStatus, ShareState};
use super::SwarmDriver;
use crate::bitfield::Bitfield;
use crate::id::ChunkIndex;
use crate::manifest::Manifest;
use crate::swarm::PeerReport;
use crate::time::Timestamp;

/// Least time between two looks at the swarm for its handles.
const STATUS_INTERVAL: Duration = Duration::from_millis(100);
/// Most time between two such looks: rates fall also when nothing happens.
const STATUS_INTERVAL_IDLE: Duration = Duration::from_secs(1);

/// Why nothing is begun.
const WAITS: &str = "waits until other downloads have left memory for it";

impl SwarmDriver<'_> {
    pub(super) fn next_publish(&self) -> Option<Timestamp> {
        let idle = self.moving.then_some(self.published + STATUS_INTERVAL_IDLE);
        if self.unpublished { Some(self.published + STATUS_INTERVAL) } else { idle }
    }

    pub(super) fn publish_when_due(&mut self) {
        if self.next_publish().is_some_and(|due| due <= self.context.clock.now()) {
            self.publish();
        }
    }

    /// Why nothing comes; empty if something does, or nothing is known.
    fn why_it_waits(&self) -> &str {
        if self.waits_for_memory() {
            return WAITS;
        }
        self.trouble.as_deref().filter(|_| self.connections.is_empty()).unwrap_or_default()
    }

    /// Shows the swarm to the share's handles.
    pub(super) fn publish(&mut self) {
        let now = self.context.clock.now();
        self.published = now;
        self.unpublished = false;
        let (swarm, finished) = (&self.swarm, self.finished);
        let peer_status = |report: PeerReport| {
            let connection = report.key.and_then(|key| self.connections.get(&key));
            let tried = connection.and_then(|_| self.reports.get(&report.peer_id)).cloned();
            PeerStatus::new(report, connection.map(|connection| connection.carrier), tried)
        };
        // What came in the last seconds says nothing about a share that is complete or paused.
        let down = if swarm.is_complete() || *self.paused { 0 } else { swarm.download_rate(now) };
        let rates = (down, if *self.paused { 0 } else { swarm.upload_rate(now) });
        self.moving = !self.connections.is_empty() || rates != (0, 0);
        let state = match (*self.paused, self.swarm.is_complete(), self.finished) {
            (true, ..) => ShareState::Paused,
            (false, _, true) => ShareState::Seeding,
            // The files are being made final.
            (false, true, false) => ShareState::Checking,
            (false, false, false) => ShareState::Downloading,
        };
        let reason = if state == ShareState::Downloading { self.why_it_waits() } else { "" };
        let verified = verified_bytes(swarm.have(), &self.source.manifest);
        self.share.update(|status| {
            status.state = state;
            status.reason.clear();
            status.reason.push_str(reason);
            status.complete = finished;
            status.verified = verified;
            (status.download_rate, status.upload_rate) = rates;
            status.downloaded = swarm.downloaded();
            status.uploaded = swarm.uploaded();
            status.peers = swarm.peers(now).into_iter().map(peer_status).collect();
        });
    }
}

/// How many bytes these chunks are.
pub(crate) fn verified_bytes(have: &Bitfield, manifest: &Manifest) -> u64 {
    let layout = manifest.layout();
    let full = u64::from(have.count()) * u64::from(layout.chunk_length());
    let last = have.len().checked_sub(1).map(ChunkIndex).filter(|&last| have.contains(last));
    let short = last.map_or(0, |last| layout.chunk_length() - layout.length_of(last));
    full - u64::from(short)
}
