//! `peerit doctor`.

use std::net::SocketAddr;

use peerit_core::node::doctor::{AddressReport, Ipv6, PortMapping, Report, ServerReport};
use serde::Serialize;

/// `peerit doctor`.
#[derive(Debug, Serialize)]
pub(crate) struct Doctor {
    pub(crate) servers: Vec<Server>,
    /// Whether UDP passes; null if no server answered at all.
    pub(crate) udp_passes: Option<bool>,
    /// In the words of RFC 5780: "endpoint-independent", "address-dependent", "address and port-dependent"; or
    /// "none" without NAT; or, when less is known, "endpoint-independent or address-dependent",
    /// "address-dependent or address and port-dependent", "unknown".
    pub(crate) nat_mapping: String,
    /// Likewise; or "endpoint-independent or address-dependent", "unknown".
    pub(crate) nat_filtering: String,
    pub(crate) port_mapping: MappedPorts,
    /// "absent", "untried", "works" or "broken".
    pub(crate) ipv6: &'static str,
    /// What the user can do, the most important first.
    pub(crate) advice: Vec<String>,
}

/// What the router maps when it is asked.
#[derive(Debug, Default, Serialize)]
pub(crate) struct MappedPorts {
    /// Null if it was not asked.
    pub(crate) works: Option<bool>,
    /// "PCP", "NAT-PMP" or "UPnP"; empty if it does not work.
    pub(crate) protocol: &'static str,
    /// What led to a port of this machine; null if none did.
    pub(crate) tcp: Option<String>,
    pub(crate) udp: Option<String>,
    /// Why it does not work; empty if it does.
    pub(crate) problem: String,
}

/// One server that was asked.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    pub(crate) server: String,
    /// Why it has no address; empty if it has.
    pub(crate) problem: String,
    pub(crate) addresses: Vec<ServerAddress>,
}

/// One address of a server.
#[derive(Debug, Serialize)]
pub(crate) struct ServerAddress {
    pub(crate) address: String,
    /// Where it saw our datagram come from; null if it did not answer over UDP.
    pub(crate) sees: Option<String>,
    /// Whether a tracker answers over TCP; null if it was not asked, as STUN servers are not.
    pub(crate) tcp: Option<bool>,
    /// What is wrong over TCP; empty if nothing is.
    pub(crate) tcp_problem: String,
}

impl Doctor {
    pub(crate) fn of(report: &Report) -> Self {
        Self {
            servers: report.servers.iter().map(Server::of).collect(),
            udp_passes: report.udp,
            nat_mapping: report.mapping.to_string(),
            nat_filtering: report.filtering.to_string(),
            port_mapping: MappedPorts::of(&report.ports),
            ipv6: match report.ipv6 {
                Ipv6::Absent => "absent",
                Ipv6::Untried(_) => "untried",
                Ipv6::Works(_) => "works",
                Ipv6::Broken(_) => "broken",
            },
            advice: report.advice().iter().map(ToString::to_string).collect(),
        }
    }
}

impl MappedPorts {
    fn of(ports: &PortMapping) -> Self {
        let text = |address: &Option<SocketAddr>| address.as_ref().map(ToString::to_string);
        match ports {
            PortMapping::Untried => Self::default(),
            PortMapping::Works { protocol, tcp, udp } => Self {
                works: Some(true),
                protocol,
                tcp: text(tcp),
                udp: text(udp),
                problem: String::new(),
            },
            PortMapping::Impossible(problem) => {
                Self { works: Some(false), problem: problem.clone(), ..Self::default() }
            }
        }
    }
}

impl Server {
    fn of(report: &ServerReport) -> Self {
        let address = |address: &AddressReport| ServerAddress {
            address: address.address.to_string(),
            sees: address.mapped.map(|mapped| mapped.to_string()),
            tcp: address.tcp.as_ref().map(Result::is_ok),
            tcp_problem: address.tcp.clone().and_then(Result::err).unwrap_or_default(),
        };
        Self {
            server: report.server.clone(),
            problem: report.problem.clone(),
            addresses: report.addresses.iter().map(address).collect(),
        }
    }
}
