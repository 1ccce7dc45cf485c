//! What was seen, and what follows from it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// What a machine's way to the internet is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What came of each server, in the order given.
    pub servers: Vec<ServerReport>,
    /// Whether UDP passes; none if nothing answered at all, so that it may be the network or the
    /// servers.
    pub udp: Option<bool>,
    /// Which public addresses the router gives this machine's datagrams over IPv4.
    pub mapping: Mapping,
    /// Whose datagrams it lets in over IPv4.
    pub filtering: Filtering,
    /// Whether it maps ports on request.
    pub ports: PortMapping,
    /// What IPv6 is good for here.
    pub ipv6: Ipv6,
}

/// What came of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// "host:port", as given.
    pub server: String,
    /// Why there is no address; empty if there is one.
    pub problem: String,
    /// What came of each of its addresses; at most four.
    pub addresses: Vec<AddressReport>,
}

/// What came of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressReport {
    /// The address.
    pub address: SocketAddr,
    /// Where it saw our datagram come from; none if it did not answer over UDP.
    pub mapped: Option<SocketAddr>,
    /// What a tracker says over TCP: nothing wrong, or what is; none if it was not asked, as STUN servers
    /// are not.
    pub tcp: Option<Result<(), String>>,
}

impl AddressReport {
    /// Whether anything came back.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.mapped.is_some() || self.tcp == Some(Ok(()))
    }
}

/// How a router maps one socket of this machine to public addresses (RFC 4787, section 4.1, and RFC 5780).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// The socket's own address is what servers see.
    NoNat,
    /// The same for all destinations: holes can be punched.
    EndpointIndependent,
    /// Another one for each address.
    AddressDependent,
    /// Another one for each address and port.
    AddressAndPortDependent,
    /// One of the two before: no two ports of one address were asked.
    Dependent,
    /// Endpoint-independent or address-dependent: only one address was asked, at two ports.
    PortIndependent,
    /// Servers at two addresses at least, or one at two ports, must answer over UDP.
    Unknown,
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNat => "none",
            Self::EndpointIndependent => "endpoint-independent",
            Self::AddressDependent => "address-dependent",
            Self::AddressAndPortDependent => "address and port-dependent",
            Self::Dependent => "address-dependent or address and port-dependent",
            Self::PortIndependent => "endpoint-independent or address-dependent",
            Self::Unknown => "unknown",
        })
    }
}

impl Mapping {
    /// What follows from where servers (first) saw one socket (second), whose own addresses are `own`.
    pub(super) fn of(seen: &[(SocketAddr, SocketAddr)], own: &[SocketAddr]) -> Self {
        let Some((_, first)) = seen.first() else { return Self::Unknown };
        let differs = seen.iter().any(|(_, mapped)| mapped != first);
        let pairs = || seen.iter().flat_map(|a| seen.iter().map(move |b| (a, b)));
        let same_ip = |((a, _), (b, _)): &(&(SocketAddr, _), &(SocketAddr, _))| a.ip() == b.ip();
        if !differs && own.contains(first) {
            Self::NoNat
        } else if pairs().filter(same_ip).any(|((_, a), (_, b))| a != b) {
            Self::AddressAndPortDependent
        } else if pairs().all(|pair| same_ip(&pair)) {
            if seen.len() > 1 { Self::PortIndependent } else { Self::Unknown }
        } else if !differs {
            Self::EndpointIndependent
        } else if pairs().filter(same_ip).any(|((a, _), (b, _))| a != b) {
            Self::AddressDependent
        } else {
            Self::Dependent
        }
    }

    fn is_dependent(self) -> bool {
        matches!(self, Self::AddressDependent | Self::AddressAndPortDependent | Self::Dependent)
    }
}

/// Whose datagrams a router lets in to a socket that has sent to somebody (RFC 4787, section 5, and RFC 5780).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtering {
    /// Everybody's.
    EndpointIndependent,
    /// Those from addresses that were sent to.
    AddressDependent,
    /// Those from addresses and ports that were sent to.
    AddressAndPortDependent,
    /// One of the first two: the server has one address only.
    PortIndependent,
    /// It takes a tracker, or a STUN server, that answers from elsewhere too (RFC 5780), and none answered.
    Unknown,
}

impl fmt::Display for Filtering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndpointIndependent => "endpoint-independent",
            Self::AddressDependent => "address-dependent",
            Self::AddressAndPortDependent => "address and port-dependent",
            Self::PortIndependent => "endpoint-independent or address-dependent",
            Self::Unknown => "unknown",
        })
    }
}

impl Filtering {
    /// What follows from whether answers came from where we had asked, from another port of the same
    /// address, and from another address; none: that was not asked for.
    pub(super) fn of(here: bool, other_port: bool, other_address: Option<bool>) -> Self {
        match (here, other_port, other_address) {
            (false, ..) => Self::Unknown,
            (true, _, Some(true)) => Self::EndpointIndependent,
            (true, true, Some(false)) => Self::AddressDependent,
            (true, true, None) => Self::PortIndependent,
            (true, false, _) => Self::AddressAndPortDependent,
        }
    }
}

/// Whether a router maps ports on request (PCP, NAT-PMP, UPnP IGD).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMapping {
    /// It was not asked.
    Untried,
    /// It does.
    Works {
        /// How it was asked, for people.
        protocol: &'static str,
        /// What led to a TCP port of this machine; none if that was refused.
        tcp: Option<SocketAddr>,
        /// What led to a UDP port of this machine; none if that was refused.
        udp: Option<SocketAddr>,
    },
    /// It does not, or not to any avail; why, for people.
    Impossible(String),
}

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, tcp, udp) = match self {
            Self::Untried => return f.write_str("not tried"),
            Self::Impossible(problem) => return f.write_str(problem),
            Self::Works { protocol, tcp, udp } => (protocol, tcp, udp),
        };
        write!(f, "{protocol} works:")?;
        let got = [("TCP", tcp), ("UDP", udp)];
        for (index, (name, got)) in got.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match got {
                Some(address) => write!(f, "{comma} {name} {address}")?,
                None => write!(f, "{comma} {name} refused")?,
            }
        }
        f.write_str(" (given back)")
    }
}

/// What IPv6 is good for on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6 {
    /// No interface has a public address.
    Absent,
    /// There is one, and no server with an IPv6 address was named.
    Untried(IpAddr),
    /// A server answered over it.
    Works(IpAddr),
    /// There is an address, and no server answered over it.
    Broken(IpAddr),
}

impl Report {
    /// Whether any server answered.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        let mut addresses = self.servers.iter().flat_map(|server| &server.addresses);
        addresses.any(AddressReport::is_reached)
    }

    /// What the user can do, the most important first.
    #[must_use]
    pub fn advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        if !self.is_reached() {
            return vec![Advice::Unreached];
        }
        if self.udp == Some(false) {
            advice.push(Advice::LetUdpOut);
        }
        let maps_ports = matches!(self.ports, PortMapping::Works { tcp: Some(_), .. });
        match self.mapping {
            Mapping::NoNat => advice.push(Advice::LetPeersIn),
            Mapping::Unknown if self.udp == Some(true) => advice.push(Advice::NameAnother),
            mapping if mapping.is_dependent() && !maps_ports => {
                advice.push(Advice::AvoidDependence);
            }
            _ => {}
        }
        if self.mapping != Mapping::NoNat && !maps_ports {
            advice.push(Advice::ForwardPort);
        }
        match self.ipv6 {
            Ipv6::Works(_) => advice.push(Advice::ListenOnIpv6),
            Ipv6::Broken(_) => advice.push(Advice::RepairIpv6),
            Ipv6::Absent | Ipv6::Untried(_) => {}
        }
        advice
    }
}

/// What a user can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing answered.
    Unreached,
    /// UDP is blocked.
    LetUdpOut,
    /// There is no NAT.
    LetPeersIn,
    /// Too few servers to know.
    NameAnother,
    /// The mapping depends on the destination.
    AvoidDependence,
    /// There is a NAT, or may be.
    ForwardPort,
    /// IPv6 works.
    ListenOnIpv6,
    /// IPv6 does not work.
    RepairIpv6,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreached => {
                "no server answered: check that this machine is online, and that the servers' names and ports are right"
            }
            Self::LetUdpOut => {
                "UDP does not pass: let it out in the firewall; until then peers are reached over TCP only"
            }
            Self::LetPeersIn => {
                "there is no NAT: see that the firewall lets in TCP and UDP to the port that `peerit status --json` names"
            }
            Self::NameAnother => {
                "name another tracker or STUN server, at another address, to learn how the router maps ports"
            }
            Self::AvoidDependence => {
                "the router uses another port for each destination: peers behind most other routers can be met only through a relay (a tracker with --relay) and then, after a while, through many ports, or if a port is forwarded here or there"
            }
            Self::ForwardPort => {
                "to be dialled by everyone, forward a port of the router (TCP and UDP) to this machine, and use it: `peerit daemon --listen 0.0.0.0:PORT`"
            }
            Self::ListenOnIpv6 => {
                "IPv6 works: use it with `peerit daemon --listen [::]:PORT`, and let PORT in through the router's firewall"
            }
            Self::RepairIpv6 => "there is an IPv6 address, but no answer over it: check the router",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(seen: &[(&str, &str)]) -> Mapping {
        let parse = |text: &str| text.parse().unwrap();
        let seen: Vec<_> = seen.iter().map(|(server, at)| (parse(server), parse(at))).collect();
        Mapping::of(&seen, &[parse("192.168.1.2:7"), parse("192.0.2.1:7")])
    }

    #[test]
    fn mappings_are_told_apart_by_what_servers_see() {
        let (a, a2, b) = ("198.51.100.1:1", "198.51.100.1:2", "203.0.113.1:1");
        let (own, one, two) = ("192.0.2.1:7", "192.0.2.9:7", "192.0.2.9:8");
        assert_eq!(mapping(&[]), Mapping::Unknown);
        assert_eq!(mapping(&[(a, own)]), Mapping::NoNat);
        assert_eq!(mapping(&[(a, one)]), Mapping::Unknown);
        assert_eq!(mapping(&[(a, one), (a2, one)]), Mapping::PortIndependent);
        assert_eq!(mapping(&[(a, one), (a2, two)]), Mapping::AddressAndPortDependent);
        assert_eq!(mapping(&[(a, one), (b, one)]), Mapping::EndpointIndependent);
        assert_eq!(mapping(&[(a, one), (b, two)]), Mapping::Dependent);
        assert_eq!(mapping(&[(a, one), (a2, one), (b, two)]), Mapping::AddressDependent);
        assert_eq!(mapping(&[(a, own), (b, two)]), Mapping::Dependent, "own by chance");
    }

    #[test]
    fn filterings_are_told_apart_by_where_answers_come_from() {
        use Filtering::{
            AddressAndPortDependent, AddressDependent, EndpointIndependent, PortIndependent,
            Unknown,
        };
        assert_eq!(Filtering::of(false, true, Some(true)), Unknown);
        assert_eq!(Filtering::of(true, true, Some(true)), EndpointIndependent);
        assert_eq!(Filtering::of(true, true, Some(false)), AddressDependent);
        assert_eq!(Filtering::of(true, false, Some(false)), AddressAndPortDependent);
        assert_eq!(Filtering::of(true, true, None), PortIndependent);
        assert_eq!(Filtering::of(true, false, None), AddressAndPortDependent);
    }

    #[test]
    fn advice_fits_what_was_found() {
        let address = "198.51.100.1:1".parse().unwrap();
        let mapped = Some("192.0.2.9:7".parse().unwrap());
        let report = |mapped, tcp, udp, mapping| Report {
            servers: vec![ServerReport {
                server: "a:1".to_owned(),
                problem: String::new(),
                addresses: vec![AddressReport { address, mapped, tcp }],
            }],
            udp,
            mapping,
            filtering: Filtering::Unknown,
            ports: PortMapping::Untried,
            ipv6: Ipv6::Absent,
        };
        use Advice::{AvoidDependence, ForwardPort, LetPeersIn, LetUdpOut, NameAnother, Unreached};
        let silent = Some(Err("refused".to_owned()));
        assert_eq!(report(None, silent, None, Mapping::Unknown).advice(), [Unreached]);
        let blocked = report(None, Some(Ok(())), Some(false), Mapping::Unknown);
        assert_eq!(blocked.advice(), [LetUdpOut, ForwardPort]);
        let advice = |mapping| report(mapped, None, Some(true), mapping).advice();
        assert_eq!(advice(Mapping::NoNat), [LetPeersIn]);
        assert_eq!(advice(Mapping::Unknown), [NameAnother, ForwardPort]);
        assert_eq!(advice(Mapping::EndpointIndependent), [ForwardPort]);
        assert_eq!(advice(Mapping::Dependent), [AvoidDependence, ForwardPort]);
        let got = |tcp| PortMapping::Works { protocol: "PCP", tcp, udp: mapped };
        let with = |tcp| {
            let report = report(mapped, None, Some(true), Mapping::Dependent);
            Report { ports: got(tcp), ..report }.advice()
        };
        assert_eq!(with(mapped), []);
        assert_eq!(with(None), [AvoidDependence, ForwardPort]);
        let line = "PCP works: TCP refused, UDP 192.0.2.9:7 (given back)";
        assert_eq!(got(None).to_string(), line);
    }
}
