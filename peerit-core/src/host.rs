//! Who shares an address, and how much of what is limited each has.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// A host as far as addresses tell: one IPv4 address, or the /64 of an IPv6 address, as one machine
/// or home is usually given all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Host(u128);

impl Host {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            // ::ffff:a.b.c.d: inside ::/64, whose own number is 0, so no /64 has the same.
            IpAddr::V4(ip) => Self(ip.to_ipv6_mapped().to_bits()),
            IpAddr::V6(ip) => Self(ip.to_bits() >> 64 << 64),
        }
    }

    /// A number that no other host has.
    pub(crate) fn bits(self) -> u128 {
        self.0
    }
}

/// A host has one less of what is counted.
pub(crate) fn uncount(hosts: &mut BTreeMap<Host, u32>, host: Host) {
    if let Some(count) = hosts.get_mut(&host) {
        *count -= 1;
        if *count == 0 {
            hosts.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_ipv4_address_or_an_ipv6_network() {
        let host = |text: &str| Host::of(text.parse().unwrap());
        assert_eq!(host("2001:db8::1"), host("2001:db8::ffff:2"));
        assert_ne!(host("2001:db8::1"), host("2001:db8:0:1::1"));
        assert_eq!(host("::ffff:198.51.100.7"), host("198.51.100.7"));
        assert_ne!(host("198.51.100.7"), host("198.51.100.8"));
        assert_ne!(host("0.0.0.0"), host("::1"));
    }
}
