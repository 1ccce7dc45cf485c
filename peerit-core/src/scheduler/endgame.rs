//! What a peer does when nothing is left to ask for, or no memory for what is left.

use std::time::Duration;

use super::Scheduler;
use crate::id::PeerKey;
use crate::layout::Block;
use crate::time::Timestamp;

/// Most peers that are asked for one block.
const HOLDERS_MAX: usize = 2;

impl Scheduler {
    /// Whether everything is stored, here, or asked for. While there are chunks that nobody has yet it is
    /// not: then what is asked for is not what comes last.
    pub(super) fn is_endgame(&self) -> bool {
        self.rarity.is_empty() && self.partials.unasked().next().is_none()
    }

    /// Asks a peer with nothing else to do for the block that would otherwise come last, when it
    /// would come sooner from this peer. The first arrival wins, the other request is cancelled.
    ///
    /// A request that comes soon anyway is left alone: racing it would only move bytes twice. Before
    /// the endgame a race frees memory that slow peers hold; then it must save half the time, and the
    /// wait must be long, for memory is also full when everybody is fast and the disk is not.
    pub(super) fn duplicate(&self, key: PeerKey) -> Option<Block> {
        let peer = self.peers.get(&key).filter(|peer| !peer.pipeline.is_snubbed())?;
        let endgame = self.is_endgame();
        if !endgame && self.partials.has_room() {
            return None;
        }
        let with_this = peer.outstanding_bytes + u64::from(self.layout.block_length());
        let own_wait = peer.pipeline.time_for(with_this, &self.config);
        let least = if endgame {
            own_wait + self.config.queue_target
        } else {
            own_wait.saturating_mul(2).max(self.config.race_after)
        };
        self.requests
            .slowest(self.config.endgame_scan)
            .filter(|&(_, holder, block)| {
                holder != key && peer.serves(block.chunk) && self.may_be_duplicated(block)
            })
            .map(|(expected, holder, block)| (self.wait_for(holder, expected), block))
            .filter(|&(wait, _)| wait > least)
            .max_by_key(|&(wait, _)| wait)
            .map(|(_, block)| block)
    }

    /// How long a request will still take: what was expected when it was sent, or less if the peer
    /// has turned out to be faster. One that is overdue takes as long again as it is late.
    fn wait_for(&self, holder: PeerKey, expected: Timestamp) -> Duration {
        if expected <= self.now {
            return self.now - expected;
        }
        let all = self
            .peers
            .get(&holder)
            .map(|peer| peer.pipeline.time_for(peer.outstanding_bytes, &self.config));
        all.map_or(expected - self.now, |all| all.min(expected - self.now))
    }

    fn may_be_duplicated(&self, block: Block) -> bool {
        let shared = self.partials.get(block.chunk).is_some_and(|begun| begun.source.is_none());
        shared && self.requests.holders(block).count() < HOLDERS_MAX
    }
}
