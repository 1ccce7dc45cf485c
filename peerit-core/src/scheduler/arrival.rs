//! Blocks come or do not come; chunks are stored or lost.

use bytes::Bytes;

use super::partial::Arrival;
use super::requests::Request;
use super::{Action, Scheduler};
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::Block;

impl Scheduler {
    pub(super) fn arrived(&mut self, key: PeerKey, block: Block, payload: Bytes) {
        let fits = payload.len() == block.length as usize;
        let request = if fits { self.release(key, block) } else { None };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if let Some(request) = request {
            peer.pipeline.deliver(self.now, &request.sent, block.length, &self.config);
        } else if fits && peer.forget_withdrawn(block) {
            peer.pipeline.deliver_late(self.now, block.length);
        } else {
            return self.actions.push_back(Action::Unrequested { peer: key });
        }
        self.look_at(key);
        match self.partials.arrived(key, block, payload) {
            Arrival::Unneeded => {}
            Arrival::Kept => self.call_off(block),
            Arrival::Complete(blocks, sources) => {
                self.call_off(block);
                let chunk = block.chunk;
                self.actions.push_back(Action::ChunkComplete { chunk, blocks, sources });
            }
        }
    }

    pub(super) fn rejected(&mut self, key: PeerKey, block: Block) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        // Answers come in order, so an answer to a request that was taken back is the older one.
        if peer.forget_withdrawn(block) {
            return;
        }
        let Some(request) = self.release(key, block) else { return };
        if let Some(recall) = request.recalled {
            self.hand_on(recall.by, block);
            return self.look_at(key);
        }
        if let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.has.contains(block.chunk)) {
            peer.refused.insert(block.chunk);
        }
        self.return_block(block);
        if self.partials.get(block.chunk).is_some_and(|partial| partial.source == Some(key)) {
            self.abandon(block.chunk);
        }
        self.look_at(key);
    }

    pub(super) fn stored(&mut self, chunk: ChunkIndex) {
        if !self.have.insert(chunk) {
            return;
        }
        if self.partials.get(chunk).is_some() {
            self.discard(chunk);
        } else if self.rarity.contains(chunk) {
            self.rarity.remove(chunk);
        } else {
            self.partials.settle(chunk);
        }
        self.single_source.remove(&chunk);
        let mut satisfied = Vec::new();
        for (&key, peer) in &mut self.peers {
            if !peer.has.contains(chunk) {
                peer.lacks += 1;
                continue;
            }
            peer.missing -= 1;
            if peer.missing == 0 {
                satisfied.push(key);
            }
        }
        satisfied.into_iter().for_each(|key| self.update_interest(key));
        self.wake_some();
    }

    pub(super) fn lost(&mut self, chunk: ChunkIndex, single_source: bool) {
        let known = chunk.0 < self.layout.chunk_count() && !self.have.contains(chunk);
        if !known || self.rarity.contains(chunk) || self.partials.get(chunk).is_some() {
            return;
        }
        if single_source {
            self.single_source.insert(chunk);
        } else {
            self.single_source.remove(&chunk);
        }
        self.partials.settle(chunk);
        self.untouch(chunk);
    }

    /// A block that was recalled is asked of the peer that it was recalled for.
    fn hand_on(&mut self, key: PeerKey, block: Block) {
        let is_asked = self.requests.holders(block).next().is_some();
        let serves = self.peers.get(&key).is_some_and(|peer| peer.serves(block.chunk));
        if !is_asked && serves && self.has_room(key) {
            self.request(key, block);
        } else {
            self.return_block(block);
        }
    }

    /// A request is over: answered, refused or taken back.
    fn release(&mut self, key: PeerKey, block: Block) -> Option<Request> {
        let request = self.requests.remove(key, block)?;
        let peer = self.peers.get_mut(&key)?;
        peer.outstanding -= 1;
        peer.outstanding_bytes -= u64::from(block.length);
        let for_peer = request.recalled.and_then(|recall| self.peers.get_mut(&recall.by));
        if let Some(peer) = for_peer {
            // It may have left and come back meanwhile.
            peer.recalling_bytes = peer.recalling_bytes.saturating_sub(block.length.into());
        }
        Some(request)
    }

    /// Takes a request back; its block may still come.
    fn withdraw(&mut self, key: PeerKey, block: Block, cancel: bool) {
        let recalled = self.release(key, block).is_some_and(|request| request.recalled.is_some());
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.remember_withdrawn(block);
        }
        // It has a Cancel already.
        if cancel && !recalled {
            self.actions.push_back(Action::Cancel { peer: key, block });
        }
    }

    /// Takes all requests to a peer back, and frees the chunks that only it might send.
    pub(super) fn withdraw_all(&mut self, key: PeerKey, cancel: bool) {
        for block in self.requests.of_peer(key).collect::<Vec<_>>() {
            self.withdraw(key, block, cancel);
            self.return_block(block);
        }
        for chunk in self.partials.exclusive_to(key) {
            self.abandon(chunk);
        }
    }

    /// A block came: whoever else was asked for it need not send it.
    fn call_off(&mut self, block: Block) {
        for holder in self.requests.holders(block).collect::<Vec<_>>() {
            self.withdraw(holder, block, true);
            self.look_at(holder);
        }
    }

    /// A block is asked of one peer less.
    fn return_block(&mut self, block: Block) {
        if self.requests.holders(block).next().is_none() {
            self.partials.give_back(block);
        }
        self.wake_idle();
    }

    /// Forgets what is here of a begun chunk, so that it can be begun anew.
    pub(super) fn abandon(&mut self, chunk: ChunkIndex) {
        self.discard(chunk);
        self.untouch(chunk);
    }

    fn discard(&mut self, chunk: ChunkIndex) {
        for (holder, block) in self.requests.of_chunk(chunk).collect::<Vec<_>>() {
            self.withdraw(holder, block, true);
            self.look_at(holder);
        }
        self.partials.discard(chunk);
    }

    /// A chunk that is in no other state becomes untouched.
    fn untouch(&mut self, chunk: ChunkIndex) {
        self.rarity.insert(chunk, &mut self.rng);
        self.wake_idle();
    }
}
