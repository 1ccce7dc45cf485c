//! Networks in networks: where a packet goes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::boxes::{Carrier, NatBox};
use super::spec::{NatScenario, NatSpec, Shared};
use crate::rng::Rng;
use crate::time::Timestamp;

/// The internet among the networks.
const INTERNET: usize = 0;

/// Silence after which an IPv6 firewall lets nobody in any more.
const FIREWALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Host(usize),
    Tracker(usize),
    Nat(usize),
}

/// Who speaks to whom, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) carrier: Carrier,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

/// A network: what is in it, and the way out.
#[derive(Default)]
struct Network {
    nodes: BTreeMap<IpAddr, Node>,
    gateway: Option<usize>,
}

/// All of it.
pub(super) struct Net {
    networks: Vec<Network>,
    /// NAT, network inside, network outside.
    nats: Vec<(NatBox, usize, usize)>,
    /// Whom each host has talked to over IPv6, and when last.
    firewalls: [BTreeMap<(Carrier, SocketAddr), Timestamp>; 2],
    homes: [usize; 2],
}

/// Addresses of a host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) v4: IpAddr,
    pub(super) v6: Option<IpAddr>,
}

/// A second one would tell no more of a NAT than the other port of the first.
pub(super) const TRACKERS: usize = 1;

/// The tracker's other port.
pub(super) const OTHER_PORT: u16 = crate::tracker::DEFAULT_PORT + 1;

/// Where a tracker is.
pub(super) fn tracker_ip(tracker: usize, ipv4: bool) -> IpAddr {
    let number = u8::try_from(tracker).unwrap_or(0) + 1;
    if ipv4 {
        Ipv4Addr::new(192, 0, 2, number).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, number.into()).into()
    }
}

fn host_ip6(host: usize) -> IpAddr {
    let number = u16::try_from(host).unwrap_or(0);
    Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 2).into()
}

impl Net {
    pub(super) fn new(scenario: &NatScenario) -> (Self, [Addresses; 2]) {
        let mut net = Self {
            networks: vec![Network::default()],
            nats: Vec::new(),
            firewalls: [BTreeMap::new(), BTreeMap::new()],
            homes: [INTERNET; 2],
        };
        for tracker in 0..TRACKERS {
            for ipv4 in [true, false] {
                net.put(INTERNET, tracker_ip(tracker, ipv4), Node::Tracker(tracker));
            }
        }
        let addresses = [0, 1].map(|host| net.settle(host, scenario));
        (net, addresses)
    }

    fn put(&mut self, network: usize, ip: IpAddr, node: Node) {
        self.networks[network].nodes.insert(ip, node);
    }

    /// Puts a host behind its NATs.
    fn settle(&mut self, host: usize, scenario: &NatScenario) -> Addresses {
        let nats = &scenario.sites[host].nats;
        let number = u8::try_from(host).unwrap_or(0);
        let is_second = host == 1;
        // Both homes have the same addresses inside, as homes do.
        let (home, ip) = if is_second && scenario.shared == Shared::Home {
            (self.homes[0], Ipv4Addr::new(192, 168, 1, 3))
        } else if nats.is_empty() {
            (INTERNET, Ipv4Addr::new(198, 51, 100, 10 + number))
        } else {
            let mut network = INTERNET;
            if let [_, carrier] = nats[..] {
                let shares = is_second && scenario.shared == Shared::Carrier;
                let outside = Ipv4Addr::new(203, 0, 113, 20 + number);
                network =
                    if shares { self.carrier() } else { self.inside(carrier, outside, INTERNET) };
            }
            let outside = if network == INTERNET {
                Ipv4Addr::new(198, 51, 100, 20 + number)
            } else {
                Ipv4Addr::new(100, 64, 0, 20 + number)
            };
            (self.inside(nats[0], outside, network), Ipv4Addr::new(192, 168, 1, 2))
        };
        self.put(home, ip.into(), Node::Host(host));
        self.homes[host] = home;
        let v6 = scenario.sites[host].ipv6.then(|| host_ip6(host));
        if let Some(ip) = v6 {
            self.put(INTERNET, ip, Node::Host(host));
        }
        Addresses { v4: ip.into(), v6 }
    }

    /// The network behind the first host's carrier.
    fn carrier(&self) -> usize {
        let (_, _, outside) = self.nats[self.nats.len() - 1];
        outside
    }

    /// A new network behind a new NAT.
    fn inside(&mut self, spec: NatSpec, outside_ip: Ipv4Addr, outside: usize) -> usize {
        let (network, nat) = (self.networks.len(), self.nats.len());
        self.networks.push(Network { gateway: Some(nat), ..Network::default() });
        self.nats.push((NatBox::new(spec, outside_ip.into()), network, outside));
        self.put(outside, outside_ip.into(), Node::Nat(nat));
        network
    }

    pub(super) fn set_udp(&mut self, passes: bool) {
        self.nats.iter_mut().for_each(|(nat, ..)| nat.spec.udp = passes);
    }

    /// A packet leaves a host. Where it is then, and what it says there; none if it is dropped on the way.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        host: usize,
        mut header: Header,
        rng: &mut Rng,
    ) -> Option<(usize, Header)> {
        if header.to.is_ipv6() {
            self.firewalls[host].insert((header.carrier, header.to), now);
            return Some((INTERNET, header));
        }
        let mut network = self.homes[host];
        loop {
            if self.networks[network].nodes.contains_key(&header.to.ip()) {
                return Some((network, header));
            }
            let (nat, _, outside) = &mut self.nats[self.networks[network].gateway?];
            let is_hairpin = header.to.ip() == nat.outside;
            if is_hairpin && !nat.spec.hairpin {
                return None;
            }
            header.from = nat.outward(now, header.carrier, header.from, header.to, rng)?;
            network = *outside;
        }
    }

    /// A packet from a tracker, which is on the internet.
    pub(super) fn from_tracker(header: Header) -> (usize, Header) {
        (INTERNET, header)
    }

    /// A packet arrives in a network. Who gets it, and what it says there.
    pub(super) fn arrive(
        &self,
        now: Timestamp,
        mut network: usize,
        mut header: Header,
    ) -> Option<(Node, Header)> {
        loop {
            match *self.networks[network].nodes.get(&header.to.ip())? {
                Node::Nat(nat) => {
                    let (nat, inside, _) = &self.nats[nat];
                    let port = header.to.port();
                    header.to = nat.inward(now, header.carrier, header.from, port)?;
                    network = *inside;
                }
                Node::Host(host) if header.to.is_ipv6() => {
                    let used = self.firewalls[host].get(&(header.carrier, header.from))?;
                    let is_fresh = header.carrier == Carrier::Tcp || now - *used < FIREWALL_TIMEOUT;
                    return is_fresh.then_some((Node::Host(host), header));
                }
                node => return Some((node, header)),
            }
        }
    }
}
