//! The addresses of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where other machines may reach a socket bound to `bound`: the address itself, or those of all
/// interfaces when it is bound to all. Loopback only when there is nothing else.
pub(crate) fn reachable_addresses(bound: SocketAddr) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut addresses: Vec<_> = interfaces
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|ip| is_shareable(*ip) && (bound.is_ipv6() || ip.is_ipv4()))
        .map(|ip| SocketAddr::new(ip, bound.port()))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        addresses.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), bound.port()));
    }
    addresses
}

/// The addresses of all interfaces, with loopback.
pub(crate) fn own_ips() -> Vec<IpAddr> {
    if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect()
}

/// Link-local addresses need a scope that means nothing on another machine.
fn is_shareable(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !ip.is_loopback() && !link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_address_is_itself() {
        let bound = SocketAddr::from(([192, 0, 2, 1], 59_000));
        assert_eq!(reachable_addresses(bound), [bound]);
    }

    #[test]
    fn all_interfaces_give_at_least_one_address() {
        let addresses = reachable_addresses(SocketAddr::from(([0, 0, 0, 0], 59_000)));
        assert!(!addresses.is_empty());
        assert!(
            addresses
                .iter()
                .all(|address| address.port() == 59_000 && !address.ip().is_unspecified())
        );
    }
}
