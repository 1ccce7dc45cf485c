//! How two peers find a path to each other through NATs.
//!
//! [`NatTraversal`] is a state machine with the four verbs of the pure core: `handle_event`,
//! `handle_timeout`, `poll` and `poll_timeout`. It decides what is sent, dialled and checked, and when; its
//! driver has the sockets. Timings, and the reasons for them, are in `manual/nat.md`.

mod attempt;
mod candidate;
mod event;
mod ice;
mod incoming;
mod locals;
mod memory;
mod observers;
mod report;
mod seal;
mod secrets;
mod signal;
pub mod twin;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use attempt::{Attempt, End, Outbox, Relays, Target};
pub use candidate::{Candidate, CandidateKind, Transport};
pub use event::{Action, AttemptKey, Event, Opening, RelayToken, WayKey};
#[cfg(feature = "webrtc-ice")]
pub(crate) use ice::{IceAgent, IceSetup, is_proven};
pub(crate) use ice::{IceBackend, start as start_is};
use memory::{Offers, Relayed};
use observers::Observers;
pub use report::{Fault, Mapping, Method, Obstacle, Outcome, Report, Trial};
use secrets::Secrets;
pub use signal::CANDIDATES_MAX;
#[cfg(all(test, feature = "webrtc-ice"))]
pub(crate) use signal::Credentials;

use crate::id::{PeerId, SwarmKey, Topic};
use crate::path::Path;
use crate::time::Timestamp;
use crate::wire::address::canonical;

/// Most attempts at once. Each sends at most a check every 20 ms, and seldom more than a hundred in all.
pub const ATTEMPTS_MAX: usize = 64;

/// Most attempts at once when a peer offers one: what others want leaves room for what we want.
pub const OFFERED_ATTEMPTS_MAX: usize = 32;

/// Most relays of a swarm that are used.
const RELAYS_MAX: usize = 2;

/// Finds paths to peers, for all swarms of a node.
///
/// An attempt is a race with staggered starts: known addresses are dialled, candidates are exchanged through
/// trackers and then dialled and checked from both sides, and a relay is used when none of it was quick. The
/// first connection ends it. One through a relay is handed out as well, and the attempt goes on under another
/// name to find a better one. Every attempt ends in exactly one [`Action::Established`] or
/// [`Action::Failed`], within 22 s, or a minute where it looks for something better than a relay.
///
/// What others can make of it:
///
/// - Without the manifest: nothing. Signals are sealed, those that are not are dropped.
/// - The tracker can drop signals, delay them and repeat them. A repeated offer is dropped.
/// - Somebody of the swarm can make signals in the name of others, and name any addresses. One offer
///   makes this node send 16 addresses 12 checks of about 110 bytes each in 6 s and dial 8 of them; a peer
///   is taken three offers in 30 s, and no more than 32 attempts are offered at a time. Who is at the end of
///   a path its handshake proves.
/// - Somebody of the swarm that is connected through a relay, and says that its NAT is a symmetric one, can make
///   this node send 2,000 checks of 110 bytes to ports of the IPv4 address at which a tracker sees it, 100 a second; or, as
///   one that minds ports, 512 to one port. One such peer at a time, each again after 1, 2, 4, 8, 16 min.
/// - A tracker can have a port of its own address asked with STUN: three datagrams of 44 bytes each time that it sees this
///   node elsewhere.
///
/// Memory: an attempt takes up to 50 KB with its checks, so 3 MB in all; 96 KiB for the offers that were taken.
pub struct NatTraversal {
    outbox: Outbox,
    swarms: BTreeMap<Topic, Swarm>,
    attempts: BTreeMap<Target, Attempt>,
    observers: Observers,
    offers: Offers,
    relayed: Relayed,
}

/// A swarm that this node takes part in.
struct Swarm {
    key: SwarmKey,
    relays: Vec<SocketAddr>,
}

impl NatTraversal {
    /// One without swarms. `seed` must be random, secret and not used twice: passwords of checks, names of
    /// attempts and nonces of seals come from it.
    #[must_use]
    pub fn new(own: PeerId, seed: [u8; 32]) -> Self {
        Self::with_ice(own, seed, start_is)
    }

    /// The same with checks by a library of the driver's choice.
    pub(crate) fn with_ice(own: PeerId, seed: [u8; 32], backend: IceBackend) -> Self {
        Self {
            outbox: Outbox::new(own, Secrets::new(seed), backend),
            swarms: BTreeMap::new(),
            attempts: BTreeMap::new(),
            observers: Observers::default(),
            offers: Offers::default(),
            relayed: Relayed::default(),
        }
    }

    /// Takes in what happened.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Join { topic, key, mut relays } => {
                relays.truncate(RELAYS_MAX);
                self.swarms.insert(topic, Swarm { key, relays });
            }
            Event::Leave { topic } => self.leave(topic),
            Event::LocalCandidates { candidates } => {
                if self.outbox.locals.tell(candidates) {
                    self.locals_changed(now);
                }
            }
            Event::Observed { observer, address, other_port } => {
                self.observed(now, observer, address);
                if other_port != 0 {
                    let other = SocketAddr::new(observer.ip().to_canonical(), other_port);
                    self.observers.ask(now, other, u64::from_be_bytes(self.outbox.secrets.next()));
                    self.hear_observers(now);
                }
            }
            Event::Want { topic, peer, addresses } => {
                self.want(now, Target { topic, peer }, &addresses);
            }
            Event::Unwant { topic, peer } => self.give_up(Target { topic, peer }),
            Event::Signal { topic, sender, sender_address, sealed } => {
                let from = Target { topic, peer: sender };
                if let Err(error) = self.signal(now, from, sender_address, &sealed) {
                    log::debug!("signal from {sender:?}: {error}");
                }
            }
            Event::Stun { from, datagram } => self.stun(now, from, &datagram),
            Event::Opened { way } => self.opened(now, way),
            Event::OpenFailed { way, fault } => {
                if let Some(target) = self.target_of(way) {
                    self.with(now, target, |attempt, _| attempt.open_failed(now, way, fault));
                }
            }
            Event::Accepted { topic, peer, address, by_quic } => {
                self.accepted(now, Target { topic, peer }, address, by_quic);
            }
            Event::SocketsOpened { count } => {
                if let Some(target) = self.opener() {
                    let opened = |attempt: &mut Attempt, outbox: &mut Outbox| {
                        attempt.sockets_opened(now, count, outbox);
                    };
                    self.with(now, target, opened);
                }
            }
            Event::StunAt { socket, from, datagram } => {
                let from = canonical(from);
                if let Some(target) = self.opener() {
                    self.with(now, target, |attempt, outbox| {
                        attempt.found(socket, from, &datagram, outbox);
                    });
                }
            }
            Event::Disconnected { topic, peer } => self.disconnected(Target { topic, peer }),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.observers.handle_timeout(now);
        self.hear_observers(now);
        let due = self.attempts.iter().filter(|(_, attempt)| attempt.next_timeout() <= now);
        for target in due.map(|(target, _)| *target).collect::<Vec<_>>() {
            self.with(now, target, |_, _| {});
        }
        while self.attempts.len() < ATTEMPTS_MAX
            && let Some(target) = self.relayed.take_due(now)
        {
            // The peer may have begun already.
            if !self.attempts.contains_key(&target) {
                self.begin(now, target, &[]);
            }
        }
    }

    /// The next thing to do; none until the next event or timeout.
    pub fn poll(&mut self) -> Option<Action> {
        self.outbox.actions.pop_front()
    }

    /// When [`NatTraversal::handle_timeout`] is due; none while there is nothing to wait for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let attempts = self.attempts.values().map(Attempt::next_timeout);
        // With no room for another attempt, the end of one is waited for.
        let has_room = self.attempts.len() < ATTEMPTS_MAX;
        let relayed = self.relayed.next_timeout().filter(|_| has_room);
        attempts.chain(relayed).chain(self.observers.poll_timeout()).min()
    }

    /// How the NAT in front of this node maps, as far as observers tell.
    #[must_use]
    pub fn mapping(&self) -> Mapping {
        self.outbox.locals.mapping()
    }

    /// How a peer has come that has connected to this node from there, without an attempt.
    #[must_use]
    pub fn path_from(&self, from: SocketAddr, transport: Transport) -> Path {
        self.outbox.locals.path_from(from, transport)
    }

    fn leave(&mut self, topic: Topic) {
        self.swarms.remove(&topic);
        self.relayed.retain(|target| target.topic != topic);
        self.attempts.retain(|target, attempt| {
            let stays = target.topic != topic;
            if !stays {
                attempt.abandon(Obstacle::NotJoined, &mut self.outbox);
            }
            stays
        });
    }

    fn give_up(&mut self, target: Target) {
        if let Some(mut attempt) = self.attempts.remove(&target) {
            attempt.abandon(Obstacle::Unwanted, &mut self.outbox);
        }
    }

    /// Without the connection through a relay there is nothing to look for something better than; who wants the peer still
    /// begins anew, in all ways.
    fn disconnected(&mut self, target: Target) {
        self.relayed.remove(target);
        if self.attempts.get(&target).is_some_and(|attempt| attempt.is_upgrade) {
            self.give_up(target);
        }
    }

    fn locals_changed(&mut self, now: Timestamp) {
        for target in self.attempts.keys().copied().collect::<Vec<_>>() {
            self.with(now, target, |attempt, outbox| attempt.locals_changed(now, outbox));
        }
        self.relayed.hurry(now);
    }

    fn want(&mut self, now: Timestamp, target: Target, addresses: &[SocketAddr]) {
        self.drop_settled(target);
        if self.attempts.contains_key(&target) {
            self.with(now, target, |attempt, _| attempt.dial_known(addresses));
            return;
        }
        let obstacle = if !self.swarms.contains_key(&target.topic) {
            Some(Obstacle::NotJoined)
        } else {
            (self.attempts.len() >= ATTEMPTS_MAX).then_some(Obstacle::Busy)
        };
        match obstacle {
            Some(obstacle) => self.refuse(target, obstacle),
            None => self.begin(now, target, addresses),
        }
    }

    /// Makes place for a new attempt: the connection that ended the one before is gone, and what has crossed it is of no
    /// use any more.
    fn drop_settled(&mut self, target: Target) {
        if let Some(mut settled) = self.attempts.remove(&target) {
            if settled.is_settled {
                settled.abandon(Obstacle::Unwanted, &mut self.outbox);
            } else {
                self.attempts.insert(target, settled);
            }
        }
    }

    /// An attempt that ends before it begins.
    fn refuse(&mut self, Target { topic, peer }: Target, obstacle: Obstacle) {
        let attempt = self.outbox.attempt_key();
        let mut report = Report { mapping: self.mapping(), ..Report::default() };
        report.skip(Method::Dial, obstacle);
        self.outbox.actions.push_back(Action::Failed { attempt, topic, peer, report });
    }

    fn begin(&mut self, now: Timestamp, target: Target, addresses: &[SocketAddr]) {
        let Some(mut attempt) = self.new_attempt(now, target) else { return };
        attempt.dial_known(addresses);
        attempt.offer(now);
        self.attempts.insert(target, attempt);
        self.with(now, target, |_, _| {});
    }

    fn new_attempt(&mut self, now: Timestamp, target: Target) -> Option<Attempt> {
        let swarm = self.swarms.get(&target.topic)?;
        let relays = Relays::new(now, &swarm.relays);
        let attempt = Attempt::new(now, target, swarm.key, relays, &mut self.outbox);
        let is_upgrade = self.relayed.contains(target);
        Some(if is_upgrade { attempt.into_upgrade() } else { attempt })
    }

    /// The attempt that has opened sockets.
    fn opener(&self) -> Option<Target> {
        let mut attempts = self.attempts.iter();
        attempts.find(|(_, attempt)| attempt.opens_ports()).map(|(target, _)| *target)
    }

    fn target_of(&self, way: WayKey) -> Option<Target> {
        self.attempts.iter().find(|(_, attempt)| attempt.has_way(way)).map(|(target, _)| *target)
    }

    fn opened(&mut self, now: Timestamp, way: WayKey) {
        let Some(target) = self.target_of(way) else { return };
        let attempt = self.attempts.get_mut(&target);
        if let Some(end) = attempt.and_then(|attempt| attempt.opened(way, &mut self.outbox)) {
            self.ended(now, target, end);
        }
    }

    fn accepted(&mut self, now: Timestamp, target: Target, address: SocketAddr, by_quic: bool) {
        let end = match self.attempts.get_mut(&target) {
            Some(attempt) => attempt.accepted(address, by_quic, &mut self.outbox),
            None => End::Direct,
        };
        self.ended(now, target, end);
    }

    /// Does something with an attempt, and then what is due.
    fn with<T>(
        &mut self,
        now: Timestamp,
        target: Target,
        call: impl FnOnce(&mut Attempt, &mut Outbox) -> T,
    ) {
        let Some(attempt) = self.attempts.get_mut(&target) else { return };
        call(attempt, &mut self.outbox);
        if let Some(end) = attempt.advance(now, &mut self.outbox) {
            self.ended(now, target, end);
        }
    }

    fn ended(&mut self, now: Timestamp, target: Target, end: End) {
        match end {
            End::Direct => {
                self.attempts.remove(&target);
                self.relayed.remove(target);
            }
            End::Crossed => self.relayed.remove(target),
            End::Relayed => {
                self.relayed.insert(target);
                self.with(now, target, |_, _| {});
            }
            End::Failed => {
                self.attempts.remove(&target);
                // The side that chooses paths looks again, so that not both do.
                if self.outbox.own > target.peer {
                    self.relayed.failed(now, target);
                }
            }
        }
    }
}
