//! Where this node may be reached.

use std::net::{IpAddr, SocketAddr};

use super::candidate::{Candidate, CandidateKind, Transport};
use super::report::Mapping;
use super::signal::CANDIDATES_MAX;
use crate::path::Path;
use crate::wire::address::canonical;

/// Most candidates that a driver may tell of; a machine with more interfaces has enough of them.
const TOLD_MAX: usize = 64;

/// Most observers remembered, those that spoke last: each tracker of two swarms at two addresses.
const OBSERVERS_MAX: usize = 8;

/// How many of each sort are offered, so that many interfaces (of containers, say) do not crowd out the one
/// that counts. Together 16: 5 + 4 + 1 + 1 + 2 + 2 + 1.
const QUOTAS: [(CandidateKind, Transport, usize); 7] = [
    (CandidateKind::Host, Transport::Udp, 5),
    (CandidateKind::Host, Transport::Tcp, 4),
    (CandidateKind::Mapped, Transport::Udp, 1),
    (CandidateKind::Mapped, Transport::Tcp, 1),
    (CandidateKind::Reflexive, Transport::Udp, 2),
    (CandidateKind::Reflexive, Transport::Tcp, 2),
    (CandidateKind::Relayed, Transport::Tcp, 1),
];

/// What is known of this node's own places.
#[derive(Default)]
pub(super) struct Locals {
    told: Vec<Candidate>,
    /// Observer and what it saw; the one that spoke last at the end.
    observed: Vec<(SocketAddr, SocketAddr)>,
}

impl Locals {
    /// Takes what the driver says. True if that is news: then the network may be another one, and what was
    /// observed before is forgotten.
    pub(super) fn tell(&mut self, mut candidates: Vec<Candidate>) -> bool {
        candidates.truncate(TOLD_MAX);
        candidates.retain(Candidate::is_usable);
        candidates.sort_by_key(|candidate| (std::cmp::Reverse(candidate.priority()), *candidate));
        candidates.dedup();
        if candidates == self.told {
            return false;
        }
        let is_host = |one: &&Candidate| one.kind == CandidateKind::Host;
        let moved = !self.told.iter().filter(is_host).eq(candidates.iter().filter(is_host));
        if moved {
            self.observed.clear();
        }
        self.told = candidates;
        true
    }

    /// Takes what somebody saw. True if that is news.
    pub(super) fn observe(&mut self, observer: SocketAddr, address: SocketAddr) -> bool {
        let (observer, address) = (canonical(observer), canonical(address));
        let seen = Candidate::new(CandidateKind::Reflexive, Transport::Udp, address);
        if !seen.is_usable() {
            return false;
        }
        let is_known = self.observed.iter().any(|(_, known)| *known == address);
        let mapping = self.mapping();
        self.observed.retain(|(known, _)| *known != observer);
        if self.observed.len() == OBSERVERS_MAX {
            self.observed.remove(0);
        }
        self.observed.push((observer, address));
        !is_known || mapping != self.mapping()
    }

    /// How the NAT here maps.
    pub(super) fn mapping(&self) -> Mapping {
        let mut mapping = Mapping::Unknown;
        for (index, (_, address)) in self.observed.iter().enumerate() {
            for (_, other) in &self.observed[index + 1..] {
                if address.is_ipv4() == other.is_ipv4() && address != other {
                    return Mapping::EndpointDependent;
                }
                if address == other {
                    mapping = Mapping::EndpointIndependent;
                }
            }
        }
        mapping
    }

    /// What a peer is told, best first; at most 16, relays last.
    pub(super) fn offer(&self, relays: &[SocketAddr]) -> Vec<Candidate> {
        let relays = relays
            .iter()
            .map(|relay| Candidate::new(CandidateKind::Relayed, Transport::Tcp, *relay));
        let mut all: Vec<Candidate> = self.told.iter().copied().chain(relays).collect();
        for reflexive in self.reflexive() {
            if !all.iter().any(|known| {
                (known.address, known.transport) == (reflexive.address, reflexive.transport)
            }) {
                all.push(reflexive);
            }
        }
        // Of use to those who are on this machine alone.
        if !self.is_on_loopback() {
            all.retain(|candidate| !candidate.address.ip().is_loopback());
        }
        let mut offered: Vec<Candidate> = QUOTAS
            .iter()
            .flat_map(|(kind, transport, quota)| {
                all.iter()
                    .filter(move |one| (one.kind, one.transport) == (*kind, *transport))
                    .take(*quota)
            })
            .copied()
            .collect();
        offered.sort_by_key(|candidate| std::cmp::Reverse(candidate.priority()));
        offered.truncate(CANDIDATES_MAX);
        offered
    }

    /// The shared socket as others see it; and, as a user may have forwarded it, the port for TCP beside it.
    fn reflexive(&self) -> Vec<Candidate> {
        let is_listening =
            |one: &&Candidate| (one.kind, one.transport) == (CandidateKind::Host, Transport::Tcp);
        let listen_port = self.told.iter().find(is_listening).map(|one| one.address.port());
        let mut found = Vec::new();
        for (_, address) in self.observed.iter().rev() {
            found.push(Candidate::new(CandidateKind::Reflexive, Transport::Udp, *address));
            found.extend(listen_port.map(|port| {
                let address = SocketAddr::new(address.ip(), port);
                Candidate::new(CandidateKind::Reflexive, Transport::Tcp, address)
            }));
        }
        found
    }

    /// Whether trackers see this node's socket, and so can push signals to it.
    pub(super) fn is_seen(&self) -> bool {
        !self.observed.is_empty()
    }

    /// Whether trackers see this node on the machine itself.
    pub(super) fn is_on_loopback(&self) -> bool {
        self.observed.iter().any(|(_, address)| address.ip().is_loopback())
    }

    /// How a peer has come that has connected to us from there: straight, unless it is outside and we have no public address
    /// ourselves; then through a port that a router maps or, by UDP, through a hole in its NAT. By TCP it has come through a
    /// port that the user has forwarded.
    pub(super) fn path_from(&self, from: SocketAddr, transport: Transport) -> Path {
        let is_local = Candidate::new(CandidateKind::Host, transport, from).is_private();
        let of_family = |one: &&Candidate| {
            one.transport == transport
                && one.address.is_ipv4() == from.ip().to_canonical().is_ipv4()
        };
        let mut own = self.told.iter().filter(of_family).peekable();
        let is_public = |one: &Candidate| one.kind == CandidateKind::Host && !one.is_private();
        let is_mapped = own.clone().any(|one| one.kind == CandidateKind::Mapped);
        if is_local || own.peek().is_none() || own.any(is_public) {
            return Path::Direct;
        }
        match transport {
            _ if is_mapped => Path::Mapped,
            Transport::Udp => Path::Punched,
            Transport::Tcp => Path::Direct,
        }
    }

    /// Whether an address is one of our own sockets.
    pub(super) fn is_own(&self, candidate: &Candidate) -> bool {
        self.told
            .iter()
            .any(|own| (own.address, own.transport) == (candidate.address, candidate.transport))
    }

    /// Whether a peer seen at one of these addresses may be in our own private network: behind the same
    /// address as we are, or neither side has been seen.
    pub(super) fn shares_network(&self, theirs: impl Iterator<Item = IpAddr>) -> bool {
        let mut unseen = true;
        for ip in theirs {
            unseen = false;
            if self.observed.iter().any(|(_, own)| own.ip() == ip) {
                return true;
            }
        }
        unseen || self.observed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(transport: Transport, address: &str) -> Candidate {
        Candidate::new(CandidateKind::Host, transport, address.parse().unwrap())
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn many_interfaces_do_not_crowd_out_the_address_that_counts() {
        let mut locals = Locals::default();
        let of = |number: u8| {
            let ip = format!("172.17.{number}.1");
            [host(Transport::Udp, &format!("{ip}:7")), host(Transport::Tcp, &format!("{ip}:80"))]
        };
        assert!(locals.tell((0..40).flat_map(of).collect()));
        assert!(locals.observe(at("192.0.2.9:1"), at("198.51.100.1:5000")));
        let offered = locals.offer(&[at("192.0.2.9:59000")]);
        assert!(offered.len() <= CANDIDATES_MAX);
        for (kind, transport, address) in [
            (CandidateKind::Reflexive, Transport::Udp, "198.51.100.1:5000"),
            (CandidateKind::Reflexive, Transport::Tcp, "198.51.100.1:80"),
            (CandidateKind::Relayed, Transport::Tcp, "192.0.2.9:59000"),
        ] {
            assert!(offered.contains(&Candidate::new(kind, transport, at(address))));
        }
    }

    #[test]
    fn an_open_machine_has_no_reflexive_address() {
        let mut locals = Locals::default();
        let hosts =
            vec![host(Transport::Udp, "198.51.100.1:7"), host(Transport::Tcp, "198.51.100.1:80")];
        locals.tell(hosts.clone());
        locals.observe(at("192.0.2.9:1"), at("198.51.100.1:7"));
        assert_eq!(locals.offer(&[]).len(), 2);
        assert!(hosts.iter().all(|own| locals.is_own(own)));
    }

    #[test]
    fn observers_that_differ_give_a_symmetric_nat_away() {
        let mut locals = Locals::default();
        locals.observe(at("192.0.2.1:1"), at("198.51.100.1:7"));
        locals.observe(at("[2001:db8::1]:1"), at("[2001:db8::7]:7"));
        assert_eq!(locals.mapping(), Mapping::Unknown);
        assert!(locals.observe(at("192.0.2.2:1"), at("198.51.100.1:7")), "the mapping is news");
        assert_eq!(locals.mapping(), Mapping::EndpointIndependent);
        assert!(!locals.observe(at("192.0.2.3:1"), at("198.51.100.1:7")), "seen there before");
        assert!(locals.observe(at("192.0.2.2:1"), at("198.51.100.1:8")));
        assert_eq!(locals.mapping(), Mapping::EndpointDependent);
        for number in 0..100 {
            locals.observe(at(&format!("192.0.2.{number}:9")), at("198.51.100.1:7"));
        }
        assert_eq!(locals.observed.len(), OBSERVERS_MAX);
    }

    #[test]
    fn another_network_is_news() {
        let mut locals = Locals::default();
        assert!(locals.tell(vec![host(Transport::Udp, "10.0.0.2:7")]));
        assert!(!locals.tell(vec![host(Transport::Udp, "10.0.0.2:7")]));
        locals.observe(at("192.0.2.1:1"), at("198.51.100.1:7"));
        assert!(locals.tell(vec![host(Transport::Udp, "10.9.0.2:7")]));
        assert_eq!(locals.offer(&[]).len(), 1, "what was seen before is forgotten");
    }

    #[test]
    fn loopback_is_for_those_on_the_same_machine() {
        let mut locals = Locals::default();
        locals.tell(vec![host(Transport::Udp, "127.0.0.1:7")]);
        assert_eq!(locals.offer(&[]), []);
        locals.observe(at("127.0.0.1:59000"), at("127.0.0.1:7"));
        assert_eq!(locals.offer(&[]).len(), 1);
    }

    #[test]
    fn who_comes_from_outside_came_through_the_mapped_port() {
        let mut locals = Locals::default();
        let (private, public) = ("192.168.1.2:7", "198.51.100.2:7");
        let hosts = |at| [host(Transport::Udp, at), host(Transport::Tcp, at)].to_vec();
        let mapped = Candidate::new(CandidateKind::Mapped, Transport::Tcp, at("198.51.100.9:7"));
        let tell = |locals: &mut Locals, candidates: Vec<Candidate>, mapped: &[Candidate]| {
            locals.tell([&candidates[..], mapped].concat());
        };
        let from =
            |locals: &Locals, at: &str| locals.path_from(at.parse().unwrap(), Transport::Tcp);
        tell(&mut locals, hosts(private), &[]);
        assert_eq!(from(&locals, "203.0.113.1:9"), Path::Direct);
        tell(&mut locals, hosts(private), &[mapped]);
        assert_eq!(from(&locals, "203.0.113.1:9"), Path::Mapped);
        assert_eq!(from(&locals, "[::ffff:203.0.113.1]:9"), Path::Mapped);
        assert_eq!(from(&locals, "192.168.1.3:9"), Path::Direct);
        assert_eq!(from(&locals, "[2001:db8::1]:9"), Path::Direct, "what is mapped is IPv4");
        let by_udp = |locals: &Locals, from| locals.path_from(at(from), Transport::Udp);
        assert_eq!(by_udp(&locals, "203.0.113.1:9"), Path::Punched);
        assert_eq!(by_udp(&locals, "192.168.1.3:9"), Path::Direct);
        tell(&mut locals, [hosts(private), hosts(public)].concat(), &[mapped]);
        assert_eq!(from(&locals, "203.0.113.1:9"), Path::Direct, "it may have come straight");
    }

    #[test]
    fn a_mapped_port_does_not_make_another_network() {
        let mut locals = Locals::default();
        locals.tell(vec![host(Transport::Tcp, "192.168.1.2:7")]);
        locals.observe(at("192.0.2.9:1"), at("198.51.100.9:5000"));
        let mapped = Candidate::new(CandidateKind::Mapped, Transport::Tcp, at("198.51.100.9:7"));
        assert!(locals.tell(vec![host(Transport::Tcp, "192.168.1.2:7"), mapped]));
        let offered = locals.offer(&[]);
        assert!(offered.contains(&mapped), "{offered:?}");
        let named = offered.iter().filter(|one| one.address == mapped.address);
        assert_eq!(named.count(), 1, "it is not a port that a user may have forwarded");
        assert!(locals.is_seen());
    }
}
