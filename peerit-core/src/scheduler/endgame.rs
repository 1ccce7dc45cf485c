//! What a peer does when nothing is left to ask for, or no memory for what is left.

use std::time::Duration;

use super::peer::Peer;
use super::requests::{Recall, Request};
use super::{Action, Scheduler};
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

    /// Has a peer with nothing else to do help with what would otherwise come last, if it would come sooner from this peer.
    ///
    /// In the endgame requests are recalled: a Cancel goes out, and who answers that it does not send the block
    /// loses it to this peer. To race at once would bring most blocks twice, as the Cancel of the loser comes too late.
    /// Only who does not answer is raced: the first arrival wins.
    ///
    /// Before the endgame a race frees memory that slow peers hold; then it must save half the time, and the
    /// wait must be long, for memory is also full when everybody is fast and the disk is not.
    pub(super) fn help(&mut self, key: PeerKey) -> Option<Block> {
        let peer = self.peers.get(&key).filter(|peer| !peer.pipeline.is_snubbed())?;
        let endgame = self.is_endgame();
        if !endgame && self.partials.has_room() {
            return None;
        }
        let own_wait = self.own_wait(peer);
        if !endgame {
            let least = own_wait.saturating_mul(2).max(self.config.race_after);
            return self.slowest_for(key, least, |_| true).map(|(_, block)| block);
        }
        self.recall_for(key);
        let (now, patience) = (self.now, self.config.recall_patience);
        let unanswered =
            |request: &Request| request.recalled.is_some_and(|recall| now - recall.at >= patience);
        self.slowest_for(key, own_wait + self.config.queue_target, unanswered)
            .map(|(_, block)| block)
    }

    /// How long a peer would take for one block more.
    fn own_wait(&self, peer: &Peer) -> Duration {
        let block = u64::from(self.layout.block_length());
        let all = peer.outstanding_bytes + peer.recalling_bytes + block;
        peer.pipeline.time_for(all, &self.config)
    }

    /// Recalls as much for a peer as its pipeline takes, beside what it is asked for: the answers take a while.
    fn recall_for(&mut self, key: PeerKey) {
        while let Some(peer) = self.peers.get(&key) {
            if !peer.pipeline.has_room(self.now, peer.recalling_bytes, &self.config) {
                return;
            }
            let least = self.own_wait(peer) + self.config.queue_target;
            let slowest = self.slowest_for(key, least, |request| request.recalled.is_none());
            let Some((holder, block)) = slowest else { return };
            self.requests.recall(holder, block, Recall { at: self.now, by: key });
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.recalling_bytes += u64::from(block.length);
            }
            self.actions.push_back(Action::Cancel { peer: holder, block });
        }
    }

    /// The request that will take longest, and longer than `least`, of those that fit and that another peer has.
    fn slowest_for(
        &mut self,
        key: PeerKey,
        least: Duration,
        fits: impl Fn(&Request) -> bool,
    ) -> Option<(PeerKey, Block)> {
        self.scanned += self.config.endgame_scan as u64;
        let peer = self.peers.get(&key)?;
        self.requests
            .slowest(self.config.endgame_scan)
            .filter(|&(holder, block, request)| {
                let elsewhere = holder != key && peer.serves(block.chunk);
                elsewhere && fits(request) && self.may_be_duplicated(block)
            })
            .map(|(holder, block, request)| {
                (self.wait_for(holder, request.expected), holder, block)
            })
            .filter(|&(wait, ..)| wait > least)
            .max_by_key(|&(wait, ..)| wait)
            .map(|(_, holder, block)| (holder, block))
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
