//! What a machine may be behind.

use std::net::Ipv4Addr;

/// The ways of a router with what passes it, as nftables rules; its device to the internet is `eth0`.
///
/// Other than Linux's default, new connections from outside are dropped before they leave a trace, as home routers
/// do: else a peer's packet that comes early would leave an entry that moves the mapping of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nat {
    /// Endpoint-independent mapping and filtering: every port leads to the host.
    FullCone,
    /// Endpoint-independent mapping, as the port is kept; address and port-dependent filtering.
    Restricted,
    /// Address and port-dependent mapping and filtering: a random port for each destination.
    Symmetric,
    /// As symmetric, and maps ports on request: see [`super::igd`].
    Mapping,
    /// As restricted, and no UDP passes.
    UdpBlocked,
}

impl Nat {
    /// The rules of one with this host behind it.
    pub(crate) fn rules(self, host: Ipv4Addr) -> String {
        let mapping = match self {
            Self::Symmetric | Self::Mapping => "masquerade random,fully-random",
            Self::FullCone | Self::Restricted | Self::UdpBlocked => "masquerade",
        };
        let incoming = match self {
            Self::FullCone => format!("meta l4proto {{ tcp, udp }} dnat to {host}"),
            _ => "accept".to_owned(),
        };
        let passing = match self {
            Self::FullCone => "accept",
            Self::Restricted | Self::Symmetric => "iifname \"eth0\" ct state new drop",
            Self::Mapping => "ct status dnat accept; iifname \"eth0\" ct state new drop",
            Self::UdpBlocked => "meta l4proto udp drop; iifname \"eth0\" ct state new drop",
        };
        format!(
            "table ip nat {{
                chain outgoing {{ type nat hook postrouting priority srcnat; oifname \"eth0\" {mapping}; }}
                chain incoming {{ type nat hook prerouting priority dstnat; iifname \"eth0\" {incoming}; }}
                chain own {{ type filter hook input priority filter; iifname \"eth0\" ct state new drop; }}
                chain through {{ type filter hook forward priority filter; {passing}; }}
            }}"
        )
    }
}

/// What a machine is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A public address.
    Open,
    FullCone,
    Restricted,
    Symmetric,
    /// Two restricted ones in a row.
    Carrier,
    /// A restricted one behind a symmetric one.
    CarrierSymmetric,
    UdpBlocked,
    /// Restricted for IPv4; a public IPv6 address.
    Ipv6,
    /// The same, and the router drops new IPv6 connections from outside.
    Ipv6Filtered,
    /// A symmetric one that maps ports on request. Beside the others, as it takes a program that may not be there.
    Igd,
}

impl Kind {
    /// Those of the matrix.
    pub(crate) const ALL: [Self; 9] = [
        Self::Open,
        Self::FullCone,
        Self::Restricted,
        Self::Symmetric,
        Self::Carrier,
        Self::CarrierSymmetric,
        Self::UdpBlocked,
        Self::Ipv6,
        Self::Ipv6Filtered,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::FullCone => "full-cone",
            Self::Restricted => "restricted",
            Self::Symmetric => "symmetric",
            Self::Carrier => "carrier",
            Self::CarrierSymmetric => "carrier-sym",
            Self::UdpBlocked => "udp-blocked",
            Self::Ipv6 => "ipv6",
            Self::Ipv6Filtered => "ipv6-filter",
            Self::Igd => "igd",
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        let kind = Self::ALL.into_iter().chain([Self::Igd]).find(|kind| kind.name() == name);
        kind.unwrap_or_else(|| panic!("{name} is no kind of NAT"))
    }

    /// The routers between the internet and the machine, from outside to inside.
    pub(crate) fn nats(self) -> &'static [Nat] {
        match self {
            Self::Open => &[],
            Self::FullCone => &[Nat::FullCone],
            Self::Restricted | Self::Ipv6 | Self::Ipv6Filtered => &[Nat::Restricted],
            Self::Symmetric => &[Nat::Symmetric],
            Self::Carrier => &[Nat::Restricted, Nat::Restricted],
            Self::CarrierSymmetric => &[Nat::Symmetric, Nat::Restricted],
            Self::UdpBlocked => &[Nat::UdpBlocked],
            Self::Igd => &[Nat::Mapping],
        }
    }

    pub(crate) fn has_ipv6(self) -> bool {
        matches!(self, Self::Ipv6 | Self::Ipv6Filtered)
    }
}
