//! What has to be done for each peer as time passes.

use std::time::Duration;

use super::peers::{Peer, Stage};
use super::{DisconnectReason, Swarm};
use crate::id::PeerKey;
use crate::time::Timestamp;

/// After so much silence of ours we say something, so that the peer and all NATs between know that
/// we are here.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// After so much silence of a peer that we have asked for something, we say something too: a path that is dead
/// shows it only to who sends, and a NAT that has forgotten the peer's packets lets them in again. A slow peer
/// whose blocks take seconds costs 14 bytes a second by it.
const SILENCE_ODD: Duration = Duration::from_millis(500);
/// A peer that has opened another connection after such a silence has lost the older one. Connections that cross
/// each other are opened within a shorter time; and if it is wrong, one that works replaces another.
pub(super) const SILENCE_STALE: Duration = Duration::from_secs(2);
/// Silence after which a peer is given up: two keep-alives lost and some delay.
const SILENCE_MAX: Duration = Duration::from_secs(150);
/// How long a peer may take to say Hello.
const GREETING_MAX: Duration = Duration::from_secs(30);
/// How long two peers that both have everything stay connected: long enough for peer exchange.
const USELESS_KEPT: Duration = Duration::from_secs(10);

impl Peer {
    /// When it is given up if it says nothing.
    fn silent_until(&self) -> Timestamp {
        let greeting = self.stage == Stage::Greeting;
        self.heard_at + if greeting { GREETING_MAX } else { SILENCE_MAX }
    }

    /// When something is to be said to it; `awaited`: we have asked it for something.
    fn speaks_at(&self, awaited: bool) -> Timestamp {
        let keep_alive = self.spoke_at + KEEP_ALIVE;
        let question = self.spoke_at.max(self.heard_at) + SILENCE_ODD;
        if awaited { question.min(keep_alive) } else { keep_alive }
    }

    /// When something has to be done for it; `newest` is the number of the latest known address.
    fn upkeep_at(&self, newest: u64, awaited: bool) -> Timestamp {
        let close = self.useless_at.map_or(self.silent_until(), |at| at.min(self.silent_until()));
        if !self.trades() {
            return close;
        }
        let speak = self.speaks_at(awaited);
        let exchange = self.exchange.due(newest).unwrap_or(speak);
        close.min(speak).min(exchange)
    }
}

impl Swarm {
    /// Does what is due for each peer. O(peers), and peers² once a minute at most for peer exchange.
    pub(super) fn upkeep(&mut self) {
        for key in self.peers.keys() {
            self.upkeep_of(key);
        }
        let newest = self.listeners;
        let awaited = |key| self.scheduler.outstanding(key) > 0;
        let due = self.peers.iter().map(|(key, peer)| peer.upkeep_at(newest, awaited(key)));
        self.upkeep_at = due.min();
    }

    fn upkeep_of(&mut self, key: PeerKey) {
        let (now, newest) = (self.now, self.listeners);
        let Some(peer) = self.peers.get(key) else { return };
        let trades = peer.trades();
        if peer.silent_until() <= now {
            return self.disconnect(key, DisconnectReason::Idle);
        }
        if trades && peer.exchange.due(newest).is_some_and(|at| at <= now) {
            self.tell_addresses(key);
        }
        let Some(peer) = self.peers.get(key) else { return };
        if peer.useless_at.is_some_and(|at| at <= now) {
            self.disconnect(key, DisconnectReason::Useless);
        } else if trades && peer.speaks_at(self.scheduler.outstanding(key) > 0) <= now {
            // Says nothing new, and is the shortest frame there is.
            self.tell_interest(key);
        }
    }

    /// Something was asked of a peer, who may be silent.
    pub(super) fn note_question(&mut self) {
        let at = self.now + SILENCE_ODD;
        self.upkeep_at = Some(self.upkeep_at.map_or(at, |due| due.min(at)));
    }

    /// When both a peer and we have everything, the connection ends soon.
    pub(super) fn note_if_useless(&mut self, key: PeerKey) {
        if !self.is_complete() {
            return;
        }
        let told = self.scheduler.peer_chunks(key).is_some_and(crate::bitfield::Bitfield::is_full);
        let said = self.peers.get(key).is_some_and(|peer| peer.complete);
        let Some(peer) = self.peers.get_mut(key) else { return };
        if (told || said) && peer.useless_at.is_none() {
            peer.useless_at = Some(self.now + USELESS_KEPT);
            self.upkeep_at = Some(self.now);
        }
    }
}
