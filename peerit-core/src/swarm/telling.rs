//! Who is told of a new chunk, and when.
//!
//! A Have for each chunk to each peer would be most of what a great swarm says, and most of what it
//! costs. Those hear at once who can act on it: peers that we serve and that lack the chunk may ask for
//! it now, and those who sent it need not offer it to us any more. All others hear when they are given
//! a slot, or of all that came meanwhile together.

use std::time::Duration;

use bytes::Bytes;

use super::Swarm;
use super::blame::Source;
use crate::id::{ChunkIndex, PeerKey};
use crate::time::Timestamp;
use crate::wire::{Frame, HAVE_MAX};

/// The longest that a chunk is kept from a peer. That it is late changes little in what is rarest: in a
/// simulated swarm of 300, 50 ms instead of this double the messages and save nothing.
const INTERVAL: Duration = Duration::from_secs(1);

/// The chunks stored since the swarm began, in that order. How far a peer was told is then a number,
/// not a list. 4 bytes a chunk, 256 KiB at most.
#[derive(Debug, Default)]
pub(super) struct News {
    stored: Vec<ChunkIndex>,
    /// When all peers are told.
    pub(super) due_at: Option<Timestamp>,
}

impl News {
    /// How many chunks were stored.
    pub(super) fn count(&self) -> usize {
        self.stored.len()
    }
}

impl Swarm {
    /// Tells a peer of all chunks, in its first and only bitfield.
    pub(super) fn tell_all_chunks(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.offers = None;
        if !self.have().is_empty() {
            let bits = Bytes::from(self.have().to_bytes());
            self.send(key, Frame::Bitfield(bits));
        }
    }

    /// A chunk that came from `sources` is stored.
    pub(super) fn spread(&mut self, chunk: ChunkIndex, sources: &[Option<Source>]) {
        self.news.stored.push(chunk);
        self.news.due_at.get_or_insert(self.now + INTERVAL);
        let lacks = |key| self.scheduler.peer_chunks(key).is_some_and(|has| !has.contains(chunk));
        let served = self.slot_holders().filter(|&(key, _)| lacks(key));
        let senders = sources.iter().flatten().filter_map(|source| self.peers.key_of(source.id));
        let at_once: Vec<_> = served.map(|(key, _)| key).chain(senders).collect();
        at_once.into_iter().for_each(|key| self.tell_news(key));
    }

    /// Tells everybody what they have not heard of.
    pub(super) fn tell_news_to_all(&mut self) {
        self.news.due_at = None;
        self.peers.keys().into_iter().for_each(|key| self.tell_news(key));
    }

    /// Tells a peer what it has not heard of.
    pub(super) fn tell_news(&mut self, key: PeerKey) {
        let stored = self.news.count();
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.trades()) else { return };
        let told = std::mem::replace(&mut peer.told, stored);
        for from in (told..stored).step_by(HAVE_MAX) {
            let chunks = self.news.stored[from..stored.min(from + HAVE_MAX)].to_vec();
            self.send(key, Frame::Have(chunks));
        }
    }
}
