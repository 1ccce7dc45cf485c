//! PCP (RFC 6887), and NAT-PMP (RFC 6886) for routers that know only that: `crab_nat`. The only file that names it.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    InternetProtocol, PortMapping, PortMappingOptions, PortMappingType, TimeoutConfig, natpmp,
};

use super::gateway::Gateway;
use super::lease::{Grant, LEASE, LEASE_MIN, Lease, Refused};
use crate::nat::Transport;
use crate::runtime::on_tokio;

/// Datagrams go out after 0, 0.25 and 0.75 s (RFC 6886, section 3.1) and are given up after 1.75 s: a router answers
/// within milliseconds, and UPnP is to have its turn soon.
const TIMEOUTS: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 2,
    max_retry_timeout: None,
};

/// A port that was got by one of the two.
pub(super) struct PcpPort(PortMapping);

/// Asks for a port for each transport; one is enough. Blocks.
pub(super) fn map(gateway: Gateway, port: NonZeroU16) -> Result<Vec<Lease>, Refused> {
    // If TCP is not heard of, UDP is not either: both are asked for on one port of the router.
    let tcp = map_one(gateway, Transport::Tcp, port)?;
    let udp = map_one(gateway, Transport::Udp, port);
    if let Err(error) = &udp {
        log::info!("{gateway} maps TCP but not UDP: {error}");
    }
    Ok([Some(tcp), udp.ok()].into_iter().flatten().collect())
}

fn map_one(gateway: Gateway, transport: Transport, port: NonZeroU16) -> Result<Lease, Refused> {
    let protocol = match transport {
        Transport::Tcp => InternetProtocol::Tcp,
        Transport::Udp => InternetProtocol::Udp,
    };
    let mapped = on_tokio(PortMapping::new(
        gateway.address.into(),
        gateway.own.into(),
        protocol,
        port,
        options(port),
    ));
    lease(transport, mapped.map_err(Refused::new)?.map_err(Refused::new)?)
}

fn options(external: NonZeroU16) -> PortMappingOptions {
    PortMappingOptions {
        external_port: Some(external),
        lifetime_seconds: u32::try_from(LEASE.as_secs()).ok(),
        timeout_config: Some(TIMEOUTS),
    }
}

/// What was mapped, if it is of use.
fn lease(transport: Transport, mapping: PortMapping) -> Result<Lease, Refused> {
    let lasts = Duration::from_secs(mapping.lifetime().into());
    let port = PcpPort(mapping);
    let found = if lasts < LEASE_MIN {
        Err(Refused::new(format!("a lease of {} s is too short", lasts.as_secs())))
    } else {
        port.external_ip()
    };
    match found {
        Ok(ip) => {
            let external = SocketAddrV4::new(ip, port.0.external_port().get());
            Ok(Lease { transport, external, lasts: lasts.min(LEASE), grant: Grant::Pcp(port) })
        }
        Err(problem) => {
            if let Err(error) = port.release() {
                log::debug!("what is of no use stays mapped until its lease ends: {error}");
            }
            Err(problem)
        }
    }
}

impl PcpPort {
    /// PCP says it with the mapping; NAT-PMP is asked.
    fn external_ip(&self) -> Result<Ipv4Addr, Refused> {
        let PortMappingType::Pcp { external_ip, .. } = self.0.mapping_type() else {
            let asked = on_tokio(natpmp::external_address(self.0.gateway(), Some(TIMEOUTS)));
            return asked.map_err(Refused::new)?.map_err(Refused::new);
        };
        match external_ip.to_canonical() {
            IpAddr::V4(ip) => Ok(ip),
            IpAddr::V6(ip) => Err(Refused::new(format!("{ip} is no IPv4 address"))),
        }
    }

    pub(super) fn renew(mut self, transport: Transport) -> Result<Lease, Refused> {
        on_tokio(self.0.renew()).map_err(Refused::new)?.map_err(Refused::new)?;
        lease(transport, self.0)
    }

    pub(super) fn release(self) -> Result<(), Refused> {
        let released = on_tokio(self.0.try_drop()).map_err(Refused::new)?;
        released.map_err(|(error, _)| Refused::new(error))
    }

    pub(super) fn protocol(&self) -> &'static str {
        match self.0.mapping_type() {
            PortMappingType::Pcp { .. } => "PCP",
            PortMappingType::NatPmp => "NAT-PMP",
        }
    }
}
