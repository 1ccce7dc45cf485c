//! What a peer does when nothing is left to ask for.

use super::Scheduler;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::{BLOCK_LENGTH_MAX, Block};
use crate::time::Timestamp;

/// Most peers that are asked for one block.
const HOLDERS_MAX: usize = 2;

impl Scheduler {
    /// Whether everything that anybody has is stored, here, or asked for.
    pub(super) fn is_endgame(&self) -> bool {
        let unasked = self.partials.unasked().take(self.config.partial_scan);
        !self.rarity.any_available()
            && unasked.into_iter().all(|chunk| self.availability(chunk) == 0)
    }

    /// Asks a peer with nothing else to do for the block that would otherwise come last, when it
    /// would come sooner from this peer. The first arrival wins, the other request is cancelled.
    ///
    /// A block that is overdue is expected to take as long again as it is late.
    pub(super) fn duplicate(&self, key: PeerKey) -> Option<Block> {
        let peer = self.peers.get(&key).filter(|peer| !peer.pipeline.is_snubbed())?;
        if !self.is_endgame() {
            return None;
        }
        let with_this = peer.outstanding_bytes + u64::from(BLOCK_LENGTH_MAX);
        let own_wait = peer.pipeline.time_for(with_this, &self.config);
        let wait = |expected: Timestamp| (expected - self.now).max(self.now - expected);
        self.requests
            .slowest(self.config.endgame_scan)
            .filter(|&(expected, holder, block)| {
                holder != key
                    && wait(expected) > own_wait
                    && peer.serves(block.chunk)
                    && self.may_be_duplicated(block)
            })
            .max_by_key(|&(expected, ..)| wait(expected))
            .map(|(_, _, block)| block)
    }

    fn may_be_duplicated(&self, block: Block) -> bool {
        let shared = |chunk: ChunkIndex| {
            self.partials.get(chunk).is_some_and(|partial| partial.source.is_none())
        };
        self.requests.holders(block).count() < HOLDERS_MAX && shared(block.chunk)
    }
}
