//! What a peer is asked for next.

use super::peer::Peer;
use super::requests::Request;
use super::{Action, Scheduler};
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::Block;
use crate::rng::Rng;

impl Scheduler {
    /// Puts a peer that serves us into the queue of those that are asked for more.
    pub(super) fn look_at(&mut self, key: PeerKey) {
        self.idle.remove(&key);
        if let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.queued && !peer.choking) {
            peer.queued = true;
            let snubbed = peer.pipeline.is_snubbed();
            let queue = if snubbed { &mut self.ready_last } else { &mut self.ready };
            queue.push_back(key);
        }
    }

    /// Something can be asked for again: peers with nothing to do look at it.
    pub(super) fn wake_idle(&mut self) {
        self.look_again_at = None;
        for key in std::mem::take(&mut self.idle) {
            self.look_at(key);
        }
    }

    /// There is memory for another chunk: a few peers with nothing to do look at it, in turns, so
    /// that a crowd that waits for memory does not look as one each time.
    pub(super) fn wake_some(&mut self) {
        let (before, after) = (..self.next_to_wake, self.next_to_wake..);
        let turn = self.idle.range(after).chain(self.idle.range(before)).copied();
        for key in turn.take(self.config.wake_scan).collect::<Vec<_>>() {
            self.next_to_wake = PeerKey(key.0.wrapping_add(1));
            self.look_at(key);
        }
    }

    /// Asks a peer for as much as its pipeline takes.
    pub(super) fn fill(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.queued = false;
        }
        while self.has_room(key) {
            match self.next_block(key) {
                Some(block) => self.request(key, block),
                None => return self.rest(key),
            }
        }
    }

    pub(super) fn has_room(&self, key: PeerKey) -> bool {
        let Some(peer) = self.peers.get(&key).filter(|peer| !peer.choking && !self.paused) else {
            return false;
        };
        let in_pipeline = peer.pipeline.has_room(self.now, peer.outstanding_bytes, &self.config);
        peer.outstanding < self.config.requests_max && (in_pipeline || self.may_queue(peer))
    }

    /// Whether to ask a peer for one block more than its pipeline takes: it has only what nobody else has,
    /// as a seed that offers chunks one by one. Nothing is lost by waiting in its queue, and its uplink
    /// must not wait for our request.
    fn may_queue(&self, peer: &Peer) -> bool {
        let only_there = || {
            let first = ChunkIndex(0);
            let mut few = self.untouched_of(peer, first).take(self.config.rarity_sample).peekable();
            few.peek().is_some() && few.all(|chunk| self.availability(chunk) == 1)
        };
        let measures = peer.pipeline.round_trip_expired(self.now, &self.config);
        peer.outstanding == 1 && !peer.pipeline.is_snubbed() && !measures && only_there()
    }

    /// The untouched chunks that a peer serves, from a place on and around.
    fn untouched_of<'a>(
        &'a self,
        peer: &'a Peer,
        start: ChunkIndex,
    ) -> impl Iterator<Item = ChunkIndex> + 'a {
        peer.has.common_from(self.rarity.untouched(), &peer.refused, start)
    }

    /// The order of the policy: finish what the peer has begun, help with what others have begun,
    /// begin something new.
    fn next_block(&mut self, key: PeerKey) -> Option<Block> {
        self.continue_current(key)
            .or_else(|| self.join_partial(key))
            .or_else(|| self.begin_chunk(key))
            .or_else(|| self.look_around(key))
    }

    /// With nothing of that: help the slowest, or replace what stands in the way.
    fn look_around(&mut self, key: PeerKey) -> Option<Block> {
        self.scanned += 2 * self.config.partial_scan as u64;
        self.take_over(key).or_else(|| self.help(key)).or_else(|| self.replace_stale(key))
    }

    fn continue_current(&mut self, key: PeerKey) -> Option<Block> {
        let peer = self.peers.get(&key)?;
        let chunk = peer.current.filter(|&chunk| peer.serves(chunk))?;
        self.partials.take_free(chunk, key)
    }

    /// Of the begun chunks looked at, the one closest to all being asked for.
    fn join_partial(&mut self, key: PeerKey) -> Option<Block> {
        let peer = self.peers.get(&key)?;
        let start = ChunkIndex(below(&mut self.rng, self.layout.chunk_count()));
        let (chunk, _) = self
            .partials
            .with_free(key, start)
            .take(self.config.partial_scan)
            .inspect(|_| self.scanned += 1)
            .filter(|&(chunk, _)| peer.serves(chunk))
            .min_by_key(|(_, partial)| partial.free_count())?;
        self.take_from(chunk, key)
    }

    fn begin_chunk(&mut self, key: PeerKey) -> Option<Block> {
        if !self.partials.has_room() {
            return None;
        }
        let chunk = self.pick_untouched(key)?;
        self.begin(chunk, key)
    }

    /// The rarest untouched chunk of a peer, as far as a bounded look can tell.
    pub(super) fn pick_untouched(&mut self, key: PeerKey) -> Option<ChunkIndex> {
        let start = ChunkIndex(below(&mut self.rng, self.layout.chunk_count()));
        let peer = self.peers.get(&key)?;
        self.untouched_of(peer, start).next()?;
        let rarest = self
            .rarity
            .rarest(peer.seed, &mut self.rng)
            .take(self.config.rarity_scan)
            .inspect(|_| self.scanned += 1)
            .find(|&chunk| peer.serves(chunk));
        if rarest.is_some() {
            return rarest;
        }
        self.scanned += self.config.rarity_sample as u64;
        let some = self.untouched_of(peer, start).take(self.config.rarity_sample);
        some.min_by_key(|&chunk| self.rarity.availability(chunk))
    }

    /// Begins an untouched chunk with a request to `key`.
    pub(super) fn begin(&mut self, chunk: ChunkIndex, key: PeerKey) -> Option<Block> {
        self.rarity.remove(chunk);
        let source = self.single_source.contains(&chunk).then_some(key);
        self.partials.begin(chunk, self.now, source);
        self.take_from(chunk, key)
    }

    fn take_from(&mut self, chunk: ChunkIndex, key: PeerKey) -> Option<Block> {
        self.peers.get_mut(&key)?.current = Some(chunk);
        self.partials.take_free(chunk, key)
    }

    pub(super) fn request(&mut self, key: PeerKey, block: Block) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let sent = peer.pipeline.send(self.now, peer.outstanding_bytes);
        peer.outstanding += 1;
        peer.outstanding_bytes += u64::from(block.length);
        let config = &self.config;
        let time = peer.pipeline.time_for(peer.outstanding_bytes, config);
        let patience = time.saturating_mul(config.deadline_factor);
        let patience = patience.clamp(config.deadline_min, config.deadline_max);
        let (expected, deadline) = (self.now + time, self.now + patience);
        self.requests.insert(key, block, Request { sent, expected, deadline, recalled: None });
        self.actions.push_back(Action::Request { peer: key, block });
    }

    /// There is room in a peer's pipeline, and nothing to ask for.
    fn rest(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.pipeline.starve(peer.outstanding_bytes);
        if peer.missing > 0 {
            self.idle.insert(key);
            self.look_again_at.get_or_insert(self.now + self.config.look_again);
        }
    }
}

/// A number below `bound`.
fn below(rng: &mut Rng, bound: u32) -> u32 {
    u32::try_from(rng.below(bound as usize)).unwrap_or(0)
}
