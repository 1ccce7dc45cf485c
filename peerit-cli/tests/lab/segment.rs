//! A network that hosts are attached to, each by a link of its own.
//!
//! It is a bridge in a namespace: with addresses of 198.51.100.0/24 (TEST-NET-2, RFC 5737) it is "the
//! internet". A network behind a router would be one more.

use std::net::Ipv4Addr;

use crate::bench::Bench;
use crate::namespace::Namespace;

/// A link's token bucket, in bytes: what may leave at once after a pause. 21 frames, as is usual: with less,
/// 100 Mbit/s are not reached; with more, a link of 10 Mbit/s is faster than that for long.
const BURST_BYTES: u32 = 32 << 10;
/// How long a frame may wait for the link, in ms, before it is dropped: less than home routers allow,
/// enough for one TCP connection to fill the link. There is no other delay in the lab.
const QUEUE_MS: u32 = 50;

/// How fast a host's link is, in Mbit/s (1,000,000 bit/s) with all headers from Ethernet's on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// From the host.
    pub(crate) up_mbit: u32,
    /// To the host.
    pub(crate) down_mbit: u32,
}

/// A network of 256 addresses.
pub(crate) struct Segment {
    namespace: Namespace,
    prefix: [u8; 3],
}

impl Segment {
    /// A network with one address, number 1, that is on no link: in the namespace of the segment itself.
    pub(crate) fn new(bench: &Bench, name: &str, prefix: [u8; 3]) -> Self {
        let namespace = Namespace::new(&bench.namespace_name(name));
        let segment = Self { namespace, prefix };
        // One of its own: else it has that of a port, and another one when that host comes or goes, of which its
        // neighbours hear late.
        let [a, b, c] = prefix;
        let own = format!("02:00:{a:02x}:{b:02x}:{c:02x}:01");
        segment.namespace.ip(&format!("link add br0 address {own} type bridge"));
        segment.namespace.ip(&format!("address add {}/24 dev br0", segment.address(1)));
        segment.namespace.ip("link set br0 up");
        segment
    }

    /// Where programs run that are on no link.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn address(&self, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, number)
    }

    /// The segment's end of a host's link: it receives what the host sends.
    pub(crate) fn port(number: u8) -> String {
        format!("port{number}")
    }

    /// Connects a namespace by a link; there it is `eth0`.
    pub(crate) fn attach(&self, host: &Namespace, number: u8, link: Link) {
        let port = Self::port(number);
        let inside = &self.namespace;
        inside.ip(&format!("link add {port} type veth peer name eth0 netns {}", host.name()));
        inside.ip(&format!("link set {port} master br0"));
        shape(inside, &port, link.down_mbit);
        shape(host, "eth0", link.up_mbit);
        inside.ip(&format!("link set {port} up"));
        host.ip(&format!("address add {}/24 dev eth0", self.address(number)));
        host.ip("link set eth0 up");
        // Without one, programs take a host for offline.
        host.ip(&format!("route add default via {}", self.address(1)));
    }
}

/// Limits what leaves by a device. Offloads must be off: they hand on packets of up to 64 KiB, which no link does
/// and the bucket cannot hold.
fn shape(namespace: &Namespace, device: &str, mbit: u32) {
    namespace.exec(&format!("ethtool -K {device} tso off gso off gro off"));
    namespace.exec(&format!(
        "tc qdisc add dev {device} root tbf rate {mbit}mbit burst {BURST_BYTES}b latency {QUEUE_MS}ms"
    ));
}
