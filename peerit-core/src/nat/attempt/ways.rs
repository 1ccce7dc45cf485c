//! Connections that an attempt opens: dials and relays.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::candidate::{Candidate, CandidateKind, Transport};
use super::super::event::{Action, Opening, WayKey};
use super::super::report::{Fault, Method, Obstacle, Outcome};
use super::{Attempt, End, Outbox};
use crate::id::{PeerId, SwarmKey};
use crate::swarm::Path;
use crate::time::Timestamp;

/// Time between two dials to addresses of one peer (RFC 8305, section 5: 250 ms): most answer within a round
/// trip, and then the others cost nothing.
pub(super) const DIAL_INTERVAL: Duration = Duration::from_millis(250);

/// Most addresses that are dialled in one attempt: a signal must not make a port scanner of us.
const DIALS_MAX: usize = 8;

/// Most addresses known beforehand that are dialled, so that room is left for those which the peer names.
pub(super) const KNOWN_MAX: usize = 4;

/// When the relay is tried: checks that work take two round trips after the answer (50 to 300 ms), through a
/// tracker that is far away a second in all. A connection through the relay is open a second later, so the
/// user has one within 3 s wherever there is a relay, also where a second went by until trackers were asked over
/// TCP.
const RELAY_AFTER: Duration = Duration::from_millis(1_250);

/// Most relays tried in one attempt.
const RELAYS_MAX: usize = 2;

/// A dial that waits for its turn.
#[derive(Clone, Copy)]
pub(super) struct Dial {
    address: SocketAddr,
    path: Path,
}

/// A connection that is being opened.
#[derive(Clone, Copy)]
pub(super) struct Way {
    trial: Option<usize>,
    path: Path,
    pub(super) method: Method,
}

/// The relays that both sides may meet at, and when.
pub(in super::super) struct Relays {
    known: Vec<SocketAddr>,
    due: Option<Timestamp>,
    tried: usize,
}

impl Relays {
    /// Those of an attempt that begins now.
    pub(in super::super) fn new(now: Timestamp, known: &[SocketAddr]) -> Self {
        Self { known: known.to_vec(), due: Some(now + RELAY_AFTER), tried: 0 }
    }

    pub(super) fn known(&self) -> &[SocketAddr] {
        &self.known
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.due
    }

    pub(super) fn stop(&mut self) {
        self.due = None;
    }
}

/// What two peers show to a relay: known to those who know the manifest and both, and the same whoever of
/// the two comes first and whatever of their signals got through. The relay learns neither swarm nor peers.
fn relay_token(key: &SwarmKey, one: PeerId, other: PeerId) -> [u8; 16] {
    let material = [key.0, one.min(other).0, one.max(other).0].concat();
    let token = blake3::derive_key("peerit 2026 v1 relay token", &material);
    token.first_chunk().copied().unwrap_or_default()
}

impl Attempt {
    /// Dials addresses that somebody else has named.
    pub(in super::super) fn dial_known(&mut self, addresses: &[SocketAddr]) {
        for address in addresses.iter().take(KNOWN_MAX) {
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            self.queue_dial(address, Path::Direct);
        }
    }

    fn queue_dial(&mut self, address: SocketAddr, path: Path) {
        if self.dialled.len() < DIALS_MAX && self.dialled.insert(address) {
            self.dials.push_back(Dial { address, path });
        }
    }

    /// Dials what the peer itself has named. Private addresses only where it may be in our own network: else
    /// they are somebody else's, or nobody's.
    pub(super) fn dial_candidate(&mut self, candidate: &Candidate, shares_network: bool) {
        let path = match candidate.kind {
            CandidateKind::Host | CandidateKind::Reflexive => Path::Direct,
            CandidateKind::Mapped => Path::Mapped,
            CandidateKind::Relayed => return,
        };
        if candidate.transport == Transport::Tcp && (shares_network || !candidate.is_private()) {
            self.queue_dial(candidate.address, path);
        }
    }

    /// Opens the next dial when its turn has come.
    pub(super) fn dial_due(&mut self, now: Timestamp, outbox: &mut Outbox) {
        while now >= self.next_dial_at
            && let Some(Dial { address, path }) = self.dials.pop_front()
        {
            let opening = Opening::Tcp { address };
            self.open(Method::Dial, Some(address), path, opening, outbox);
            self.next_dial_at = now + DIAL_INTERVAL;
        }
    }

    /// Meets the peer at a relay when that is due.
    pub(super) fn relay_due(&mut self, now: Timestamp, outbox: &mut Outbox) {
        if self.relays.due.is_none_or(|due| now < due) {
            return;
        }
        self.relays.due = None;
        let named = self.remote_candidates.iter().filter(|one| one.kind == CandidateKind::Relayed);
        let named = named.map(|candidate| candidate.address);
        // Both sides must come to the same one: the controlling side's are tried first.
        let own = self.relays.known.iter().copied();
        let mut relays: Vec<SocketAddr> = if self.is_controlling(outbox) {
            own.chain(named).collect()
        } else {
            named.chain(own).collect()
        };
        let mut seen = std::collections::BTreeSet::new();
        relays.retain(|relay| seen.insert(*relay));
        let relay = relays.get(self.relays.tried).filter(|_| self.relays.tried < RELAYS_MAX);
        let Some(relay) = relay.copied() else {
            if self.relays.tried == 0 {
                self.report.skip(Method::Relay, Obstacle::NoRelay);
            }
            return;
        };
        self.relays.tried += 1;
        let token = relay_token(&self.swarm_key, outbox.own, self.target.peer);
        let opening = Opening::Relay { relay, token };
        self.open(Method::Relay, Some(relay), Path::Relayed, opening, outbox);
    }

    pub(super) fn open(
        &mut self,
        method: Method,
        target: Option<SocketAddr>,
        path: Path,
        opening: Opening,
        outbox: &mut Outbox,
    ) {
        let trial = self.report.begin(method, target);
        let way = outbox.way_key();
        self.ways.insert(way, Way { trial, path, method });
        let (topic, peer) = (self.target.topic, self.target.peer);
        outbox.actions.push_back(Action::Open { way, topic, peer, opening });
    }

    pub(in super::super) fn has_way(&self, way: WayKey) -> bool {
        self.ways.contains_key(&way)
    }

    /// A connection is open. Some: the attempt has come to an end.
    pub(in super::super) fn opened(&mut self, way: WayKey, outbox: &mut Outbox) -> Option<End> {
        let Way { trial, path, .. } = self.ways.remove(&way)?;
        self.report.end(trial, Outcome::Worked);
        Some(self.establish(Some(way), path, outbox))
    }

    /// A connection cannot be opened: the next one need not wait.
    pub(in super::super) fn open_failed(&mut self, now: Timestamp, way: WayKey, fault: Fault) {
        let Some(Way { trial, method, .. }) = self.ways.remove(&way) else { return };
        self.report.end(trial, Outcome::Failed(fault));
        match method {
            Method::Relay => self.relays.due = Some(now),
            Method::Dial => {
                self.next_dial_at = now;
                let is_dialling = self.ways.values().any(|way| way.method == Method::Dial);
                if self.dials.is_empty() && !is_dialling {
                    self.signalling.hurry(now);
                }
            }
            _ => {}
        }
    }

    /// The peer has opened a connection to us.
    pub(in super::super) fn accepted(
        &mut self,
        address: SocketAddr,
        by_quic: bool,
        outbox: &mut Outbox,
    ) -> End {
        let (method, path) = if by_quic {
            (Method::Quic, self.path_to(address))
        } else {
            (Method::ReversedDial, Path::Direct)
        };
        let trial = self.report.begin(method, Some(address));
        self.report.end(trial, Outcome::Worked);
        if by_quic {
            self.report.end(self.punch_trial(), Outcome::Worked);
        }
        self.establish(None, path, outbox)
    }

    pub(super) fn close_ways(&mut self, outbox: &mut Outbox) {
        for way in std::mem::take(&mut self.ways).into_keys() {
            outbox.actions.push_back(Action::Close { way });
        }
        self.dials.clear();
    }

    /// How a peer is reached whose UDP address this is.
    pub(super) fn path_to(&self, address: SocketAddr) -> Path {
        let is_there = |one: &&Candidate| (one.address, one.transport) == (address, Transport::Udp);
        match self.remote_candidates.iter().find(is_there).map(|candidate| candidate.kind) {
            Some(CandidateKind::Host) => Path::Direct,
            Some(CandidateKind::Mapped) => Path::Mapped,
            _ => Path::Punched,
        }
    }
}
