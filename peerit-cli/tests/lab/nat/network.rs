//! An internet with two networks and a tracker, and sites behind NATs.
//!
//! ```text
//!                  internet 198.51.100.0/24 (.1: tracker)
//!   near site .2 --+                      +-- .254 far 203.0.113.0/24 (.1) -- .2 far site
//! ```
//!
//! The public networks are those of RFC 5737, and 2001:db8::/32 (RFC 3849); with private addresses in their
//! place, filters for such addresses would hide bugs. Homes have private ones (RFC 1918), and a carrier's own
//! network is that of RFC 6598.

use std::net::Ipv6Addr;

use super::igd::{Igd, Protocols};
use super::kind::Kind;
use crate::bench::Bench;
use crate::host::Host;
use crate::namespace::Namespace;
use crate::segment::{Link, Segment};
use crate::tracker::Tracker;

/// Links of hosts: slow enough that the state of a transfer of 8 MiB can be looked at.
const HOST_LINK: Link = Link { up_mbit: 50, down_mbit: 50 };
/// Links of routers.
const ROUTER_LINK: Link = Link { up_mbit: 200, down_mbit: 200 };
/// The place of the far network in the near one.
const FAR_NUMBER: u8 = 254;
/// The place of a site in its public network, and of a router or host in what it is behind.
pub(crate) const SITE_NUMBER: u8 = 2;

/// Which of the two networks a site is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Near,
    Far,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
        }
    }

    /// Of its homes' network.
    fn private_prefix(self) -> [u8; 3] {
        match self {
            Self::Near => [192, 168, 1],
            Self::Far => [10, 0, 0],
        }
    }

    /// Of its network and of its homes' network.
    fn ipv6_prefixes(self) -> [&'static str; 2] {
        match self {
            Self::Near => ["2001:db8:100:", "2001:db8:1:"],
            Self::Far => ["2001:db8:113:", "2001:db8:2:"],
        }
    }
}

/// Both public networks, with a tracker at the first address of each.
pub(crate) struct Internet {
    near: Segment,
    far: Segment,
    trackers: Option<[Tracker; 2]>,
}

impl Internet {
    pub(crate) fn new(bench: &Bench) -> Self {
        let near = Segment::new(bench, "internet", [198, 51, 100]);
        let far = Segment::new(bench, "far", [203, 0, 113]);
        near.attach(far.namespace(), FAR_NUMBER, ROUTER_LINK);
        near.namespace().ip("route add 203.0.113.0/24 via 198.51.100.254");
        let [near_prefix, _] = Place::Near.ipv6_prefixes();
        let [far_prefix, far_home] = Place::Far.ipv6_prefixes();
        for (segment, prefix) in [(&near, near_prefix), (&far, far_prefix)] {
            segment.namespace().forward();
            address(segment.namespace(), "br0", &format!("{prefix}:1"));
        }
        address(far.namespace(), "eth0", &format!("{near_prefix}:fe"));
        far.namespace().ip(&format!("-6 route add default via {near_prefix}:1"));
        for network in [far_prefix, far_home] {
            near.namespace().ip(&format!("-6 route add {network}:/64 via {near_prefix}:fe"));
        }
        let mut internet = Self { near, far, trackers: None };
        internet.start_trackers();
        internet
    }

    /// With empty tables and other secrets than those before.
    pub(crate) fn start_trackers(&mut self) {
        self.trackers = Some([
            Tracker::start(self.near.namespace(), Ipv6Addr::UNSPECIFIED),
            Tracker::start(self.far.namespace(), self.far.address(1)),
        ]);
    }

    pub(crate) fn kill_trackers(&mut self) {
        self.trackers = None;
    }

    /// A machine with an address of its own.
    pub(crate) fn open_host(&self, bench: &Bench, place: Place, name: &str, number: u8) -> Host {
        Host::new(bench, self.network(place), name, number, HOST_LINK)
    }

    /// Gives the site at this place another public address, as some providers do at night. Linux forgets what it had
    /// translated to the old one.
    pub(crate) fn move_site(&self, site: &Site, place: Place, number: u8) {
        let (network, router) = (self.network(place), site.router().namespace());
        router.ip("address flush dev eth0");
        router.ip(&format!("address add {}/24 dev eth0", network.address(number)));
        router.ip(&format!("route add default via {}", network.address(1)));
    }

    fn network(&self, place: Place) -> &Segment {
        match place {
            Place::Near => &self.near,
            Place::Far => &self.far,
        }
    }

    /// The tracker that swarms use, by both families.
    pub(crate) fn trackers(&self) -> [String; 2] {
        let [prefix, _] = Place::Near.ipv6_prefixes();
        [Tracker::address(self.near.address(1)), format!("[{prefix}:1]:59000")]
    }

    /// Two trackers with different addresses.
    pub(crate) fn both_trackers(&self) -> [String; 2] {
        [&self.near, &self.far].map(|segment| Tracker::address(segment.address(1)))
    }
}

/// Machines behind the same NATs, at one place of the internet.
pub(crate) struct Site {
    pub(crate) hosts: Vec<Host>,
    _igd: Option<Igd>,
    /// Dropped after the hosts.
    routers: Vec<Segment>,
}

impl Site {
    /// The router that hosts are behind.
    pub(crate) fn router(&self) -> &Segment {
        self.routers.last().unwrap()
    }

    pub(crate) fn new(
        bench: &Bench,
        internet: &Internet,
        place: Place,
        kind: Kind,
        host_count: u8,
    ) -> Self {
        Self::with_protocols(bench, internet, place, kind, host_count, Protocols::All)
    }

    /// The same, with a router that maps ports by some protocols only, if it does.
    pub(crate) fn with_protocols(
        bench: &Bench,
        internet: &Internet,
        place: Place,
        kind: Kind,
        host_count: u8,
        protocols: Protocols,
    ) -> Self {
        let mut routers: Vec<Segment> = Vec::new();
        for (depth, nat) in kind.nats().iter().enumerate() {
            let is_home = depth + 1 == kind.nats().len();
            let prefix = if is_home { place.private_prefix() } else { [100, 64, 0] };
            let router = Segment::new(bench, &format!("{}{depth}", place.name()), prefix);
            let outside = routers.last().unwrap_or(internet.network(place));
            outside.attach(router.namespace(), SITE_NUMBER, ROUTER_LINK);
            router.namespace().nft(&nat.rules(router.address(SITE_NUMBER)));
            router.namespace().forward();
            routers.push(router);
        }
        let igd = routers.last().filter(|_| kind == Kind::Igd).map(|router| {
            publish(internet, place, router);
            Igd::start(bench, router, protocols)
        });
        let network = routers.last().unwrap_or(internet.network(place));
        let numbers = SITE_NUMBER..SITE_NUMBER + host_count;
        let host = |number| {
            let name = format!("{}-host{number}", place.name());
            Host::new(bench, network, &name, number, HOST_LINK)
        };
        let hosts: Vec<Host> = numbers.map(host).collect();
        if let (true, Some(router)) = (kind.has_ipv6(), routers.last()) {
            add_ipv6(internet, place, kind, router, &hosts);
        }
        Self { hosts, _igd: igd, routers }
    }
}

/// Gives a router an address that is free for all to use: `miniupnpd` takes those of RFC 5737 for what they are. It is of
/// 128.66.0.0/16, an old network for tests in which nobody is.
fn publish(internet: &Internet, place: Place, router: &Segment) {
    let network = internet.network(place);
    let (number, far_route) = match place {
        Place::Near => (0, None),
        Place::Far => (1, Some(internet.near.address(FAR_NUMBER))),
    };
    let address = format!("128.66.{number}.{SITE_NUMBER}/32");
    let inside = router.namespace();
    inside.ip("address flush dev eth0");
    inside.ip(&format!("address add {address} dev eth0"));
    inside.ip(&format!("route add {}/24 dev eth0", network.address(0)));
    inside.ip(&format!("route add default via {}", network.address(1)));
    network.namespace().ip(&format!("route add {address} dev br0"));
    if let Some(router) = far_route {
        internet.near.namespace().ip(&format!("route add {address} via {router}"));
    }
}

/// Gives a site's hosts public IPv6 addresses, which its router does not translate.
fn add_ipv6(internet: &Internet, place: Place, kind: Kind, router: &Segment, hosts: &[Host]) {
    let [outside, inside] = place.ipv6_prefixes();
    address(router.namespace(), "eth0", &format!("{outside}:{SITE_NUMBER}"));
    router.namespace().ip(&format!("-6 route add default via {outside}:1"));
    address(router.namespace(), "br0", &format!("{inside}:1"));
    let route = format!("-6 route add {inside}:/64 via {outside}:{SITE_NUMBER}");
    internet.network(place).namespace().ip(&route);
    if kind == Kind::Ipv6Filtered {
        router.namespace().nft(
            "table ip6 filter {
                chain through { type filter hook forward priority filter; iifname \"eth0\" ct state new drop; }
            }",
        );
    }
    for host in hosts {
        address(host.namespace(), "eth0", &format!("{inside}:{}", host.number));
        host.namespace().ip(&format!("-6 route add default via {inside}:1"));
    }
}

/// Usable at once: nobody else has it, so that nobody needs to be asked.
fn address(namespace: &Namespace, device: &str, address: &str) {
    namespace.ip(&format!("address add {address}/64 dev {device} nodad"));
}
