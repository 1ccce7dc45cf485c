//! What is known about each connected peer.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::blame::Source;
use super::choker::Slot;
use super::exchange::Exchange;
use super::rate::Rate;
use super::super_seeding::{Offers, Trust};
use super::uplink::SLOT_NEW;
use super::uploads::Uploads;
use super::{Direction, Path};
use crate::allowance::Allowance;
use crate::id::{PeerId, PeerKey};
use crate::time::Timestamp;

/// Most peers that are gone and still known by their key: they may have sent blocks of chunks that
/// are not verified yet. At 96 bytes each, under 100 KiB.
const DEPARTED_MAX: usize = 1_024;

/// Small frames that cost us work and carry no data: so many at once, so many a second. A cancelled
/// pipeline is 512 of them; a second's worth of blocks at 500 Mbit/s about 240.
const SIGNALS: (u32, u32) = (4_096, 256);
/// Blocks that nobody asked for: those that cross a cancel or a choke are no fault, and few.
const UNREQUESTED: (u32, u32) = (100, 1);

/// How far a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its Hello has not come.
    Greeting,
    /// It has no manifest and may ask for that only.
    FetchesManifest {
        /// Requests so far.
        requests: u32,
        /// Bytes asked for so far.
        bytes: u64,
    },
    /// It takes part.
    Trades {
        /// Whether it has sent its bitfield.
        told_chunks: bool,
    },
}

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) address: SocketAddr,
    pub(super) direction: Direction,
    pub(super) path: Path,
    pub(super) connected_at: Timestamp,
    pub(super) heard_at: Timestamp,
    pub(super) spoke_at: Timestamp,
    /// When to close the connection because both sides have everything.
    pub(super) useless_at: Option<Timestamp>,
    pub(super) stage: Stage,
    /// Whether it said in its Hello that it has every chunk.
    pub(super) complete: bool,
    /// Program and version, empty until its Hello.
    pub(super) agent: String,
    /// Where anybody can dial it, once known, and the number of that news in this swarm.
    pub(super) listens: Option<(u64, SocketAddr)>,
    /// Whether it serves us not.
    pub(super) choking_us: bool,
    /// Whether it has what we want.
    pub(super) interesting: bool,
    /// What of that it was told.
    pub(super) told_interest: bool,
    pub(super) interested_in_us: bool,
    /// Whether it let our last request run into its deadline.
    pub(super) snubbed: bool,
    /// Why we serve it; none: it is choked.
    pub(super) slot: Option<Slot>,
    /// Since when it has no slot.
    pub(super) waiting_since: Timestamp,
    /// When it last lost one.
    pub(super) choked_at: Option<Timestamp>,
    pub(super) uploads: Uploads,
    /// Whether anything was asked through the slot it has.
    pub(super) slot_used: bool,
    /// How long a slot is kept for it that it has not used yet.
    pub(super) slot_kept: Duration,
    /// When something was last asked of us or sent to it, or it got its slot.
    pub(super) served_at: Timestamp,
    /// How far it was told of what we have stored, see [`super::telling::News`].
    pub(super) told: usize,
    /// What of our chunks it knows, while that is not all of them.
    pub(super) offers: Option<Offers>,
    pub(super) trust: Trust,
    pub(super) downloaded: Rate,
    pub(super) uploaded: Rate,
    pub(super) exchange: Exchange,
    pub(super) signals: Allowance,
    pub(super) unrequested: Allowance,
}

impl Peer {
    pub(super) fn new(now: Timestamp, source: Source, direction: Direction) -> Self {
        let Source { id, address, path } = source;
        Self {
            id,
            address,
            direction,
            path,
            connected_at: now,
            heard_at: now,
            spoke_at: now,
            useless_at: None,
            stage: Stage::Greeting,
            complete: false,
            agent: String::new(),
            listens: None,
            choking_us: true,
            interesting: false,
            told_interest: false,
            interested_in_us: false,
            snubbed: false,
            slot: None,
            waiting_since: now,
            choked_at: None,
            uploads: Uploads::default(),
            slot_used: false,
            slot_kept: SLOT_NEW,
            served_at: now,
            told: 0,
            offers: None,
            trust: Trust::default(),
            downloaded: Rate::starting(now),
            uploaded: Rate::starting(now),
            exchange: Exchange::starting(now),
            signals: Allowance::new(now, SIGNALS.0, SIGNALS.1),
            unrequested: Allowance::new(now, UNREQUESTED.0, UNREQUESTED.1),
        }
    }

    pub(super) fn trades(&self) -> bool {
        matches!(self.stage, Stage::Trades { .. })
    }

    pub(super) fn source(&self) -> Source {
        Source { id: self.id, address: self.address, path: self.path }
    }

    /// Where we can dial it.
    pub(super) fn dial_address(&self) -> Option<SocketAddr> {
        match self.direction {
            Direction::Dialled => Some(self.address),
            Direction::Answered => self.listens.map(|(_, address)| address),
        }
    }
}

/// All connected peers, at most one for each id, and the last ones that left.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_key: BTreeMap<PeerKey, Peer>,
    by_id: BTreeMap<PeerId, PeerKey>,
    /// The one that left first in front.
    departed: VecDeque<(PeerKey, Source)>,
}

impl Peers {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.by_key.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.by_key.get_mut(&key)
    }

    pub(super) fn key_of(&self, id: PeerId) -> Option<PeerKey> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.by_key.iter().map(|(&key, peer)| (key, peer))
    }

    pub(super) fn keys(&self) -> Vec<PeerKey> {
        self.by_key.keys().copied().collect()
    }

    pub(super) fn insert(&mut self, key: PeerKey, peer: Peer) {
        self.by_id.insert(peer.id, key);
        self.by_key.insert(key, peer);
    }

    pub(super) fn remove(&mut self, key: PeerKey) -> Option<Peer> {
        let peer = self.by_key.remove(&key)?;
        self.by_id.remove(&peer.id);
        if self.departed.len() == DEPARTED_MAX {
            self.departed.pop_front();
        }
        self.departed.push_back((key, peer.source()));
        Some(peer)
    }

    /// Who has or lately had this key.
    pub(super) fn source(&self, key: PeerKey) -> Option<Source> {
        let departed = || self.departed.iter().find(|(departed, _)| *departed == key);
        self.get(key).map(Peer::source).or_else(|| departed().map(|(_, source)| *source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_that_left_are_known_however_long_they_were_here() {
        let mut peers = Peers::default();
        let join = |peers: &mut Peers, key: u16| {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&key.to_le_bytes());
            let address = SocketAddr::from(([10, 0, 0, 1], key));
            let source = Source { id: PeerId(id), address, path: Path::Direct };
            let peer = Peer::new(Timestamp::ZERO, source, Direction::Answered);
            peers.insert(PeerKey(key.into()), peer);
        };
        join(&mut peers, 0);
        for key in 1..=1_024 {
            join(&mut peers, key);
            peers.remove(PeerKey(key.into()));
        }
        peers.remove(PeerKey(0));
        let known = |key| peers.source(PeerKey(key)).is_some();
        assert_eq!([0, 1, 2, 1_024].map(known), [true, false, true, true]);
    }
}
