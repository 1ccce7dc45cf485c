//! Two hosts, two trackers and what is between them, on virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::boxes::Carrier;
use super::host::{Host, UDP_PORT};
use super::net::{Header, Net, Node, OTHER_PORT, TRACKERS, tracker_ip};
use super::report::{NatHostReport, NatReport};
use super::spec::NatScenario;
use crate::id::{ContentId, PeerId};
use crate::nat::{self, WayKey};
use crate::rng::Rng;
use crate::time::Timestamp;
use crate::tracker::{
    ClientEvent, DEFAULT_PORT, ServerAction, ServerConfig, ServerEvent, TrackerServer,
};

/// The swarm of both.
pub(super) const CONTENT: ContentId = ContentId([1; 32]);

/// One way to or from the internet takes this long at least, and up to three times as long.
const LATENCY_MIN_MS: usize = 10;

/// What a packet carries.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// A tracker's message or STUN.
    Datagram(Bytes),
    /// One of the three steps of opening a connection: of the side that dials, of the other, of the first again.
    Handshake { by: usize, way: WayKey, step: u8 },
    /// A tracker's message over TCP.
    Request { by: usize, request: Bytes },
    /// Meeting at a relay.
    Meet { by: usize, way: WayKey, token: [u8; 16] },
}

pub(super) enum Happening {
    Join(usize),
    Packet(usize, Header, Payload),
    Client(usize, ClientEvent),
    Traversal(usize, nat::Event),
    Resend(usize, WayKey),
    /// The last step of a connection that is open already, again.
    Confirm(usize, Header, Payload),
    GiveUp(usize, WayKey),
}

/// A running simulation.
pub struct NatSimulation {
    pub(super) now: Timestamp,
    pub(super) rng: Rng,
    pub(super) hosts: [Host; 2],
    pub(super) relay: bool,
    /// Who waits at the relay.
    pub(super) waiting: BTreeMap<[u8; 16], (usize, WayKey)>,
    scenario: NatScenario,
    net: Net,
    servers: [TrackerServer; TRACKERS],
    happenings: BTreeMap<(Timestamp, u64), Happening>,
    sequence: u64,
    both_there_at: Timestamp,
}

impl NatSimulation {
    /// Both hosts are there, and have not joined yet.
    #[must_use]
    pub fn new(scenario: &NatScenario) -> Self {
        let mut rng = Rng::from_seed(scenario.seed);
        let (net, addresses) = Net::new(scenario);
        // Who has the larger id, and so chooses the path, is chance.
        let (mut first, mut second) = (PeerId([2; 32]), PeerId([3; 32]));
        if rng.below(2) == 0 {
            std::mem::swap(&mut first, &mut second);
        }
        let hosts = [
            Host::new(first, rng.next_u64(), addresses[0], scenario.mutual),
            Host::new(second, rng.next_u64(), addresses[1], true),
        ];
        let config = ServerConfig { other_port: OTHER_PORT, ..ServerConfig::default() };
        let mut simulation = Self {
            now: Timestamp::ZERO,
            rng,
            hosts,
            relay: scenario.relay,
            waiting: BTreeMap::new(),
            scenario: scenario.clone(),
            net,
            servers: [TrackerServer::new(config, [7; 32])],
            happenings: BTreeMap::new(),
            sequence: 0,
            both_there_at: Timestamp::ZERO + scenario.second_joins_after,
        };
        simulation.after(Duration::ZERO, Happening::Join(0));
        simulation.after(scenario.second_joins_after, Happening::Join(1));
        simulation
    }

    /// Lets so much time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.next_step().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            while let Some(entry) =
                self.happenings.first_entry().filter(|entry| entry.key().0 <= self.now)
            {
                let happening = entry.remove();
                self.happen(happening);
            }
            for host in 0..2 {
                self.wake(host);
            }
        }
        self.now = end;
    }

    /// What has come of it.
    #[must_use]
    pub fn report(&self) -> NatReport {
        let hosts = self.hosts.each_ref().map(|host| NatHostReport {
            path: host.path,
            connected_at: host.connected_at,
            direct_at: host.direct_at,
            ends: host.ends.clone(),
            signals: host.signals,
            checks: host.checks,
            is_busy: host.is_trying,
        });
        NatReport { hosts, both_there_at: self.both_there_at.since_origin() }
    }

    /// Lets UDP pass or not from now on, in all NATs.
    pub fn set_udp(&mut self, passes: bool) {
        self.net.set_udp(passes);
    }

    fn next_step(&self) -> Option<Timestamp> {
        let hosts = self.hosts.iter().filter_map(Host::next_timeout);
        hosts.chain(self.happenings.keys().next().map(|(time, _)| *time)).min()
    }

    pub(super) fn after(&mut self, delay: Duration, happening: Happening) {
        self.sequence += 1;
        self.happenings.insert((self.now + delay, self.sequence), happening);
    }

    fn latency(&mut self) -> Duration {
        let ms = LATENCY_MIN_MS + self.rng.below(2 * LATENCY_MIN_MS);
        Duration::from_millis(ms as u64)
    }

    /// The way to a server and back, for what NATs never keep back.
    pub(super) fn round_trip(&mut self) -> Duration {
        self.latency() + self.latency() + self.latency() + self.latency()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Join(host) => self.join(host),
            Happening::Packet(network, header, payload) => {
                match self.net.arrive(self.now, network, header) {
                    Some((Node::Host(host), header)) => self.received(host, header, payload),
                    Some((Node::Tracker(tracker), header)) => self.asked(tracker, header, payload),
                    _ => {}
                }
            }
            Happening::Client(host, event) => self.tell_client(host, event),
            Happening::Traversal(host, event) => self.tell_traversal(host, event),
            Happening::Resend(host, way) => self.resend(host, way),
            Happening::Confirm(host, header, payload) => self.send(host, header, payload),
            Happening::GiveUp(host, way) => self.give_up(host, way),
        }
    }

    /// Sends a packet from a host's socket; UDP may be lost on its way.
    pub(super) fn send(&mut self, host: usize, header: Header, payload: Payload) {
        let sent = self.net.send(self.now, host, header, &mut self.rng);
        let is_lost =
            header.carrier == Carrier::Udp && self.rng.below(100) < self.scenario.loss_percent;
        if let Some((network, header)) = sent.filter(|_| !is_lost) {
            let delay = self.latency() + self.latency();
            self.after(delay, Happening::Packet(network, header, payload));
        }
    }

    pub(super) fn send_datagram(&mut self, host: usize, to: SocketAddr, datagram: Bytes) {
        self.send_datagram_from(host, UDP_PORT, to, datagram);
    }

    pub(super) fn send_datagram_from(
        &mut self,
        host: usize,
        port: u16,
        to: SocketAddr,
        datagram: Bytes,
    ) {
        if let Some(ip) = self.hosts[host].ip_towards(to) {
            let from = SocketAddr::new(ip, port);
            let header = Header { carrier: Carrier::Udp, from, to };
            self.send(host, header, Payload::Datagram(datagram));
        }
    }

    /// A packet has come to a tracker.
    fn asked(&mut self, tracker: usize, header: Header, payload: Payload) {
        let from = header.from;
        let event = match payload {
            Payload::Datagram(datagram) if header.to.port() == OTHER_PORT => {
                ServerEvent::OtherPort { from, datagram }
            }
            Payload::Datagram(datagram) => ServerEvent::Datagram { from, datagram },
            Payload::Request { by, request } => {
                let connection = line_number(by, from.is_ipv4());
                ServerEvent::Request { connection, from, request }
            }
            Payload::Meet { by, way, token } => return self.meet(by, way, token),
            Payload::Handshake { .. } => return,
        };
        self.tell_server(tracker, event);
    }

    fn tell_server(&mut self, tracker: usize, event: ServerEvent) {
        let server = &mut self.servers[tracker];
        server.handle_timeout(self.now);
        server.handle_event(self.now, event);
        let actions: Vec<_> = std::iter::from_fn(|| server.poll()).collect();
        for action in actions {
            self.act_for_server(tracker, action);
        }
    }

    /// A host closes its TCP connection to a tracker.
    pub(super) fn hang_up(&mut self, host: usize, to: SocketAddr) {
        let connection = line_number(host, to.is_ipv4());
        let at = |tracker: &usize| tracker_ip(*tracker, to.is_ipv4()) == to.ip();
        if let Some(tracker) = (0..self.servers.len()).find(at) {
            self.tell_server(tracker, ServerEvent::Closed { connection });
        }
    }

    fn act_for_server(&mut self, tracker: usize, action: ServerAction) {
        let delay = self.latency() + self.latency();
        match action {
            ServerAction::Send { to, datagram } => {
                self.send_from_tracker(tracker, DEFAULT_PORT, to, datagram);
            }
            ServerAction::SendFromOther { to, datagram } => {
                self.send_from_tracker(tracker, OTHER_PORT, to, datagram);
            }
            ServerAction::Reply { connection, response: message }
            | ServerAction::Push { connection, response: message } => {
                let (by, from) = line_ends(tracker, connection);
                let event = ClientEvent::StreamMessage { from, message };
                self.after(delay, Happening::Client(by, event));
            }
            // A relay is a table of its own here.
            ServerAction::Relay { .. } | ServerAction::Attend { .. } => {}
            ServerAction::Close { connection } => {
                let (by, to) = line_ends(tracker, connection);
                self.after(delay, Happening::Client(by, ClientEvent::StreamLost { to }));
            }
        }
    }

    fn send_from_tracker(&mut self, tracker: usize, port: u16, to: SocketAddr, datagram: Bytes) {
        let from = SocketAddr::new(tracker_ip(tracker, to.is_ipv4()), port);
        let (network, header) = Net::from_tracker(Header { carrier: Carrier::Udp, from, to });
        if self.rng.below(100) >= self.scenario.loss_percent {
            let delay = self.latency() + self.latency();
            self.after(delay, Happening::Packet(network, header, Payload::Datagram(datagram)));
        }
    }

    /// Two that show the same token are joined.
    fn meet(&mut self, by: usize, way: WayKey, token: [u8; 16]) {
        let waits =
            |host: usize, way: &WayKey| host != by && self.hosts[host].ways.contains_key(way);
        let other = self.waiting.remove(&token).filter(|(host, way)| waits(*host, way));
        let Some((other, its_way)) = other else {
            self.waiting.insert(token, (by, way));
            return;
        };
        for (host, way) in [(by, way), (other, its_way)] {
            let delay = self.round_trip();
            self.after(delay, Happening::Traversal(host, nat::Event::Opened { way }));
        }
    }
}

/// The TCP connection of a host with a tracker; each has one for an address family at most.
fn line_number(host: usize, ipv4: bool) -> u64 {
    2 * host as u64 + u64::from(ipv4)
}

/// The host, and where the tracker is for it.
fn line_ends(tracker: usize, line: u64) -> (usize, SocketAddr) {
    let host = usize::from(line >= 2);
    (host, SocketAddr::new(tracker_ip(tracker, line % 2 == 1), DEFAULT_PORT))
}
