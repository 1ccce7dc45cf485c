//! Joining a symmetric NAT with one that minds ports, by the birthday paradox.
//!
//! Nobody can be told where a socket behind a symmetric NAT will appear. So the side behind it opens many sockets,
//! and sends a check from each to where the peer is seen: its NAT then has a port open for the peer for each. The
//! peer sends checks to one port of that NAT after another, and soon meets one of them. That check comes to one of
//! the sockets; from there the QUIC connection is dialled, through the hole that the check has left in the
//! peer's NAT.
//!
//! As hyperdht does it. A relay carries the transfer meanwhile, so there is time for many tries.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use super::super::candidate::{Candidate, CandidateKind, Transport};
use super::super::event::{Action, Opening};
use super::super::ice::{self, IceSetup};
use super::super::report::{Fault, Mapping, Method, Obstacle, Outcome};
use super::{Attempt, Outbox};
use crate::path::Path;
use crate::time::Timestamp;

/// Sockets that are asked for. With 2,000 of 64,512 ports tried, one of their ports is found with a probability of 1 -
/// (1 - 2,000 / 64,512)^256 = 99.97 %, half of the time within 175.
const SOCKETS: u16 = 256;

/// Fewer are not worth the peer's while: with 64 it is 86 %.
const SOCKETS_MIN: u16 = 64;

/// Checks from each socket: one may be lost. All are sent within 5.2 s, and NATs remember what had no answer for 30 s.
const ROUNDS: u32 = 2;

/// Most ports of the peer's NAT that are tried: 220 KB in all.
const TRIES_MAX: u32 = 2_000;

/// Time between two checks, on both sides: 100 a second are 90 kbit/s.
const INTERVAL: Duration = Duration::from_millis(10);

/// When it is given up: [`TRIES_MAX`] take 20 s, and the word that the ports are open is on its way before.
const LASTS: Duration = Duration::from_secs(25);

/// How long the QUIC connection from the socket that was found may take.
const CONNECTING_LASTS: Duration = Duration::from_secs(10);

/// Where NATs map ports that were not below it (RFC 4787, section 4.2.1).
const PORT_FIRST: u32 = 1_024;
const PORTS: u32 = 65_536 - PORT_FIRST;

/// From one port that is tried to the next: the golden section of all, and without a common divisor with them. So
/// none is tried twice, and where a NAT hands its ports out in a row, the row is met as soon as may be; where it hands
/// them out at random any order is as good as any other.
const STRIDE: u32 = 39_871;

/// The ports of one attempt.
pub(super) struct Birthday {
    part: Part,
    trial: Option<usize>,
    sent: u32,
    next_at: Timestamp,
    ends_at: Timestamp,
}

/// What this side does.
enum Part {
    /// It opens ports of its own NAT, from so many sockets; none yet while the driver opens them.
    Opens { towards: SocketAddr, sockets: u16 },
    /// It tries ports of the peer's NAT.
    Tries { ip: Ipv4Addr, first: u32 },
}

impl Birthday {
    pub(super) fn next_timeout(&self) -> Timestamp {
        if self.has_said_all() { self.ends_at } else { self.next_at.min(self.ends_at) }
    }

    /// Whether there are ports for the peer to try.
    pub(super) fn has_ports(&self) -> bool {
        matches!(self.part, Part::Opens { sockets: 1.., .. })
    }

    fn has_said_all(&self) -> bool {
        let most = match self.part {
            Part::Opens { sockets, .. } => u32::from(sockets) * ROUNDS,
            Part::Tries { .. } => TRIES_MAX,
        };
        self.sent >= most
    }
}

/// A port of a NAT; another one for each number below [`PORTS`].
fn port(first: u32, number: u32) -> u16 {
    let offset = (u64::from(first) + u64::from(number) * u64::from(STRIDE)) % u64::from(PORTS);
    u16::try_from(u64::from(PORT_FIRST) + offset).unwrap_or(u16::MAX)
}

impl Attempt {
    /// Begins when it is time, and sends the next check.
    pub(super) fn birthday_due(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.begin_birthday(now, outbox);
        let is_controlling = self.is_controlling(outbox);
        let Some(birthday) = &mut self.birthday else { return };
        if now >= birthday.ends_at {
            return self.end_birthday(Outcome::Failed(Fault::TimedOut), outbox);
        }
        if birthday.has_said_all() || now < birthday.next_at {
            return;
        }
        // What is late is not caught up, so that the rate is a bound.
        birthday.next_at = now + INTERVAL;
        let number = birthday.sent;
        birthday.sent += 1;
        let Some(remote) = self.signalling.remote().cloned() else { return };
        let datagram = ice::check(&IceSetup {
            controlling: is_controlling,
            local: self.credentials.clone(),
            remote,
            seed: u64::from_be_bytes(outbox.secrets.next()),
        });
        outbox.actions.push_back(match birthday.part {
            Part::Opens { towards, sockets } => {
                if number == u32::from(sockets) {
                    // Once more: the word may have been lost.
                    self.signalling.speak(now);
                }
                let socket = u16::try_from(number % u32::from(sockets)).unwrap_or_default();
                Action::SendFrom { socket, to: towards, datagram }
            }
            Part::Tries { ip, first } => {
                Action::SendStun { to: SocketAddr::from((ip, port(first, number))), datagram }
            }
        });
    }

    /// Begins where a relay carries the transfer, and the NATs are of the two kinds; the side that tries ports when the
    /// other one has them.
    fn begin_birthday(&mut self, now: Timestamp, outbox: &mut Outbox) {
        use Mapping::{EndpointDependent, EndpointIndependent};
        if !self.is_upgrade || self.is_settled || self.had_birthday {
            return;
        }
        let Some(seen) = self.vouched_address() else { return };
        let (remote_mapping, ports_open) = self.signalling.remote_nat();
        let part = match (outbox.locals.mapping(), remote_mapping) {
            (EndpointDependent, EndpointIndependent) => {
                Part::Opens { towards: seen.into(), sockets: 0 }
            }
            (EndpointIndependent, EndpointDependent) if ports_open => {
                let first = u32::from_be_bytes(outbox.secrets.next()) % PORTS;
                Part::Tries { ip: *seen.ip(), first }
            }
            _ => return,
        };
        if outbox.has_birthday {
            self.report.skip(Method::Birthday, Obstacle::Busy);
            return;
        }
        (outbox.has_birthday, self.had_birthday) = (true, true);
        if let Part::Opens { .. } = part {
            outbox.actions.push_back(Action::OpenSockets { count: SOCKETS });
        }
        let trial = self.report.begin(Method::Birthday, None);
        let ends_at = now + LASTS;
        self.ends_at = self.ends_at.max(ends_at + CONNECTING_LASTS);
        self.birthday = Some(Birthday { part, trial, sent: 0, next_at: now, ends_at });
    }

    /// A tracker sees the peer there.
    pub(in super::super) fn seen_at(&mut self, address: Option<SocketAddr>) {
        if let Some(IpAddr::V4(ip)) = address.map(|address| address.ip().to_canonical()) {
            self.vouched_ip = Some(ip);
        }
    }

    /// Where the peer says that the world sees it, at the IPv4 address at which a tracker sees it too: so nobody can
    /// have us send to somebody else.
    fn vouched_address(&self) -> Option<SocketAddrV4> {
        let is_udp = |one: &&Candidate| {
            (one.kind, one.transport) == (CandidateKind::Reflexive, Transport::Udp)
                && !one.is_private()
        };
        self.remote_candidates.iter().filter(is_udp).find_map(|one| match one.address {
            SocketAddr::V4(address) => {
                Some(address).filter(|_| self.vouched_ip == Some(*address.ip()))
            }
            SocketAddr::V6(_) => None,
        })
    }

    /// Whether the many sockets are this attempt's.
    pub(in super::super) fn opens_ports(&self) -> bool {
        let part = self.birthday.as_ref().map(|birthday| &birthday.part);
        matches!(part, Some(Part::Opens { .. }))
    }

    /// The driver has opened sockets.
    pub(in super::super) fn sockets_opened(
        &mut self,
        now: Timestamp,
        count: u16,
        outbox: &mut Outbox,
    ) {
        let part = self.birthday.as_mut().map(|birthday| &mut birthday.part);
        if let Some(Part::Opens { sockets: sockets @ 0, .. }) = part {
            *sockets = count.min(SOCKETS);
            if count < SOCKETS_MIN {
                return self.end_birthday(Outcome::Failed(Fault::Other), outbox);
            }
            self.signalling.speak(now);
        }
    }

    /// A datagram has come to one of our sockets. If the peer has sent it, QUIC takes it from there.
    pub(in super::super) fn found(
        &mut self,
        socket: u16,
        from: SocketAddr,
        datagram: &[u8],
        outbox: &mut Outbox,
    ) {
        let part = self.birthday.as_ref().map(|birthday| &birthday.part);
        let Some(Part::Opens { towards, sockets }) = part else { return };
        if socket < *sockets && from == *towards && ice::is_check(datagram, &self.credentials) {
            let opening = Opening::QuicFrom { socket, address: from };
            self.open(Method::Quic, Some(from), Path::Punched, opening, outbox);
            self.end_birthday(Outcome::Worked, outbox);
        }
    }

    /// Whether a connection of the peer's has come from one of the ports that were tried; then they worked.
    pub(super) fn birthday_found(&mut self, address: SocketAddr, outbox: &mut Outbox) -> bool {
        let part = self.birthday.as_ref().map(|birthday| &birthday.part);
        let Some(Part::Tries { ip, .. }) = part else { return false };
        let is_there = address.ip().to_canonical() == IpAddr::V4(*ip);
        if is_there {
            self.end_birthday(Outcome::Worked, outbox);
        }
        is_there
    }

    /// Ends it, if it is on: another attempt may have one.
    pub(super) fn end_birthday(&mut self, outcome: Outcome, outbox: &mut Outbox) {
        let Some(birthday) = self.birthday.take() else { return };
        self.report.end(birthday.trial, outcome);
        outbox.has_birthday = false;
        if let Part::Opens { .. } = birthday.part {
            outbox.actions.push_back(Action::CloseSockets);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_tried_twice() {
        let ports: BTreeSet<u16> = (0..PORTS).map(|number| port(PORTS - 1, number)).collect();
        assert_eq!(u32::try_from(ports.len()), Ok(PORTS));
        assert_eq!(ports.first(), Some(&1_024));
    }

    #[test]
    fn ports_in_a_row_are_met_soon_wherever_they_are() {
        for start in (1_024..=65_535 - SOCKETS).step_by(64) {
            let row = start..start + SOCKETS;
            let met = (0..TRIES_MAX).find(|number| row.contains(&port(7, *number)));
            assert!(met.is_some_and(|tries| tries < 1_000), "{start}: {met:?}");
        }
    }
}
