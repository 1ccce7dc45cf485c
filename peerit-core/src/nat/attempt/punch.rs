//! Connectivity checks, and the QUIC connection on the path they find.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::super::candidate::{Candidate, Transport};
use super::super::event::{Action, Opening};
use super::super::ice::{IceAgent, IceSetup};
use super::super::report::{Fault, Method, Obstacle, Outcome};
use super::super::signal::Credentials;
use super::{Attempt, Outbox};
use crate::time::Timestamp;

/// How long checks go on, with the QUIC connection that follows: an agent gives an address up after 6 s. What
/// works, works at the first or second try (97.6% of libp2p's successes did at the first, measured 2025).
const PUNCH_LASTS: Duration = Duration::from_secs(10);

/// Most addresses at which a peer is checked: 16 named at once, and as many again named later or seen. A NAT
/// shows one or two that nobody named; a peer that shows more wants something else.
const PLACES_MAX: usize = 32;

/// Checks of one attempt.
pub(super) struct Punch {
    agent: Box<dyn IceAgent>,
    trial: Option<usize>,
    ends_at: Timestamp,
    /// Where the peer was named or seen.
    places: BTreeSet<SocketAddr>,
    /// Where the checks found it last.
    selected: Option<SocketAddr>,
    /// Where QUIC was tried last.
    connected_to: Option<SocketAddr>,
}

impl Punch {
    pub(super) fn next_timeout(&self) -> Timestamp {
        self.agent.poll_timeout().map_or(self.ends_at, |at| at.min(self.ends_at))
    }
}

impl Attempt {
    /// Starts checks with a peer whose credentials are known; in place of those before, if any.
    pub(super) fn start_punch(
        &mut self,
        now: Timestamp,
        remote: &Credentials,
        outbox: &mut Outbox,
    ) {
        let setup = IceSetup {
            controlling: self.is_controlling(outbox),
            local: self.credentials.clone(),
            remote: remote.clone(),
            seed: u64::from_be_bytes(outbox.secrets.next()),
        };
        let agent = (outbox.backend)(now, setup);
        let trial = match self.punch.take() {
            Some(before) => before.trial,
            None => self.report.begin(Method::Punch, None),
        };
        self.punch = Some(Punch {
            agent,
            trial,
            ends_at: now + PUNCH_LASTS,
            places: BTreeSet::new(),
            selected: None,
            connected_to: None,
        });
    }

    pub(super) fn check_candidate(&mut self, now: Timestamp, candidate: &Candidate) {
        let Some(punch) = self.punch.as_mut() else { return };
        let has_room = punch.places.len() < PLACES_MAX;
        if candidate.transport == Transport::Udp
            && has_room
            && punch.places.insert(candidate.address)
        {
            punch.agent.add_remote(now, candidate);
        }
    }

    /// Where the report says what came of the checks, while they go on.
    pub(super) fn punch_trial(&self) -> Option<usize> {
        self.punch.as_ref().and_then(|punch| punch.trial)
    }

    /// Whether a check with this user fragment is for us.
    pub(in super::super) fn has_fragment(&self, fragment: &str) -> bool {
        self.credentials.fragment == fragment
    }

    /// Whether the answer to a check may come from there.
    pub(in super::super) fn checks(&self, address: SocketAddr) -> bool {
        self.punch.as_ref().is_some_and(|punch| punch.places.contains(&address))
    }

    pub(in super::super) fn handle_stun(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        datagram: &Bytes,
    ) {
        let Some(punch) = self.punch.as_mut() else { return };
        let is_taken = punch.places.contains(&from) || punch.places.len() < PLACES_MAX;
        if is_taken && punch.agent.handle_datagram(now, from, datagram) {
            punch.places.insert(from);
        }
    }

    /// Sends checks, and follows what they find.
    pub(super) fn punch_due(&mut self, now: Timestamp, outbox: &mut Outbox) {
        let is_controlling = self.is_controlling(outbox);
        let Some(punch) = self.punch.as_mut() else { return };
        if punch.agent.poll_timeout().is_some_and(|at| at <= now) {
            punch.agent.handle_timeout(now);
        }
        while let Some((to, datagram)) = punch.agent.poll_transmit() {
            outbox.actions.push_back(Action::SendStun { to, datagram });
        }
        while let Some(address) = punch.agent.poll_selected() {
            punch.selected = Some(address);
            self.report.end(punch.trial, Outcome::Worked);
        }
        let (selected, trial) = (punch.selected, punch.trial);
        if now >= punch.ends_at {
            self.punch = None;
            let is_named = self.remote_candidates.iter().any(|one| one.transport == Transport::Udp);
            let nowhere = Outcome::NotTried(Obstacle::NoCandidates);
            let outcome = if is_named { Outcome::Failed(Fault::TimedOut) } else { nowhere };
            self.report.end(trial, outcome);
            return;
        }
        if is_controlling && let Some(address) = selected {
            self.connect(address, outbox);
        }
    }

    /// The controlling side connects, one at a time and once at each address.
    fn connect(&mut self, address: SocketAddr, outbox: &mut Outbox) {
        let is_connecting = self.ways.values().any(|way| way.method == Method::Quic);
        let Some(punch) = self.punch.as_mut() else { return };
        if is_connecting || punch.connected_to == Some(address) {
            return;
        }
        punch.connected_to = Some(address);
        let path = self.path_to(address);
        let opening = Opening::Quic { address };
        self.open(Method::Quic, Some(address), path, opening, outbox);
    }
}
