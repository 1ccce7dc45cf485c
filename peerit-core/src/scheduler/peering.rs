//! Peers come, go, and say what they have and whether they serve us.

use super::peer::Peer;
use super::{Action, Scheduler};
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerKey};

impl Scheduler {
    pub(super) fn peer_joined(&mut self, key: PeerKey) {
        let (layout, now) = (self.layout, self.now);
        let (config, lacks) = (&self.config, self.have.count());
        self.peers.entry(key).or_insert_with(|| Peer::new(layout, now, lacks, config));
    }

    pub(super) fn peer_left(&mut self, key: PeerKey) {
        self.uncount(key);
        self.withdraw_all(key, false);
        self.peers.remove(&key);
        self.idle.remove(&key);
    }

    pub(super) fn has_chunks(&mut self, key: PeerKey, chunks: Bitfield) {
        if chunks.len() != self.layout.chunk_count() {
            return;
        }
        self.uncount(key);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.seed = chunks.is_full() && !chunks.is_empty();
        if peer.seed {
            self.rarity.seed_joined();
        } else {
            chunks.iter().for_each(|chunk| self.rarity.raise(chunk, &mut self.rng));
        }
        let missing = chunks.iter().filter(|&chunk| !self.have.contains(chunk)).count();
        peer.missing = u32::try_from(missing).unwrap_or(u32::MAX);
        peer.lacks = self.have.count() - (chunks.count() - peer.missing);
        peer.refused = Bitfield::empty(chunks.len());
        peer.has = chunks;
        let lacking = |chunk: &ChunkIndex| !peer.has.contains(*chunk);
        let given_up: Vec<_> =
            self.partials.exclusive_to(key).into_iter().filter(lacking).collect();
        given_up.into_iter().for_each(|chunk| self.abandon(chunk));
        self.update_interest(key);
        self.look_at(key);
    }

    pub(super) fn has_chunk(&mut self, key: PeerKey, chunk: ChunkIndex) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.has.insert(chunk) {
            self.rarity.raise(chunk, &mut self.rng);
            peer.missing += u32::from(!self.have.contains(chunk));
            peer.lacks -= u32::from(self.have.contains(chunk));
        } else if !peer.refused.remove(chunk) {
            return;
        }
        self.update_interest(key);
        self.look_at(key);
    }

    pub(super) fn unchoked(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.choking = false;
        peer.refused = Bitfield::empty(peer.has.len());
        self.look_at(key);
    }

    pub(super) fn choked(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.choking = true;
        self.idle.remove(&key);
        // A choking peer may never send the rest: what nobody else may send is begun anew.
        for chunk in self.partials.exclusive_to(key) {
            self.abandon(chunk);
        }
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
        for key in self.peers.keys().copied().collect::<Vec<_>>() {
            self.withdraw_all(key, true);
        }
    }

    pub(super) fn resume(&mut self) {
        self.paused = false;
        for key in self.peers.keys().copied().collect::<Vec<_>>() {
            self.look_at(key);
        }
    }

    pub(super) fn allow_memory(&mut self, bytes_max: u64) {
        self.partials.allow(bytes_max);
        self.wake_some();
    }

    /// Tells a peer whether it has what we lack, when that has changed.
    pub(super) fn update_interest(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let interested = peer.missing > 0;
        if peer.interested != interested {
            peer.interested = interested;
            self.actions.push_back(Action::Interest { peer: key, interested });
        }
    }

    /// Takes what a peer has out of the availability of chunks.
    fn uncount(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(&key) else { return };
        if peer.seed {
            self.rarity.seed_left();
        } else {
            peer.has.iter().for_each(|chunk| self.rarity.lower(chunk, &mut self.rng));
        }
    }
}
