//! Places where a peer may be reached.

use std::net::{IpAddr, SocketAddr};

use crate::wire::address::canonical;

/// How a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CandidateKind {
    /// An address of an interface.
    Host,
    /// What a tracker or STUN server saw.
    Reflexive,
    /// A port that a gateway maps on request.
    Mapped,
    /// An address of a relay.
    Relayed,
}

/// What carries a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TLS over TCP.
    Tcp,
    /// QUIC over UDP, on the socket that also does the checks.
    Udp,
}

/// A place where a peer may be reached (RFC 8445, section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// How it was found.
    pub kind: CandidateKind,
    /// What carries it.
    pub transport: Transport,
    /// The address; IPv4 as such, never mapped into IPv6.
    pub address: SocketAddr,
}

impl Candidate {
    /// A candidate.
    #[must_use]
    pub fn new(kind: CandidateKind, transport: Transport, address: SocketAddr) -> Self {
        Self { kind, transport, address: canonical(address) }
    }

    /// RFC 8445, section 5.1.2.1, for the one component there is: kind before family, IPv6 before IPv4 (RFC
    /// 8421), as it often needs no NAT.
    ///
    /// A mapped port counts as much as a peer-reflexive address does in the RFC: it works without both sides
    /// punching, and is one hop longer than a host's own address.
    #[must_use]
    pub fn priority(&self) -> u32 {
        let kind: u32 = match self.kind {
            CandidateKind::Host => 126,
            CandidateKind::Mapped => 110,
            CandidateKind::Reflexive => 100,
            CandidateKind::Relayed => 0,
        };
        let local = if self.address.is_ipv6() { 65_535 } else { 65_534 };
        (kind << 24) | (local << 8) | 255
    }

    /// Whether anybody could be reached there. An address of the own machine (loopback) is one for those on
    /// the same machine; whoever takes candidates from others must know.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let odd = match self.address.ip() {
            IpAddr::V4(ip) => ip.is_broadcast() || ip.is_link_local() || ip.octets()[0] == 0,
            // Link-local ones need a zone, which means nothing to others.
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        let ip = self.address.ip();
        self.address.port() != 0 && !odd && !ip.is_unspecified() && !ip.is_multicast()
    }

    /// Whether the address means something in its own network only (RFC 1918, RFC 4193).
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self.address.ip() {
            IpAddr::V4(ip) => ip.is_private(),
            IpAddr::V6(ip) => ip.is_unique_local(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: CandidateKind, address: &str) -> Candidate {
        Candidate::new(kind, Transport::Udp, address.parse().unwrap())
    }

    #[test]
    fn better_candidates_come_first() {
        use CandidateKind::{Host, Mapped, Reflexive, Relayed};
        let order = [
            candidate(Host, "[2001:db8::1]:1"),
            candidate(Host, "192.0.2.1:1"),
            candidate(Mapped, "[2001:db8::1]:1"),
            candidate(Reflexive, "192.0.2.1:1"),
            candidate(Relayed, "[2001:db8::1]:1"),
        ];
        assert!(order.windows(2).all(|pair| pair[0].priority() > pair[1].priority()));
        // The RFC's range.
        assert!(order.iter().all(|one| (1..1 << 31).contains(&one.priority())));
    }

    #[test]
    fn places_where_nobody_is_are_not_used() {
        let usable = |address| candidate(CandidateKind::Host, address).is_usable();
        assert!(["192.0.2.1:1", "10.0.0.1:1", "[2001:db8::1]:1"].into_iter().all(usable));
        let odd = ["192.0.2.1:0", "0.1.2.3:1", "224.0.0.1:1", "255.255.255.255:1", "169.254.0.1:1"];
        assert!(!odd.into_iter().any(usable));
        assert!(!["[fe80::1]:1", "[::]:1", "[ff02::1]:1"].into_iter().any(usable));
        let mapped = candidate(CandidateKind::Host, "[::ffff:192.0.2.1]:7");
        assert_eq!(mapped, candidate(CandidateKind::Host, "192.0.2.1:7"));
    }
}
