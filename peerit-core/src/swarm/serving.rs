//! Serving peers: slots, requests, blocks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::choker::{Candidate, Choker, ROUND, Room, Slot};
use super::peers::Peer;
use super::{Misbehaviour, Swarm};
use crate::bitfield::Bitfield;
use crate::id::PeerKey;
use crate::layout::Block;
use crate::wire::Frame;

/// A request that comes so soon after a choke was sent before it arrived. It is served, as to refuse it would
/// cost the peer two round trips for nothing; one that goes on asking is refused after that.
const CROSSED: Duration = Duration::from_millis(500);
/// So many of them at a time: 2 MiB, a round trip of 60 ms at 270 Mbit/s.
const CROSSED_MAX: usize = 8;

impl Swarm {
    pub(super) fn interest_told(
        &mut self,
        key: PeerKey,
        interested: bool,
    ) -> Result<(), Misbehaviour> {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.interested_in_us = interested;
        }
        self.signalled(key)
    }

    pub(super) fn requested(&mut self, key: PeerKey, block: Block) -> Result<(), Misbehaviour> {
        if !self.layout.contains(block) || !self.have().contains(block.chunk) {
            return Err(Misbehaviour::NoSuchBlock);
        }
        let offered = self.asks_for(key, block.chunk);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        let crossed = peer.choked_at.is_some_and(|at| now - at < CROSSED)
            && peer.uploads.count() < CROSSED_MAX;
        if peer.slot.is_none() && !crossed || !offered {
            // No fault: it may have been sent before our choke arrived.
            self.send(key, Frame::Reject(block));
            return self.signalled(key);
        }
        if !peer.uploads.request(now, block) {
            return Err(Misbehaviour::TooManyRequests);
        }
        peer.served_at = now;
        peer.slot_used = true;
        self.serving.insert(key);
        self.serve();
        Ok(())
    }

    pub(super) fn cancelled(&mut self, key: PeerKey, block: Block) -> Result<(), Misbehaviour> {
        if self.peers.get_mut(key).is_some_and(|peer| peer.uploads.cancel(block)) {
            // Each request has one answer (BEP 6), so that a later one for the same block has its own.
            self.send(key, Frame::Reject(block));
        }
        self.note_unserved(key);
        self.signalled(key)
    }

    /// The driver has sent a block.
    pub(super) fn block_sent(&mut self, key: PeerKey, block: Block) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(since) = peer.uploads.sent(block) else { return };
        peer.served_at = now;
        peer.uploaded.add(now, block.length.into());
        self.note_unserved(key);
        self.uploaded.add(now, block.length.into());
        self.best_rate.saw(now, self.uploaded.lasting(now));
        if block.length == self.layout.block_length() {
            self.note_block_time(now - since);
        }
        self.serve();
        self.tell_news_to_served();
        if self.uplink_is_idle() {
            self.offer = true;
            self.fill_slots |= self.somebody_waits;
        }
        self.fill_when_idle();
    }

    /// Somebody may want a slot who did not: it gets one that is free, or waits.
    pub(super) fn note_wish(&mut self) {
        let uses = |(key, peer): &(PeerKey, &Peer)| {
            !peer.is_idle(self.now) && self.scheduler.lacks(*key) > 0
        };
        let free = self.slot_holders().filter(uses).count() < self.slot_count();
        self.fill_slots |= free || !self.somebody_waits;
    }

    /// Fills free slots.
    pub(super) fn fill_free_slots(&mut self) {
        self.fill_slots = false;
        let candidates = self.candidates(|_| 0);
        let room = Room { slots: self.slot_count(), extra: self.extra_slots() };
        let slots = Choker::fill(self.now, room, &candidates, &mut self.rng);
        self.give(&candidates, &slots);
    }

    /// Gives all slots anew.
    pub(super) fn choke_round(&mut self) {
        self.rounds_from = self.now;
        let gives =
            |peer: &Peer| if peer.snubbed { 0 } else { peer.downloaded.per_second(self.now) };
        let candidates = self.candidates(gives);
        // Extra slots end with a round.
        let (we_seed, count) = (self.is_complete(), self.slot_count());
        let slots = self.choker.round(self.now, count, we_seed, &candidates, &mut self.rng);
        self.give(&candidates, &slots);
    }

    /// Peers that lack something we have, and those with a slot. What they lack we know before they do,
    /// so nobody waits for them to say that they want it.
    fn candidates(&self, gives: impl Fn(&Peer) -> u64) -> Vec<Candidate> {
        let candidate = |(key, peer): (PeerKey, &Peer)| {
            let lacks = self.scheduler.lacks(key);
            (lacks > 0 || peer.slot.is_some()).then(|| Candidate {
                peer: key,
                slot: peer.slot,
                lacks,
                asks: !peer.uploads.is_idle(),
                idle: peer.is_idle(self.now),
                newcomer: self.scheduler.peer_chunks(key).is_none_or(Bitfield::is_empty),
                gives: gives(peer),
                waiting_since: peer.waiting_since,
            })
        };
        self.peers.iter().filter(|(_, peer)| peer.trades()).filter_map(candidate).collect()
    }

    /// Makes `slots` so, and tells the peers whose slot came or went. Rounds go on while somebody
    /// waits.
    fn give(&mut self, candidates: &[Candidate], slots: &BTreeMap<PeerKey, Slot>) {
        if !std::mem::take(&mut self.somebody_waits) {
            // The first one that waits does so for a whole round.
            self.rounds_from = self.now;
        }
        for candidate in candidates {
            let slot = slots.get(&candidate.peer).copied();
            self.somebody_waits |= candidate.lacks > 0 && slot.is_none();
            self.set_slot(candidate.peer, slot);
        }
        self.fill_when_idle();
        self.round_at = self.somebody_waits.then(|| self.rounds_from + ROUND);
    }

    /// Notes when a slot may become free because nobody asks for anything through it.
    fn fill_when_idle(&mut self) {
        let idle = self.served().filter_map(|(_, peer)| peer.idle_from());
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
        let used = std::mem::replace(&mut peer.slot_used, false);
        self.offer = true;
        if slot.is_some() {
            self.serving.insert(key);
            self.tell_news(key);
            return self.send(key, Frame::Choke(false));
        }
        peer.waiting_since = now;
        peer.choked_at = Some(now);
        if !used {
            peer.missed_slot();
        }
        let dropped = peer.uploads.drop_waiting();
        self.take_back_ungiven(key, &dropped);
        self.note_unserved(key);
        self.send(key, Frame::Choke(true));
        for block in dropped {
            self.send(key, Frame::Reject(block));
        }
    }

    /// A peer that may have neither a slot nor anything on its way.
    fn note_unserved(&mut self, key: PeerKey) {
        if self.peers.get(key).is_some_and(|peer| peer.slot.is_none() && peer.uploads.is_idle()) {
            self.serving.remove(&key);
        }
    }
}
