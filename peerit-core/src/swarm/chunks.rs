//! Chunks on their way from the scheduler through the driver's verification.

use bytes::Bytes;

use super::{Action, DisconnectReason, Misbehaviour, Swarm};
use crate::id::{ChunkIndex, PeerKey};
use crate::scheduler;
use crate::wire::Frame;

impl Swarm {
    /// Carries out what the scheduler wants.
    pub(super) fn drain_scheduler(&mut self) {
        while let Some(action) = self.scheduler.poll() {
            match action {
                scheduler::Action::Request { peer, block } => {
                    self.send(peer, Frame::Request(block));
                    self.note_question();
                }
                scheduler::Action::Cancel { peer, block } => self.send(peer, Frame::Cancel(block)),
                scheduler::Action::Interest { peer, interested } => {
                    self.note_interest(peer, interested);
                }
                scheduler::Action::ChunkComplete { chunk, blocks, sources } => {
                    let sources = sources.into_iter().map(|key| self.peers.source(key)).collect();
                    self.checking.insert(chunk, sources);
                    self.actions.push_back(Action::VerifyChunk { chunk, blocks });
                }
                scheduler::Action::Unrequested { peer } => self.unrequested(peer),
                scheduler::Action::Snubbed { peer } => {
                    if let Some(peer) = self.peers.get_mut(peer) {
                        peer.snubbed = true;
                    }
                }
            }
        }
    }

    fn unrequested(&mut self, key: PeerKey) {
        let now = self.now;
        if self.peers.get_mut(key).is_some_and(|peer| !peer.unrequested.take(now)) {
            let reason = DisconnectReason::Misbehaviour(Misbehaviour::Unrequested);
            self.disconnect(key, reason);
        }
    }

    /// A chunk is verified and stored: everybody is told, now or soon. Those who have it too, because they
    /// follow how far we are, and a seed must learn that we became one.
    pub(super) fn chunk_stored(&mut self, chunk: ChunkIndex, blocks: &[Bytes]) {
        let Some(sources) = self.checking.remove(&chunk) else { return };
        self.tell(scheduler::Event::ChunkStored { chunk });
        for liar in self.blame.stored(chunk, blocks) {
            self.ban(liar, Misbehaviour::CorruptChunk(chunk));
        }
        self.note_wish();
        self.spread(chunk, &sources);
        if self.is_complete() {
            self.actions.push_back(Action::Completed);
            for key in self.peers.keys() {
                self.note_if_useless(key);
            }
        }
    }

    /// A chunk does not match its digest: its sender is banned, or will be once it is found. From now
    /// on one peer alone sends it, so that it is found for certain.
    pub(super) fn chunk_corrupt(&mut self, chunk: ChunkIndex, blocks: &[Bytes]) {
        let Some(sources) = self.checking.remove(&chunk) else { return };
        if let Some(liar) = self.blame.corrupt(chunk, blocks, &sources) {
            self.ban(liar, Misbehaviour::CorruptChunk(chunk));
        }
        self.tell(scheduler::Event::ChunkLost { chunk, single_source: true });
    }

    /// A chunk matched, but could not be stored.
    pub(super) fn chunk_not_stored(&mut self, chunk: ChunkIndex) {
        if self.checking.remove(&chunk).is_some() {
            self.tell(scheduler::Event::ChunkLost { chunk, single_source: false });
        }
    }
}
