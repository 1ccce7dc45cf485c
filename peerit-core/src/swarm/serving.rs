//! Serving peers: slots, requests, blocks.

use std::collections::BTreeMap;

use super::choker::{Candidate, ROUND, Slot};
use super::peers::Peer;
use super::{Misbehaviour, Swarm};
use crate::bitfield::Bitfield;
use crate::id::PeerKey;
use crate::layout::Block;
use crate::wire::Frame;

impl Swarm {
    pub(super) fn interest_told(
        &mut self,
        key: PeerKey,
        interested: bool,
    ) -> Result<(), Misbehaviour> {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        if std::mem::replace(&mut peer.interested_in_us, interested) != interested {
            peer.waiting_since = now;
            self.fill_slots = true;
        }
        self.signalled(key)
    }

    pub(super) fn requested(&mut self, key: PeerKey, block: Block) -> Result<(), Misbehaviour> {
        if !self.layout.contains(block) || !self.have().contains(block.chunk) {
            return Err(Misbehaviour::NoSuchBlock);
        }
        let offered = self.asks_for(key, block.chunk);
        let (now, number) = (self.now, self.requests);
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        if peer.slot.is_none() || !offered {
            // No fault: it may have been sent before our choke arrived.
            self.send(key, Frame::Reject(block));
            return self.signalled(key);
        }
        if !peer.uploads.request(block, number) {
            return Err(Misbehaviour::TooManyRequests);
        }
        peer.served_at = now;
        peer.slot_used = true;
        self.requests += 1;
        self.serve();
        Ok(())
    }

    pub(super) fn cancelled(&mut self, key: PeerKey, block: Block) -> Result<(), Misbehaviour> {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.uploads.cancel(block);
        }
        self.signalled(key)
    }

    /// The driver has sent a block.
    pub(super) fn block_sent(&mut self, key: PeerKey, block: Block) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.uploads.sent(block) {
            peer.served_at = now;
            peer.uploaded.add(now, block.length.into());
            self.uploaded.add(now, block.length.into());
            self.serve();
            self.offer |= self.uplink_is_idle();
            self.fill_when_idle();
        }
    }

    /// Fills free slots.
    pub(super) fn fill_free_slots(&mut self) {
        self.fill_slots = false;
        let candidates = self.candidates();
        let slots = self.choker.fill(self.now, &candidates, &mut self.rng);
        self.give(&candidates, &slots);
    }

    /// Whether a peer would take something from us; one that was not told of all our chunks does not
    /// know.
    fn wants_chunks(&self, peer: &Peer) -> bool {
        peer.interested_in_us || peer.offers.is_some()
    }

    /// Gives all slots anew.
    pub(super) fn choke_round(&mut self) {
        self.rounds_from = self.now;
        let candidates = self.candidates();
        let we_seed = self.is_complete();
        let slots = self.choker.round(self.now, we_seed, &candidates, &mut self.rng);
        self.give(&candidates, &slots);
    }

    fn candidates(&self) -> Vec<Candidate> {
        let takes_part =
            |peer: &Peer| peer.trades() && (self.wants_chunks(peer) || peer.slot.is_some());
        self.peers
            .iter()
            .filter(|(_, peer)| takes_part(peer))
            .map(|(key, peer)| Candidate {
                peer: key,
                slot: peer.slot,
                interested: self.wants_chunks(peer),
                idle: peer.idle_from().is_some_and(|from| from <= self.now),
                newcomer: self.scheduler.peer_chunks(key).is_none_or(Bitfield::is_empty),
                gives: if peer.snubbed { 0 } else { peer.downloaded.per_second(self.now) },
                waiting_since: peer.waiting_since,
            })
            .collect()
    }

    /// Makes `slots` so, and tells the peers whose slot came or went. Rounds go on while somebody
    /// waits.
    fn give(&mut self, candidates: &[Candidate], slots: &BTreeMap<PeerKey, Slot>) {
        self.somebody_waits = false;
        for candidate in candidates {
            let slot = slots.get(&candidate.peer).copied();
            self.somebody_waits |= candidate.interested && slot.is_none();
            self.set_slot(candidate.peer, slot);
        }
        self.fill_when_idle();
        self.round_at = self.somebody_waits.then(|| self.rounds_from + ROUND);
    }

    /// Notes when a slot may become free because nobody asks for anything through it.
    fn fill_when_idle(&mut self) {
        let idle = self.peers.iter().filter_map(|(_, peer)| peer.idle_from());
        let next = idle.filter(|&from| from > self.now).min();
        self.fill_at = next.filter(|_| self.somebody_waits);
    }

    fn set_slot(&mut self, key: PeerKey, slot: Option<Slot>) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return };
        let before = std::mem::replace(&mut peer.slot, slot);
        if before.is_some() == slot.is_some() {
            return;
        }
        peer.served_at = now;
        peer.slot_used = false;
        self.offer = true;
        if slot.is_none() {
            peer.uploads.drop_waiting();
            peer.waiting_since = now;
        }
        self.send(key, Frame::Choke(slot.is_none()));
    }
}
