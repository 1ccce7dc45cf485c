//! One port that a router maps for a while.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::pcp::PcpPort;
use super::upnp::UpnpPort;
use crate::nat::Transport;

/// For how long a port is asked. One whose node was killed leads to this machine for so long and no longer; a shorter
/// one would end while a laptop sleeps for lunch. RFC 6886 recommends two hours, RFC 6887 up to a day.
pub(super) const LEASE: Duration = Duration::from_secs(3_600);

/// The shortest lease that is taken (RFC 6887, section 15, has routers give two minutes at least): else a router
/// could keep us busy.
pub(super) const LEASE_MIN: Duration = Duration::from_secs(120);

/// A port of the router that leads to one of ours.
pub(super) struct Lease {
    pub(super) transport: Transport,
    pub(super) external: SocketAddrV4,
    pub(super) lasts: Duration,
    pub(super) grant: Grant,
}

/// What it was got by, and is renewed and released by.
pub(super) enum Grant {
    Pcp(PcpPort),
    Upnp(UpnpPort),
}

/// Why a port is not mapped, in words of at most 200 characters: they may be the router's.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);

impl Refused {
    pub(super) fn new(error: impl std::fmt::Display) -> Self {
        let text = error.to_string();
        Self(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect())
    }
}

impl Lease {
    /// Asks for the same port again, for the full time. Blocks.
    pub(super) fn renew(self) -> Result<Self, Refused> {
        match self.grant {
            Grant::Pcp(port) => port.renew(self.transport),
            Grant::Upnp(port) => port.renew(self.transport, self.external),
        }
    }

    /// Blocks.
    pub(super) fn release(self) -> Result<(), Refused> {
        match self.grant {
            Grant::Pcp(port) => port.release(),
            Grant::Upnp(port) => port.release(self.transport, self.external.port()),
        }
    }

    /// How it was got, for people.
    pub(super) fn protocol(&self) -> &'static str {
        match &self.grant {
            Grant::Pcp(port) => port.protocol(),
            Grant::Upnp(_) => "UPnP",
        }
    }
}

/// Whether others in the internet may find a router there: else another NAT is in front of it, and its port leads
/// nowhere.
pub(super) fn is_public(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    // RFC 6598.
    let is_shared = first == 100 && second & 0xc0 == 64;
    let is_odd = ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || first >= 240;
    first != 0 && !ip.is_private() && !is_shared && !is_odd
}
