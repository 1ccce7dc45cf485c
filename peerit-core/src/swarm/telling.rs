//! Who is told of a new chunk, and when.
//!
//! A Have for each chunk to each peer would be most of what a great swarm says, and most of what it
//! costs. Those who sent it hear at once, as they need not offer it to us any more. Peers that we serve hear
//! when our uplink needs requests: at once while few wait, else when the last ones go out; what is asked for
//! sooner would only wait, and could meanwhile come from nobody else. All others hear when they are given a
//! slot, or of all that came meanwhile together. With the news goes the word that we lack nothing any more
//! that a peer has: said at once, it would often be wrong a moment later.

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

/// With so many requests here the uplink needs no more: at 20 Mbit/s four blocks of 64 KiB take 100 ms, longer
/// than the news and the answer to it. With all news at once a swarm of 100 says twice as much, to no use.
const REQUESTS_ENOUGH: usize = 4;

/// The chunks stored since the swarm began, in that order. How far a peer was told is then a number,
/// not a list. 4 bytes a chunk, 256 KiB at most.
#[derive(Debug, Default)]
pub(super) struct News {
    stored: Vec<ChunkIndex>,
    /// When all peers are told, and whom we need nothing from any more.
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
        let needed = self.needs_requests();
        let served = self.slot_holders().filter(|&(key, _)| needed && lacks(key));
        let senders = sources.iter().flatten().filter_map(|source| self.peers.key_of(source.id));
        let at_once: Vec<_> = served.map(|(key, _)| key).chain(senders).collect();
        at_once.into_iter().for_each(|key| self.tell_news(key));
    }

    /// Tells the peers that we serve what they have not heard of, if that may bring requests that we need.
    pub(super) fn tell_news_to_served(&mut self) {
        let stored = self.news.count();
        if self.needs_requests() {
            let behind = self.slot_holders().filter(|(_, peer)| peer.told < stored);
            let behind: Vec<_> = behind.map(|(key, _)| key).collect();
            behind.into_iter().for_each(|key| self.tell_news(key));
        }
    }

    /// Tells everybody what they have not heard of.
    pub(super) fn tell_news_to_all(&mut self) {
        self.news.due_at = None;
        for key in self.peers.keys() {
            self.tell_news(key);
            if self.peers.get(key).is_some_and(|peer| peer.told_interest && !peer.interesting) {
                self.tell_interest(key);
            }
        }
    }

    /// Whether a peer has what we lack has changed.
    pub(super) fn note_interest(&mut self, key: PeerKey, interested: bool) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.interesting = interested;
        if interested && !peer.told_interest {
            self.tell_interest(key);
        } else if !interested {
            self.news.due_at.get_or_insert(self.now + INTERVAL);
        }
    }

    /// Tells a peer whether it has what we lack.
    pub(super) fn tell_interest(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.told_interest = peer.interesting;
        let interest = Frame::Interest(peer.interesting);
        self.send(key, interest);
    }

    /// Whether so few requests wait that the uplink may soon have nothing to send.
    pub(super) fn needs_requests(&self) -> bool {
        let requests = self.served().map(|(_, peer)| peer.uploads.count());
        requests.sum::<usize>() < REQUESTS_ENOUGH
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
