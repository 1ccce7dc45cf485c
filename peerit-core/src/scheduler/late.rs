//! When a peer is given up, and when a chunk.

use super::{Action, Scheduler};
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::Block;

impl Scheduler {
    /// Snubs every peer that let a request run into its deadline: its blocks return to the pool,
    /// and it is asked for one block at a time, after all others, until it delivers.
    pub(super) fn give_up_late_peers(&mut self) {
        while let Some((deadline, key)) = self.requests.next_deadline() {
            if deadline > self.now {
                return;
            }
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.pipeline.snub();
            }
            self.actions.push_back(Action::Snubbed { peer: key });
            self.withdraw_all(key, true);
            self.look_at(key);
        }
    }

    /// Without room for another begun chunk, begins one with this peer in the place of one that
    /// takes far too long, so that a few slow or vanished peers cannot stop all others.
    ///
    /// A peer that is slow itself only replaces what is older still, so peers do not replace each
    /// other's chunks in turns.
    pub(super) fn replace_stale(&mut self, key: PeerKey) -> Option<Block> {
        if self.partials.has_room() {
            return None;
        }
        let stale = self.stale_for(key, |_, _| true)?;
        let chunk = self.pick_untouched(key)?;
        self.abandon(stale);
        self.begin(chunk, key)
    }

    /// In the endgame, begins anew a chunk that may only come from one peer, when that one takes
    /// far too long: such a chunk cannot be helped with, nor its blocks be duplicated.
    pub(super) fn take_over(&mut self, key: PeerKey) -> Option<Block> {
        if self.single_source.is_empty() || !self.is_endgame() {
            return None;
        }
        let peer = self.peers.get(&key)?;
        let stale = self.stale_for(key, |chunk, source| {
            source.is_some_and(|source| source != key) && peer.serves(chunk)
        })?;
        self.abandon(stale);
        self.begin(stale, key)
    }

    /// The chunk begun first, of those looked at that `fits` by index and only source; when it is
    /// far older than this peer would need for a whole one.
    fn stale_for(
        &self,
        key: PeerKey,
        fits: impl Fn(ChunkIndex, Option<PeerKey>) -> bool,
    ) -> Option<ChunkIndex> {
        let peer = self.peers.get(&key).filter(|peer| !peer.pipeline.is_snubbed())?;
        let chunk_length = u64::from(self.layout.chunk_length());
        let own_time = peer.pipeline.time_for(chunk_length, &self.config);
        let age_max = self.config.stale_after + own_time.saturating_mul(4);
        let looked_at = self.partials.begun().take(self.config.partial_scan);
        let (chunk, oldest) = looked_at
            .filter(|&(chunk, partial)| fits(chunk, partial.source))
            .min_by_key(|(_, partial)| partial.begun)?;
        (self.now - oldest.begun > age_max).then_some(chunk)
    }
}
