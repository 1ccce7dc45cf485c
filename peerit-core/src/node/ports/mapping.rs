//! What a router maps for a node: a port for TCP, one for UDP, or one of both.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use super::gateway::Gateway;
use super::lease::{Lease, is_public};
use super::{pcp, upnp};
use crate::nat::Transport;

/// The longest time between two renewals, shorter than half a lease: a router that was switched off and on has
/// forgotten its mappings, and nobody says so. Two datagrams each time.
const RENEW_INTERVAL_MAX: Duration = Duration::from_secs(600);

/// Why no port is mapped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortMappingError {
    /// There is nobody to ask.
    #[error("this machine is behind no router with a private address in its own subnet")]
    NoGateway,
    /// There is nothing that a port could lead to.
    #[error("no UDP socket: {0}")]
    NoSocket(std::io::Error),
    /// The router does not do it.
    #[error("{gateway} maps none: PCP and NAT-PMP: {pcp}; UPnP: {upnp}")]
    Refused {
        /// Who was asked.
        gateway: Gateway,
        /// What came of PCP and NAT-PMP.
        pcp: String,
        /// What came of UPnP.
        upnp: String,
    },
    /// The router does it, to no avail.
    #[error(
        "{gateway} is at {external}, which is no public address: another NAT is in front of it"
    )]
    NotPublic {
        /// Who was asked.
        gateway: Gateway,
        /// Its address on the other side.
        external: Ipv4Addr,
    },
    /// What was mapped is so no more.
    #[error("{gateway} does not renew: {problem}")]
    NotRenewed {
        /// Who was asked.
        gateway: Gateway,
        /// What it says.
        problem: String,
    },
}

/// What a router maps; one port at least. All calls block.
pub(crate) struct Mapping {
    gateway: Gateway,
    leases: Vec<Lease>,
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, lease) in self.leases.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let transport = match lease.transport {
                Transport::Tcp => "TCP",
                Transport::Udp => "UDP",
            };
            write!(f, "{comma}{transport} {} by {}", lease.external, lease.protocol())?;
        }
        Ok(())
    }
}

impl Mapping {
    /// Asks for the same port number for TCP and UDP: by PCP, by NAT-PMP if the router knows only that, or else by
    /// UPnP. Takes 2 s where the router is silent to the first two and as long again for UPnP; a minute at most.
    pub(crate) fn ask(gateway: Gateway, port: u16) -> Result<Self, PortMappingError> {
        let port = NonZeroU16::new(port).ok_or(PortMappingError::NoGateway)?;
        let refused = |pcp, upnp| PortMappingError::Refused { gateway, pcp, upnp };
        let leases = pcp::map(gateway, port).or_else(|pcp| {
            let by_upnp = upnp::map(gateway, port);
            by_upnp.map_err(|upnp| refused(pcp.to_string(), upnp.to_string()))
        })?;
        let mapping = Self { gateway, leases };
        let ips = mapping.leases.iter().map(|lease| *lease.external.ip());
        match ips.into_iter().find(|ip| !is_public(*ip)) {
            None => Ok(mapping),
            Some(external) => {
                mapping.release();
                Err(PortMappingError::NotPublic { gateway, external })
            }
        }
    }

    /// Asks for the same again. What is not renewed is released as far as possible, so that all can be asked for anew.
    pub(crate) fn renew(self) -> Result<Self, PortMappingError> {
        let gateway = self.gateway;
        let (mut leases, mut problem) = (Vec::new(), None);
        for lease in self.leases {
            match lease.renew() {
                Ok(lease) if is_public(*lease.external.ip()) => leases.push(lease),
                Ok(lease) => {
                    problem = Some(format!("it is at {} now", lease.external.ip()));
                    leases.push(lease);
                }
                Err(error) => problem = Some(error.to_string()),
            }
        }
        let renewed = Self { gateway, leases };
        match problem {
            None => Ok(renewed),
            Some(problem) => {
                renewed.release();
                Err(PortMappingError::NotRenewed { gateway, problem })
            }
        }
    }

    /// Takes the ports back; what the router does not hear ends with its lease.
    pub(crate) fn release(self) {
        for lease in self.leases {
            let external = lease.external;
            if let Err(error) = lease.release() {
                log::info!("{} may still map {external}: {error}", self.gateway);
            }
        }
    }

    pub(crate) fn gateway(&self) -> Gateway {
        self.gateway
    }

    /// Where peers reach the node's port from outside.
    pub(crate) fn external(&self, transport: Transport) -> Option<SocketAddr> {
        let lease = self.leases.iter().find(|lease| lease.transport == transport);
        lease.map(|lease| lease.external.into())
    }

    /// How it was got, for people.
    pub(crate) fn protocol(&self) -> &'static str {
        self.leases.first().map_or("", Lease::protocol)
    }

    /// Half of the shortest lease (RFC 6886, section 3.3), and at most ten minutes.
    pub(crate) fn renew_after(&self) -> Duration {
        let leases = self.leases.iter().map(|lease| lease.lasts / 2);
        leases.fold(RENEW_INTERVAL_MAX, Duration::min)
    }
}
