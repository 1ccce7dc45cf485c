//! What people see of a swarm.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::blame::Source;
use super::{Misbehaviour, Path, Swarm};
use crate::bitfield::Bitfield;
use crate::id::{PeerId, PeerKey};
use crate::time::Timestamp;

/// Most banned peers remembered; the oldest is forgotten first. At about 250 bytes each, 250 KiB.
const BANNED_MAX: usize = 1_000;

/// One peer, connected or banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerReport {
    /// Names its connection; `None`: it is not connected.
    pub key: Option<PeerKey>,
    /// Who it is, proved.
    pub peer_id: PeerId,
    /// Its address: as dialled, or as seen.
    pub address: SocketAddr,
    /// How it is reached.
    pub path: Path,
    /// Payload that it has sent us over this connection, in bytes.
    pub downloaded: u64,
    /// Payload that we have sent it over this connection, in bytes.
    pub uploaded: u64,
    /// Payload from it in bytes a second, over the last ten seconds.
    pub download_rate: u64,
    /// Payload to it in bytes a second, over the last ten seconds.
    pub upload_rate: u64,
    /// Whether it does not serve us.
    pub choking_us: bool,
    /// Whether we do not serve it.
    pub choked: bool,
    /// Whether it wants what we have.
    pub interested_in_us: bool,
    /// Whether it has what we want.
    pub interesting: bool,
    /// How many chunks it has.
    pub chunk_count: u32,
    /// Why it is banned, if it is. It is then not connected, and the rest is of its last moment.
    pub banned: Option<Misbehaviour>,
    /// Its program and version; at most 64 bytes, not to be trusted.
    pub agent: String,
}

/// Peers that this swarm has nothing to do with any more.
#[derive(Debug, Default)]
pub(super) struct Bans {
    reports: BTreeMap<PeerId, PeerReport>,
    order: VecDeque<PeerId>,
}

impl Bans {
    pub(super) fn contains(&self, id: PeerId) -> bool {
        self.reports.contains_key(&id)
    }

    fn insert(&mut self, report: PeerReport) {
        let id = report.peer_id;
        self.reports.insert(id, report);
        self.order.push_back(id);
        if self.order.len() > BANNED_MAX {
            self.order.pop_front().map(|oldest| self.reports.remove(&oldest));
        }
    }
}

impl Swarm {
    /// Chunks that are verified and stored.
    #[must_use]
    pub fn have(&self) -> &Bitfield {
        self.scheduler.have()
    }

    /// What chunks take in bytes that are begun and not yet stored.
    #[must_use]
    pub fn begun_bytes(&self) -> u64 {
        self.scheduler.begun_bytes()
    }

    /// Whether all chunks are verified and stored. True from the start for content without chunks.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.scheduler.is_complete()
    }

    /// Whether the swarm is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Payload received, in bytes, wasted blocks included.
    #[must_use]
    pub fn downloaded(&self) -> u64 {
        self.downloaded.total()
    }

    /// Payload sent, in bytes.
    #[must_use]
    pub fn uploaded(&self) -> u64 {
        self.uploaded.total()
    }

    /// Payload received in bytes a second, over the last ten seconds.
    #[must_use]
    pub fn download_rate(&self, now: Timestamp) -> u64 {
        self.downloaded.per_second(now)
    }

    /// Payload sent in bytes a second, over the last ten seconds.
    #[must_use]
    pub fn upload_rate(&self, now: Timestamp) -> u64 {
        self.uploaded.per_second(now)
    }

    /// Each connected peer in the order of their keys, then each banned one by id. O(peers).
    #[must_use]
    pub fn peers(&self, now: Timestamp) -> Vec<PeerReport> {
        let connected = self.peers.iter().filter_map(|(key, _)| self.report(now, key));
        connected.chain(self.bans.reports.values().cloned()).collect()
    }

    /// Bans a peer for good, connected or not; the first reason stays.
    pub(super) fn ban(&mut self, source: Source, reason: Misbehaviour) {
        if self.bans.contains(source.id) {
            return;
        }
        let connected = self.peers.key_of(source.id);
        let report = connected.and_then(|key| self.report(self.now, key));
        let report = report.unwrap_or_else(|| PeerReport::departed(source));
        self.bans.insert(PeerReport { key: None, banned: Some(reason), ..report });
        if let Some(key) = connected {
            self.disconnect(key, super::DisconnectReason::Misbehaviour(reason));
        }
    }

    fn report(&self, now: Timestamp, key: PeerKey) -> Option<PeerReport> {
        let peer = self.peers.get(key)?;
        Some(PeerReport {
            key: Some(key),
            peer_id: peer.id,
            address: peer.address,
            path: peer.path,
            downloaded: peer.downloaded.total(),
            uploaded: peer.uploaded.total(),
            download_rate: peer.downloaded.per_second(now),
            upload_rate: peer.uploaded.per_second(now),
            choking_us: peer.choking_us,
            choked: peer.slot.is_none(),
            interested_in_us: peer.interested_in_us,
            interesting: peer.interesting,
            chunk_count: self.scheduler.peer_chunks(key).map_or(0, Bitfield::count),
            banned: None,
            agent: peer.agent.clone(),
        })
    }
}

impl PeerReport {
    /// Of a peer of which little is known any more.
    fn departed(source: Source) -> Self {
        let Source { id, address, path } = source;
        Self {
            key: None,
            peer_id: id,
            address,
            path,
            downloaded: 0,
            uploaded: 0,
            download_rate: 0,
            upload_rate: 0,
            choking_us: true,
            choked: true,
            interested_in_us: false,
            interesting: false,
            chunk_count: 0,
            banned: None,
            agent: String::new(),
        }
    }
}
