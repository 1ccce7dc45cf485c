//! Whom to be connected to.

use std::net::SocketAddr;
use std::time::Duration;

use super::blame::Source;
use super::peers::{Peer, Stage};
use super::upkeep::SILENCE_STALE;
use super::{Action, Direction, DisconnectReason, Path, Swarm};
use crate::id::{PeerId, PeerKey};
use crate::scheduler;
use crate::wire::address::canonical;
use crate::wire::{Frame, Hello};

/// A connection that lasted this long was worth having: its address is as good as new.
const LASTED: Duration = Duration::from_secs(60);
/// Pause before we dial a peer again that left after such a connection.
const AFTER_LOSS: Duration = Duration::from_secs(10);
/// Pause before we dial a peer again that we have sent away ourselves.
const AFTER_SENDING_AWAY: Duration = Duration::from_secs(30 * 60);
/// For how long a peer is kept that neither wants anything nor has anything we want, when another
/// needs its place: it may only be new.
const IDLE_PLACE_KEPT: Duration = Duration::from_secs(60);

impl Swarm {
    /// A connection is open: take it or close it.
    pub(super) fn connected(&mut self, key: PeerKey, source: Source, direction: Direction) {
        let source = Source { address: canonical(source.address), ..source };
        if self.peers.source(key).is_some() {
            return; // A key is used once; this event can only be an echo.
        }
        if direction == Direction::Dialled {
            self.book.found(source.address, source.id);
            self.dial_at = Some(self.now);
        }
        if let Err(reason) = self.admit(source, direction) {
            self.actions.push_back(Action::Disconnect { peer: key, reason });
            let dialled = direction == Direction::Dialled;
            self.release(dialled.then_some(source.address), Some(reason), false);
            return;
        }
        self.peers.insert(key, Peer::new(self.now, source, direction));
        self.upkeep_at = Some(self.now);
        let hello = Hello {
            agent: self.config.agent.clone(),
            listen_port: self.config.listen_port,
            chunk_count: self.layout.chunk_count(),
            complete: self.is_complete(),
        };
        self.send(key, Frame::Hello(hello));
    }

    /// Whether to take a connection; closes another one where it must make room.
    fn admit(&mut self, source: Source, direction: Direction) -> Result<(), DisconnectReason> {
        let id = source.id;
        if self.paused {
            return Err(DisconnectReason::Paused);
        }
        if id == self.own_id {
            return Err(DisconnectReason::Duplicate);
        }
        if self.bans.contains(id) {
            return Err(DisconnectReason::Banned);
        }
        if let Some(other) = self.peers.key_of(id) {
            if self.keeps(other, source.path, direction) {
                return Err(DisconnectReason::Duplicate);
            }
            self.disconnect(other, DisconnectReason::Duplicate);
        }
        if self.peers.len() >= self.config.peers_max {
            let unused = self.unused_place().ok_or(DisconnectReason::Full)?;
            self.disconnect(unused, DisconnectReason::Useless);
        }
        Ok(())
    }

    /// Of two connections to one peer, whether the older one stays. Both sides decide alike without
    /// a message: one without a relay stays; of two alike the one dialled by the smaller id stays; of two dialled by
    /// the same side the older.
    /// One that has been silent for a while may be dead to the peer, and does not stay.
    fn keeps(&self, older: PeerKey, newer_path: Path, newer: Direction) -> bool {
        let Some(older) = self.peers.get(older) else { return false };
        let (is_relayed, will_be) = (older.path == Path::Relayed, newer_path == Path::Relayed);
        let is_alive = self.now - older.heard_at < SILENCE_STALE;
        if is_relayed != will_be {
            return is_alive && will_be;
        }
        let dialled_by_smaller =
            if self.own_id < older.id { Direction::Dialled } else { Direction::Answered };
        let stays = older.direction == newer || older.direction == dialled_by_smaller;
        stays && is_alive
    }

    /// The peer whose place is used least: nobody wants anything, for longest.
    fn unused_place(&self) -> Option<PeerKey> {
        let unused = |peer: &Peer| {
            !peer.interesting
                && !peer.interested_in_us
                && self.now - peer.connected_at >= IDLE_PLACE_KEPT
        };
        self.peers
            .iter()
            .filter(|(_, peer)| unused(peer))
            .min_by_key(|(_, peer)| peer.connected_at)
            .map(|(key, _)| key)
    }

    /// Closes a connection.
    pub(super) fn disconnect(&mut self, key: PeerKey, reason: DisconnectReason) {
        if self.forget(key, Some(reason)) {
            self.actions.push_back(Action::Disconnect { peer: key, reason });
        }
    }

    /// A connection is gone; `reason` is ours, if it was us. False when it was gone already.
    pub(super) fn forget(&mut self, key: PeerKey, reason: Option<DisconnectReason>) -> bool {
        let Some(peer) = self.peers.remove(key) else { return false };
        if peer.trades() {
            self.tell(scheduler::Event::PeerLeft { peer: key });
        }
        self.fill_slots |= peer.slot.is_some();
        self.serving.remove(&key);
        self.take_back_offers(key);
        self.serve();
        self.dial_at = Some(self.now);
        // Of two who are about to part the other may have been quicker.
        let reason = reason.or(peer.useless_at.map(|_| DisconnectReason::Useless));
        let lasted = peer.stage != Stage::Greeting && self.now - peer.connected_at >= LASTED;
        self.release(peer.dial_address(), reason, lasted);
        true
    }

    /// What the end of a connection means for the address it can be dialled at.
    fn release(
        &mut self,
        address: Option<SocketAddr>,
        reason: Option<DisconnectReason>,
        lasted: bool,
    ) {
        use DisconnectReason::{Banned, Duplicate, Full, Idle, Misbehaviour, Paused, Useless};
        let Some(address) = address else { return };
        match reason {
            // It is known whose address this is, and that one is connected or unwanted.
            Some(Duplicate | Banned) => {}
            Some(Paused) => self.book.retry(self.now, address, Duration::ZERO),
            Some(Useless | Full | Misbehaviour(_)) => {
                self.book.retry(self.now, address, AFTER_SENDING_AWAY);
            }
            Some(Idle) | None if lasted => self.book.retry(self.now, address, AFTER_LOSS),
            Some(Idle) | None => self.book.failed(self.now, address, &mut self.rng),
        }
    }

    /// Dials addresses that are due while there is room. A quarter of the places is left to peers
    /// that dial us: else newcomers who cannot be dialled find every door shut.
    pub(super) fn dial(&mut self) {
        self.book.expire(self.now, &mut self.rng);
        let wanted = |owner: Option<PeerId>| {
            owner.is_none_or(|id| {
                id != self.own_id && self.peers.key_of(id).is_none() && !self.bans.contains(id)
            })
        };
        let places = self.config.peers_max - self.config.peers_max / 4;
        let mut room = !self.paused;
        while room {
            let dialling = self.book.dialling();
            room = dialling < self.config.dials_max && self.peers.len() + dialling < places;
            let Some(address) = room.then(|| self.book.dial(self.now, wanted)).flatten() else {
                break;
            };
            self.actions.push_back(Action::Dial { address });
        }
        self.dial_at = self.book.next_due(|owner| room && wanted(owner));
    }

    /// Closes every connection and fetches and dials nothing.
    pub(super) fn pause(&mut self) {
        if !self.paused {
            self.paused = true;
            self.tell(scheduler::Event::Pause);
            for key in self.peers.keys() {
                self.disconnect(key, DisconnectReason::Paused);
            }
        }
    }

    /// Takes part again.
    pub(super) fn resume(&mut self) {
        if self.paused {
            self.paused = false;
            self.tell(scheduler::Event::Resume);
            self.dial_at = Some(self.now);
        }
    }
}
