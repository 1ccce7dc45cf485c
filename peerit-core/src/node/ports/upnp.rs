//! UPnP IGD: `igd_next`. The only file that names it, with [`ssdp`](super::ssdp).

use std::env;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU16;
use std::sync::Arc;

use igd_next::{AddPortError, PortMappingProtocol};

use super::gateway::Gateway;
use super::lease::{Grant, LEASE, Lease, Refused};
use super::ssdp;
use crate::nat::Transport;

/// What the router's pages show beside the port.
const DESCRIPTION: &str = "peerit";

/// Where an HTTP client may be told to send everything to somebody else.
const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// A port that was got by UPnP.
pub(super) struct UpnpPort {
    router: Arc<igd_next::Gateway>,
    local: SocketAddr,
}

/// Asks for a port for each transport; one is enough. Blocks.
pub(super) fn map(gateway: Gateway, port: NonZeroU16) -> Result<Vec<Lease>, Refused> {
    map_by(gateway, port, ssdp::asked(gateway))
}

/// The same, with other places to look for the router's services at.
pub(super) fn map_by(
    gateway: Gateway,
    port: NonZeroU16,
    asked: [SocketAddr; 2],
) -> Result<Vec<Lease>, Refused> {
    // The library would send requests to the proxy, which is not the router and cannot reach it.
    if let Some(name) = PROXY_VARIABLES.into_iter().find(|name| env::var_os(name).is_some()) {
        return Err(Refused::new(format!("not tried, as {name} names a proxy")));
    }
    let router = Arc::new(ssdp::search(gateway, asked)?);
    let external = match router.get_external_ip().map_err(Refused::new)? {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => return Err(Refused::new(format!("{ip} is no IPv4 address"))),
    };
    let local = SocketAddr::new(gateway.own.into(), port.get());
    let map_one = |transport| {
        let port = UpnpPort { router: Arc::clone(&router), local };
        port.map(transport, SocketAddrV4::new(external, local.port()))
    };
    let tcp = map_one(Transport::Tcp)?;
    let udp = map_one(Transport::Udp);
    if let Err(error) = &udp {
        log::info!("{gateway} maps TCP but not UDP: {error}");
    }
    Ok([Some(tcp), udp.ok()].into_iter().flatten().collect())
}

fn protocol(transport: Transport) -> PortMappingProtocol {
    match transport {
        Transport::Tcp => PortMappingProtocol::TCP,
        Transport::Udp => PortMappingProtocol::UDP,
    }
}

impl UpnpPort {
    /// Asks for this port, or any if it is taken.
    fn map(self, transport: Transport, external: SocketAddrV4) -> Result<Lease, Refused> {
        let lease_s = u32::try_from(LEASE.as_secs()).unwrap_or(u32::MAX);
        let external = match self.add(transport, external.port(), lease_s) {
            Err(AddPortError::PortInUse) => {
                let protocol = protocol(transport);
                let any = self.router.add_any_port(protocol, self.local, lease_s, DESCRIPTION);
                SocketAddrV4::new(*external.ip(), any.map_err(Refused::new)?)
            }
            // Version 1 has such routers. It is released at shutdown, and the next run takes the same port.
            Err(AddPortError::OnlyPermanentLeasesSupported) => {
                self.add(transport, external.port(), 0).map_err(Refused::new)?;
                external
            }
            added => added.map(|()| external).map_err(Refused::new)?,
        };
        Ok(Lease { transport, external, lasts: LEASE, grant: Grant::Upnp(self) })
    }

    fn add(&self, transport: Transport, external: u16, lease_s: u32) -> Result<(), AddPortError> {
        self.router.add_port(protocol(transport), external, self.local, lease_s, DESCRIPTION)
    }

    pub(super) fn renew(
        self,
        transport: Transport,
        external: SocketAddrV4,
    ) -> Result<Lease, Refused> {
        let ip = self.router.get_external_ip().map_err(Refused::new)?;
        if ip != IpAddr::V4(*external.ip()) {
            return Err(Refused::new(format!("it is at {ip} now")));
        }
        self.map(transport, external)
    }

    pub(super) fn release(self, transport: Transport, external: u16) -> Result<(), Refused> {
        self.router.remove_port(protocol(transport), external).map_err(Refused::new)
    }
}
