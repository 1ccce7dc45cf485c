//! The agent of the crate `is`: pure, taken out of str0m. All that names the crate is here.
//!
//! Two things of the world reach into it, and are kept out of what it does:
//!
//! - Its time is [`Instant`], of which only differences count. One is taken when an agent starts, and stands
//!   for that moment whatever it is.
//! - It draws the names of transactions from the generator of the thread. That is seeded from our own numbers
//!   before each call that may draw, so that the same run has the same bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use is::stun::{StunMessage, StunPacket, TransId};
use is::{
    Candidate as IsCandidate, CandidateKind as IsKind, DefaultSha1HmacProvider, IceAgentEvent,
    IceCreds, Protocol, Sha1HmacProvider,
};

use super::super::candidate::{Candidate, CandidateKind};
use super::super::signal::Credentials;
use super::{Addressee, IceAgent, IceSetup};
use crate::rng::{Rng, seed_thread};
use crate::time::Timestamp;

/// Time between two checks (Ta of RFC 8445, which asks for 5 ms at least and says 50 ms where nothing is
/// known): a first round over 16 candidates takes 0.3 s, and 140 bytes each are 56 kbit/s.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Longest wait before a check is sent again. Waits begin with 250 ms and double; the library's own limit of 3 s
/// would let a peer that comes a second late, as its signal was lost, wait for another second.
const RESEND_MAX: Duration = Duration::from_millis(500);

/// Checks to one address without an answer until it is given up: at 0, 250, 750 ms and then every 500 ms, for 6 s.
/// That is as long as a peer repeats a signal, and 1.3 KB.
const RESENDS: usize = 12;

/// Most pairs of addresses checked: 16 signalled candidates and as many again that the peer is seen at.
const PAIRS_MAX: usize = 32;

/// Stands for our socket: what it is bound to does not matter to the checks, see [`IceAgent`]. From the
/// addresses for documentation, so that it is never a peer's.
const SOCKET_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
const SOCKET_V6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9);

/// Of a place that nobody knew of before (RFC 8445, section 5.1.2.1: peer-reflexive, IPv4).
const CHECK_PRIORITY: u32 = (110 << 24) | (65_534 << 8) | 255;

/// Longest check in bytes: header 20, two names of 32 and their mark 72, priority 8, role 12, integrity 24,
/// fingerprint 8.
const CHECK_MAX: usize = 144;

struct IsAgent {
    agent: is::IceAgent,
    origin: (Timestamp, Instant),
    rng: Rng,
    selected: Option<SocketAddr>,
    timeout: Option<Timestamp>,
}

/// Starts an agent.
pub(crate) fn start(now: Timestamp, setup: IceSetup) -> Box<dyn IceAgent> {
    let mut rng = Rng::from_seed(setup.seed);
    seed_thread(rng.next_u64());
    let mut agent = is::IceAgent::new(credentials(setup.local));
    agent.set_control_tie_breaker(rng.next_u64());
    agent.set_controlling(setup.controlling);
    agent.set_remote_credentials(credentials(setup.remote));
    agent.set_timing_advance(CHECK_INTERVAL);
    agent.set_max_stun_rto(RESEND_MAX);
    agent.set_max_stun_retransmits(RESENDS);
    agent.set_max_candidate_pairs(PAIRS_MAX);
    for socket in [SOCKET_V4, SOCKET_V6] {
        if let Ok(candidate) = IsCandidate::host(socket, "udp") {
            agent.add_local_candidate(candidate);
        }
    }
    let origin = (now, Instant::now());
    let mut started = IsAgent { agent, origin, rng, selected: None, timeout: None };
    started.handle_timeout(now);
    Box::new(started)
}

/// Whom a datagram is for; none if it is not STUN as ICE has it.
pub(crate) fn addressee(datagram: &[u8]) -> Option<Addressee> {
    let message = StunMessage::parse(datagram).ok()?;
    if message.is_binding_request() {
        return message.split_username().map(|(local, _)| Addressee::Check(local.to_owned()));
    }
    let answers = message.is_successful_binding_response() || message.is_failed_binding_response();
    answers.then_some(Addressee::Answer)
}

/// One check beside those of an agent, as it would make it.
pub(crate) fn check(setup: &IceSetup) -> Bytes {
    let mut rng = Rng::from_seed(setup.seed);
    seed_thread(rng.next_u64());
    let username = format!("{}:{}", setup.remote.fragment, setup.local.fragment);
    let (tie_breaker, is_chosen) = (rng.next_u64(), false);
    let message = StunMessage::binding_request(
        &username,
        TransId::new(),
        setup.controlling,
        tie_breaker,
        CHECK_PRIORITY,
        is_chosen,
    );
    let (mut buffer, password) = ([0; CHECK_MAX], setup.remote.password.as_bytes());
    // Cannot fail, as the longest check has room.
    let length = message.to_bytes(Some(password), &mut buffer, hmac).unwrap_or_default();
    Bytes::copy_from_slice(&buffer[..length])
}

/// Whether a datagram is a check by somebody who knows our credentials.
pub(crate) fn is_check(datagram: &[u8], local: &Credentials) -> bool {
    let Ok(message) = StunMessage::parse(datagram) else { return false };
    let named = message.split_username().map(|(local, _)| local);
    message.is_binding_request()
        && named == Some(local.fragment.as_str())
        && message.verify(local.password.as_bytes(), hmac)
}

/// Whether a datagram is a check by somebody who knows our credentials, or an answer by who knows the peer's.
#[cfg(feature = "webrtc-ice")]
pub(crate) fn is_proven(datagram: &[u8], setup: &IceSetup) -> bool {
    match addressee(datagram) {
        Some(Addressee::Check(_)) => is_check(datagram, &setup.local),
        Some(Addressee::Answer) => StunMessage::parse(datagram)
            .is_ok_and(|message| message.verify(setup.remote.password.as_bytes(), hmac)),
        None => false,
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    DefaultSha1HmacProvider.sha1_hmac(key, parts)
}

fn credentials(credentials: Credentials) -> IceCreds {
    IceCreds { ufrag: credentials.fragment, pass: credentials.password }
}

/// Our socket, as far as a peer's address needs to know.
fn socket_for(peer: SocketAddr) -> SocketAddr {
    if peer.is_ipv4() { SOCKET_V4 } else { SOCKET_V6 }
}

impl IsAgent {
    fn instant(&self, now: Timestamp) -> Instant {
        let (since, origin) = self.origin;
        origin + (now - since)
    }

    /// Does `call` at an instant, and looks what came of it.
    fn call(&mut self, now: Timestamp, call: impl FnOnce(&mut is::IceAgent, Instant)) {
        let instant = self.instant(now);
        seed_thread(self.rng.next_u64());
        call(&mut self.agent, instant);
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { destination, .. } = event {
                self.selected = Some(destination);
            }
        }
        let (since, origin) = self.origin;
        self.timeout = self.agent.poll_timeout().map(|at| since + at.duration_since(origin));
    }
}

impl IceAgent for IsAgent {
    fn add_remote(&mut self, now: Timestamp, candidate: &Candidate) {
        let kind = match candidate.kind {
            CandidateKind::Host => IsKind::Host,
            // It has no name for those: as good as what a server saw, and sooner in turn by its priority.
            CandidateKind::Mapped | CandidateKind::Reflexive => IsKind::ServerReflexive,
            CandidateKind::Relayed => return,
        };
        let (address, priority) = (candidate.address, candidate.priority());
        let foundation = format!("{kind:?}");
        let remote = IsCandidate::from_parts(
            foundation,
            1,
            Protocol::Udp,
            priority,
            address,
            kind,
            None,
            None,
            None,
        );
        self.call(now, |agent, _| agent.add_remote_candidate(remote));
    }

    fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) -> bool {
        let Ok(message) = StunMessage::parse(datagram) else { return false };
        let mut is_accepted = false;
        self.call(now, |agent, instant| {
            let (source, destination) = (from, socket_for(from));
            let packet = StunPacket { proto: Protocol::Udp, source, destination, message };
            is_accepted = agent.handle_packet(instant, packet);
            // It answers a check with one of its own, and tells the peer its choice, without a wait.
            agent.handle_timeout(instant);
        });
        is_accepted
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.call(now, is::IceAgent::handle_timeout);
    }

    fn poll_transmit(&mut self) -> Option<(SocketAddr, Bytes)> {
        let transmit = self.agent.poll_transmit()?;
        Some((transmit.destination, Bytes::copy_from_slice(&transmit.contents)))
    }

    fn poll_selected(&mut self) -> Option<SocketAddr> {
        self.selected.take()
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.timeout
    }
}
