//! The router of this machine's own network.

use std::fmt;
use std::fs;
use std::net::Ipv4Addr;

/// Linux's IPv4 routes. Elsewhere there is no such file, no router is known, and so no port is mapped.
const ROUTES: &str = "/proc/net/route";

/// Flag of a route through a router, in `linux/route.h`.
const RTF_GATEWAY: u32 = 2;

/// The router of the default route: private, and in a private subnet of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gateway {
    pub(super) address: Ipv4Addr,
    /// This machine in that subnet.
    pub(super) own: Ipv4Addr,
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the router {}", self.address)
    }
}

/// An address of an interface.
struct Subnet {
    interface: String,
    own: Ipv4Addr,
    mask: Ipv4Addr,
}

impl Gateway {
    /// Looks at routes and interfaces, and asks nobody.
    pub(crate) fn find() -> Option<Self> {
        let routes = fs::read_to_string(ROUTES).ok()?;
        let subnets: Vec<_> = if_addrs::get_if_addrs()
            .ok()?
            .into_iter()
            .filter_map(|interface| match interface.addr {
                if_addrs::IfAddr::V4(at) => {
                    Some(Subnet { interface: interface.name, own: at.ip, mask: at.netmask })
                }
                if_addrs::IfAddr::V6(_) => None,
            })
            .collect();
        Self::choose(&routes, &subnets)
    }

    fn choose(routes: &str, subnets: &[Subnet]) -> Option<Self> {
        let (_, interface, address) = routes.lines().filter_map(default_route).min()?;
        let is_own = |subnet: &&Subnet| {
            let network = |ip: Ipv4Addr| ip.to_bits() & subnet.mask.to_bits();
            // A route to a router outside of the subnet leads into a tunnel, or to a provider.
            subnet.interface == interface
                && subnet.own.is_private()
                && subnet.own != address
                && network(subnet.own) == network(address)
        };
        let subnet = subnets.iter().find(is_own).filter(|_| address.is_private())?;
        Some(Self { address, own: subnet.own })
    }
}

/// Metric, interface and router of a line, if it is of a default route.
fn default_route(line: &str) -> Option<(u32, &str, Ipv4Addr)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [interface, destination, router, flags, _, _, metric, mask, ..] = fields[..] else {
        return None;
    };
    let hex = |text| u32::from_str_radix(text, 16).ok();
    let is_default = hex(destination)? == 0 && hex(mask)? == 0 && hex(flags)? & RTF_GATEWAY != 0;
    // Addresses are printed as the machine's own integers, whose bytes are in the order of the network.
    is_default.then_some((metric.parse().ok()?, interface, hex(router)?.to_ne_bytes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT";

    fn line(interface: &str, router: &str, metric: u32) -> String {
        let router: Ipv4Addr = router.parse().unwrap();
        let router = u32::from_ne_bytes(router.octets());
        format!("{interface}\t00000000\t{router:08X}\t0003\t0\t0\t{metric}\t00000000\t0\t0\t0")
    }

    fn found(lines: &[String], subnets: &[(&str, &str, &str)]) -> Option<String> {
        let subnet = |(interface, own, mask): &(&str, &str, &str)| Subnet {
            interface: (*interface).to_owned(),
            own: own.parse().unwrap(),
            mask: mask.parse().unwrap(),
        };
        let subnets: Vec<_> = subnets.iter().map(subnet).collect();
        let routes = format!("{HEAD}\n{}\n", lines.join("\n"));
        Gateway::choose(&routes, &subnets)
            .map(|gateway| format!("{} {}", gateway.address, gateway.own))
    }

    #[test]
    fn the_router_of_the_best_default_route_is_found() {
        let lines = [line("wlan0", "10.0.0.1", 600), line("eth0", "192.168.1.1", 100)];
        let subnets = [
            ("wlan0", "10.0.0.7", "255.0.0.0"),
            ("eth0", "192.168.9.2", "255.255.255.0"),
            ("eth0", "192.168.1.2", "255.255.255.0"),
        ];
        assert_eq!(found(&lines, &subnets).unwrap(), "192.168.1.1 192.168.1.2");
    }

    #[test]
    fn who_is_not_in_our_own_private_subnet_is_no_router_of_ours() {
        let subnet = [("eth0", "192.168.1.2", "255.255.255.0")];
        for router in ["198.51.100.1", "192.168.2.1", "10.0.0.1", "192.168.1.2", "127.0.0.1"] {
            assert_eq!(found(&[line("eth0", router, 0)], &subnet), None, "{router}");
        }
        let other = [line("tun0", "192.168.1.1", 0)];
        assert_eq!(found(&other, &subnet), None, "the subnet is another interface's");
        // A mask of nothing makes the whole world a subnet.
        let all = [("eth0", "192.168.1.2", "0.0.0.0")];
        assert_eq!(found(&[line("eth0", "198.51.100.1", 0)], &all), None);
        let public = [("eth0", "198.51.100.2", "0.0.0.0")];
        assert_eq!(found(&[line("eth0", "192.168.1.1", 0)], &public), None);
    }

    #[test]
    fn odd_lines_are_passed_over() {
        let subnet = [("eth0", "192.168.1.2", "255.255.255.0")];
        assert_eq!(found(&["eth0 zz zz".to_owned(), String::new()], &subnet), None);
        let direct = line("eth0", "0.0.0.0", 0).replace("\t0003\t", "\t0001\t");
        assert_eq!(found(&[direct], &subnet), None);
    }
}
