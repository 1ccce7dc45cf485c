//! Connections that an attempt opens: dials and relays.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::candidate::{Candidate, CandidateKind, Transport};
use super::super::event::{Action, Opening, RelayToken, WayKey};
use super::super::report::{Fault, Method, Obstacle, Outcome};
use super::super::signal::AttemptId;
use super::{Attempt, End, Outbox};
use crate::id::{PeerId, SwarmKey};
use crate::path::Path;
use crate::time::Timestamp;
use crate::wire::address::canonical;

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

/// Time between two tokens that are shown to a relay. The first is the one that the peer shows too, unless a signal was
/// lost; shown at once, two offers that crossed would make two sessions.
const TOKEN_INTERVAL: Duration = Duration::from_millis(500);

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
    /// It was due, and waits until the peer is heard of.
    awaits_peer: bool,
    /// So many have failed.
    tried: usize,
    /// So many tokens were shown to the one after those.
    shown: usize,
}

impl Relays {
    /// Those of an attempt that begins now.
    pub(in super::super) fn new(now: Timestamp, known: &[SocketAddr]) -> Self {
        let due = Some(now + RELAY_AFTER);
        Self { known: known.to_vec(), due, awaits_peer: false, tried: 0, shown: 0 }
    }

    /// The peer has begun anew, and will show other tokens.
    pub(super) fn restart(&mut self, now: Timestamp) {
        (self.tried, self.shown, self.due) = (0, 0, Some(now + RELAY_AFTER));
    }

    /// One has failed: the next one need not wait.
    fn failed(&mut self, now: Timestamp) {
        (self.tried, self.shown, self.due) = (self.tried + 1, 0, Some(now));
    }

    pub(super) fn known(&self) -> &[SocketAddr] {
        &self.known
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.due
    }

    pub(super) fn stop(&mut self) {
        (self.due, self.awaits_peer) = (None, false);
    }

    /// The peer is heard of.
    pub(super) fn heard(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.awaits_peer) {
            self.due = Some(now);
        }
    }

    pub(super) fn awaits_peer(&self) -> bool {
        self.awaits_peer
    }
}

/// What two peers show to a relay: known to those who know the manifest, both peers and the offer that one of
/// them has heard. The relay learns neither swarm nor peers, and who has seen a token on its way to the relay
/// has seen one that is used once.
///
/// Without an offer it is the same each time. That is for two that no tracker can push signals to, and by this alone
/// they meet; who has seen it may take the place of one of them, and keep them apart.
fn relay_token(key: &SwarmKey, one: PeerId, other: PeerId, offer: Option<AttemptId>) -> RelayToken {
    let mut material = [key.0, one.min(other).0, one.max(other).0].concat();
    material.extend(offer.iter().flat_map(|offer| offer.0));
    let token = blake3::derive_key("peerit 2026 v1 relay token", &material);
    token.first_chunk().copied().unwrap_or_default()
}

impl Attempt {
    /// Dials addresses that somebody else has named.
    pub(in super::super) fn dial_known(&mut self, addresses: &[SocketAddr]) {
        for address in addresses.iter().take(KNOWN_MAX) {
            self.queue_dial(canonical(*address), Path::Direct);
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
    ///
    /// A peer that has not been heard of would not come, so it is not waited for there: its dead address would cost us
    /// a place at the relay. Unless it is we who cannot hear, as no datagram reaches us.
    pub(super) fn relay_due(&mut self, now: Timestamp, outbox: &mut Outbox) {
        if self.relays.due.is_none_or(|due| now < due) {
            return;
        }
        self.relays.due = None;
        if !self.signalling.is_heard() && outbox.locals.is_seen() {
            self.relays.awaits_peer = true;
            return;
        }
        let relays = self.named_relays(outbox);
        let relay = relays.get(self.relays.tried).filter(|_| self.relays.tried < RELAYS_MAX);
        let Some(relay) = relay.copied() else {
            if self.relays.tried == 0 {
                self.report.skip(Method::Relay, Obstacle::NoRelay);
            }
            return;
        };
        let offers = self.offers_to_show(outbox);
        let Some(offer) = offers.get(self.relays.shown).copied() else { return };
        self.relays.shown += 1;
        self.relays.due = (self.relays.shown < offers.len()).then_some(now + TOKEN_INTERVAL);
        let token = relay_token(&self.swarm_key, outbox.own, self.target.peer, offer);
        let opening = Opening::Relay { relay, token };
        self.open(Method::Relay, Some(relay), Path::Relayed, opening, outbox);
    }

    /// The offers that the peer may know too: that of the controlling side first, so that both come to the same.
    fn offers_to_show(&self, outbox: &Outbox) -> Vec<Option<AttemptId>> {
        let mut offers = self.signalling.offers_known();
        if self.is_controlling(outbox) {
            offers.reverse();
        }
        let nameless = (!self.signalling.is_heard()).then_some(None);
        offers.into_iter().map(Some).chain(nameless).collect()
    }

    /// Both sides' relays, each once. Both must come to the same one: the controlling side's are first.
    fn named_relays(&self, outbox: &Outbox) -> Vec<SocketAddr> {
        let named = self.remote_candidates.iter().filter(|one| one.kind == CandidateKind::Relayed);
        let named = named.map(|candidate| candidate.address);
        let own = self.relays.known.iter().copied();
        let relays: Vec<SocketAddr> = if self.is_controlling(outbox) {
            own.chain(named).collect()
        } else {
            named.chain(own).collect()
        };
        let mut seen = BTreeSet::new();
        relays.into_iter().filter(|relay| seen.insert(*relay)).collect()
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
            // With one relayed connection another one is of no use.
            Method::Relay if !self.is_upgrade && !self.is_settled => self.relays.failed(now),
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
            (Method::ReversedDial, outbox.locals.path_from(address, Transport::Tcp))
        };
        let trial = self.report.begin(method, Some(address));
        self.report.end(trial, Outcome::Worked);
        if by_quic && !self.birthday_found(address, outbox) {
            self.report.end(self.punch_trial(), Outcome::Worked);
        }
        self.establish(None, path, outbox)
    }

    /// Gives up the connections that are being opened, but for those that the peer may have taken for its only one
    /// when we took its own: of two that cross both keep the one that the smaller peer id dialled, and if that is us
    /// the peer has closed the other one by now, maybe.
    pub(super) fn close_overtaken(&mut self, way: Option<WayKey>, outbox: &mut Outbox) {
        let is_smaller = outbox.own < self.target.peer;
        let is_kept = |of: &Way| way.is_none() && is_smaller && of.method != Method::Relay;
        let overtaken: Vec<WayKey> =
            self.ways.iter().filter(|(_, of)| !is_kept(of)).map(|(way, _)| *way).collect();
        for way in overtaken {
            self.ways.remove(&way);
            outbox.actions.push_back(Action::Close { way });
        }
        self.dials.clear();
    }

    /// Gives up those that wait at a relay.
    pub(super) fn leave_relays(&mut self, outbox: &mut Outbox) {
        self.ways.retain(|way, of| {
            let stays = of.method != Method::Relay;
            if !stays {
                outbox.actions.push_back(Action::Close { way: *way });
            }
            stays
        });
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
