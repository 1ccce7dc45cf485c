//! A host: one peer with its swarm, its tracker client, its disk, and what it did.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;

use super::scenario::PeerSpec;
use super::stream::Traffic;
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerId, PeerKey};
use crate::layout::Block;
use crate::swarm::Swarm;
use crate::tracker::TrackerClient;

/// Where every host listens.
pub(super) const PORT: u16 = 6_000;
/// Address of the first host; public ones, as swarms treat those of a home network apart.
const FIRST_ADDRESS: u32 = 0x2000_0001;
/// What received payload is counted by: the shortest block that anybody asks for.
const UNIT_BYTES: u64 = 16 << 10;
/// In place of an end that is closed.
pub(super) const NO_END: u32 = u32::MAX;

/// How a host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has not joined.
    Absent,
    Up,
    /// It has left: only the trackers are still told so.
    Left,
    Crashed,
}

pub(super) struct Host {
    pub(super) spec: PeerSpec,
    pub(super) id: PeerId,
    pub(super) swarm: Swarm,
    pub(super) client: TrackerClient,
    pub(super) state: State,
    /// Until when it does nothing.
    pub(super) stalled_until: u64,
    /// Its ends by the swarm's keys, which count up from 0.
    pub(super) ends: Vec<u32>,

    /// Ends that wait for a turn at the uplink.
    pub(super) ring: VecDeque<u32>,
    /// Whether the uplink is at work.
    pub(super) sending: bool,
    /// Blocks whose last byte is taken when it has done that.
    pub(super) departing: Vec<(u32, Block)>,

    /// When the swarm is woken, and the tracker client.
    pub(super) wakes_at: Option<u64>,
    pub(super) client_wakes_at: Option<u64>,
    /// Timeouts handled in the moment of the last one.
    pub(super) wakes_in_a_row: u32,
    pub(super) woken_at: u64,

    /// Chunks with the disk, one after another, and whether each can be stored.
    pub(super) storing: VecDeque<Storing>,
    pub(super) disk_free_at: u64,
    pub(super) disk_written: u64,
    /// What was stored, kept apart from the swarm to check it by.
    pub(super) stored: Bitfield,
    received: Bitfield,

    pub(super) traffic: Traffic,
    /// Bytes on the uplink, and how many of them at the last sample.
    pub(super) sent_bytes: u64,
    pub(super) sampled_bytes: u64,
    pub(super) blocks_sent: u64,
    pub(super) uploaded_bytes: u64,
    pub(super) downloaded_bytes: u64,
    pub(super) duplicate_bytes: u64,
    pub(super) completed_at: Option<u64>,
}

/// A chunk with the disk.
pub(super) struct Storing {
    pub(super) chunk: ChunkIndex,
    pub(super) blocks: Vec<Bytes>,
    pub(super) verdict: Verdict,
}

/// What the disk will say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Stored,
    Corrupt,
    NoRoom,
}

impl Host {
    pub(super) fn new(
        spec: PeerSpec,
        id: PeerId,
        swarm: Swarm,
        client: TrackerClient,
        content_bytes: u64,
    ) -> Self {
        let units = u32::try_from(content_bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        Self {
            stored: swarm.have().clone(),
            received: Bitfield::empty(units),
            spec,
            id,
            swarm,
            client,
            state: State::Absent,
            stalled_until: 0,
            ends: Vec::new(),
            ring: VecDeque::new(),
            sending: false,
            departing: Vec::new(),
            wakes_at: None,
            client_wakes_at: None,
            wakes_in_a_row: 0,
            woken_at: 0,
            storing: VecDeque::new(),
            disk_free_at: 0,
            disk_written: 0,
            traffic: Traffic::default(),
            sent_bytes: 0,
            sampled_bytes: 0,
            blocks_sent: 0,
            uploaded_bytes: 0,
            downloaded_bytes: 0,
            duplicate_bytes: 0,
            completed_at: None,
        }
    }

    /// Gives a new connection's end a key.
    pub(super) fn add_end(&mut self, end: u32) -> PeerKey {
        self.ends.push(end);
        PeerKey(u32::try_from(self.ends.len() - 1).unwrap_or(u32::MAX))
    }

    /// The end that the swarm calls so, if it is open.
    pub(super) fn end(&self, key: PeerKey) -> Option<u32> {
        self.ends.get(key.0 as usize).copied().filter(|&end| end != NO_END)
    }

    /// Counts payload that came; `start` is its place in the content.
    pub(super) fn count_received(&mut self, start: u64, length: u32) {
        self.downloaded_bytes += u64::from(length);
        let end = start + u64::from(length);
        let mut at = start;
        while at < end {
            let unit = at / UNIT_BYTES;
            let next = ((unit + 1) * UNIT_BYTES).min(end);
            let unit = ChunkIndex(u32::try_from(unit).unwrap_or(u32::MAX));
            if !self.received.insert(unit) {
                self.duplicate_bytes += next - at;
            }
            at = next;
        }
    }
}

/// Where a host can be dialled.
pub(super) fn address_of(host: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(FIRST_ADDRESS + host), PORT).into()
}

/// Which host an address is of, if it is of one of `count`.
pub(super) fn host_at(address: SocketAddr, count: usize) -> Option<u32> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    ip.to_bits().checked_sub(FIRST_ADDRESS).filter(|&host| (host as usize) < count)
}
