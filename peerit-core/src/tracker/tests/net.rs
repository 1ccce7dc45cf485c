//! Trackers and clients on a network that loses, doubles and reorders datagrams; all from a seed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::{
    ClientAction, ClientEvent, ServerAction, ServerConfig, ServerEvent, TrackerClient, TrackerKey,
    TrackerServer,
};
use super::*;
use crate::rng::Rng;

/// A node: its client, and what the client told it.
pub(super) struct Node {
    pub(super) client: TrackerClient,
    pub(super) peers: Vec<(Topic, Vec<(PeerId, SocketAddr)>)>,
    pub(super) observed: Vec<SocketAddr>,
    /// Sender and bytes.
    pub(super) signals: Vec<(PeerId, Bytes)>,
}

impl Node {
    /// All addresses it learned.
    pub(super) fn known(&self) -> BTreeSet<SocketAddr> {
        self.peers.iter().flat_map(|(_, peers)| peers).map(|(_, address)| *address).collect()
    }
}

enum Arrival {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        datagram: Bytes,
    },
    /// At the tracker, of a client, over a connection.
    Request {
        connection: u64,
        request: Bytes,
    },
    /// At a client, over a connection; none: it has ended.
    Response {
        connection: u64,
        response: Option<Bytes>,
    },
    /// At a client.
    Event {
        client: SocketAddr,
        event: ClientEvent,
    },
}

/// What a network does to datagrams, in percent.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) lost: usize,
    pub(super) doubled: usize,
    /// Longest delay; everybody has 20 ms at least.
    pub(super) delay_ms: usize,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) datagrams: usize,
    pub(super) exchanges: usize,
    pub(super) lookups: usize,
}

pub(super) struct Net {
    pub(super) now: Timestamp,
    pub(super) faults: Faults,
    pub(super) servers: BTreeMap<SocketAddr, TrackerServer>,
    pub(super) nodes: BTreeMap<SocketAddr, Node>,
    pub(super) names: BTreeMap<TrackerKey, Vec<SocketAddr>>,
    /// Trackers that are down.
    pub(super) down: BTreeSet<SocketAddr>,
    /// Trackers that no datagram reaches.
    pub(super) udp_blocked: BTreeSet<SocketAddr>,
    /// What nodes sent to trackers.
    pub(super) traffic: Traffic,
    /// What nodes sent beside that, so that NATs keep them.
    pub(super) keep_alives: usize,
    /// After how long a silence a NAT in front of each node forgets it.
    pub(super) nat_timeout: Option<Duration>,
    /// Port on the outside, and when it was last used.
    mappings: BTreeMap<SocketAddr, (u16, Timestamp)>,
    /// Client and tracker of each TCP connection.
    pub(super) lines: BTreeMap<u64, (SocketAddr, SocketAddr)>,
    /// Those that nothing passes any more.
    dead: BTreeSet<u64>,
    arrivals: BTreeMap<(Timestamp, u64), Arrival>,
    sequence: u64,
    rng: Rng,
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        // Shown when the test fails.
        println!("seed {seed}");
        Self {
            now: at(1_000),
            faults: Faults { lost: 0, doubled: 0, delay_ms: 20 },
            servers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            names: BTreeMap::new(),
            down: BTreeSet::new(),
            udp_blocked: BTreeSet::new(),
            traffic: Traffic::default(),
            keep_alives: 0,
            nat_timeout: None,
            mappings: BTreeMap::new(),
            lines: BTreeMap::new(),
            dead: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            sequence: 0,
            rng: Rng::from_seed(seed),
        }
    }

    pub(super) fn add_tracker(&mut self, name: &str, address: SocketAddr) {
        let secret = [self.rng.next_u64().to_be_bytes(); 4].concat().try_into().unwrap();
        self.servers.insert(address, TrackerServer::new(ServerConfig::default(), secret));
        self.names.entry(name.into()).or_default().push(address);
    }

    pub(super) fn add_node(&mut self, address: SocketAddr, id: PeerId) {
        let client = TrackerClient::new(id, self.rng.next_u64());
        let (peers, observed, signals) = (Vec::new(), Vec::new(), Vec::new());
        self.nodes.insert(address, Node { client, peers, observed, signals });
    }

    pub(super) fn join(&mut self, node: SocketAddr, trackers: &[&str], seed: bool) {
        let trackers = trackers.iter().map(|name| TrackerKey::from(*name)).collect();
        let event = ClientEvent::Join { topic: TOPIC, trackers, listen_port: 7_000, seed };
        self.tell(node, event);
    }

    pub(super) fn tell(&mut self, node: SocketAddr, event: ClientEvent) {
        let now = self.now;
        self.nodes.get_mut(&node).unwrap().client.handle_event(now, event);
        self.drain(node);
    }

    /// Seeds and leeches of the topic at a tracker.
    pub(super) fn size(&self, tracker: SocketAddr) -> (usize, usize) {
        self.servers[&tracker].size(TOPIC)
    }

    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut steps = 0;
        while let Some(next) = self.next_step().filter(|next| *next <= end) {
            steps += 1;
            assert!(steps < 1_000_000, "no end at {:?}", self.now);
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    fn next_step(&self) -> Option<Timestamp> {
        let clients = self.nodes.values().filter_map(|node| node.client.poll_timeout());
        let servers = self.servers.values().filter_map(TrackerServer::poll_timeout);
        let arrival = self.arrivals.keys().next().map(|(time, _)| *time);
        clients.chain(servers).chain(arrival).min()
    }

    fn step(&mut self) {
        while let Some(entry) =
            self.arrivals.first_entry().filter(|entry| entry.key().0 <= self.now)
        {
            let arrival = entry.remove();
            self.arrive(arrival);
        }
        let now = self.now;
        for server in self.servers.values_mut() {
            server.handle_timeout(now);
        }
        for address in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.nodes.get_mut(&address).unwrap().client.handle_timeout(now);
            self.drain(address);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now;
        match arrival {
            Arrival::Datagram { from, to, datagram } => {
                if self.down.contains(&to) || self.udp_blocked.contains(&to) {
                    return;
                }
                if let Some(server) = self.servers.get_mut(&to) {
                    server.handle_event(now, ServerEvent::Datagram { from, datagram });
                    self.drain_server(to);
                } else if let Some(node) = self.inside(to).filter(|to| self.nodes.contains_key(to))
                {
                    self.tell(node, ClientEvent::Datagram { from, datagram });
                }
            }
            Arrival::Request { connection, request } => self.requested(connection, request),
            Arrival::Response { connection, response } => {
                let Some((client, from)) = self.lines.get(&connection).copied() else { return };
                let event = match response {
                    Some(message) => ClientEvent::StreamMessage { from, message },
                    None => {
                        self.lines.remove(&connection);
                        ClientEvent::StreamLost { to: from }
                    }
                };
                self.tell(client, event);
            }
            Arrival::Event { client, event } => self.tell(client, event),
        }
    }

    fn requested(&mut self, connection: u64, request: Bytes) {
        let line = self.lines.get(&connection).filter(|_| !self.dead.contains(&connection));
        let Some((client, tracker)) = line.copied() else { return };
        if self.down.contains(&tracker) || !self.servers.contains_key(&tracker) {
            return self.after(20, Arrival::Response { connection, response: None });
        }
        // Over TCP the port is another one.
        let from = SocketAddr::new(client.ip(), 50_000);
        let event = ServerEvent::Request { connection, from, request };
        self.servers.get_mut(&tracker).unwrap().handle_event(self.now, event);
        self.drain_server(tracker);
    }

    /// All connections end, and both sides are told.
    pub(super) fn cut_lines(&mut self) {
        for (connection, (_, tracker)) in self.lines.clone() {
            let server = self.servers.get_mut(&tracker).unwrap();
            server.handle_event(self.now, ServerEvent::Closed { connection });
            self.after(0, Arrival::Response { connection, response: None });
        }
    }

    /// Trackers are started anew, and no packet tells their clients.
    pub(super) fn forget_lines(&mut self) {
        for server in self.servers.values_mut() {
            *server = TrackerServer::new(ServerConfig::default(), [9; 32]);
        }
        self.dead.extend(self.lines.keys());
    }

    fn drain_server(&mut self, tracker: SocketAddr) {
        while let Some(action) = self.servers.get_mut(&tracker).unwrap().poll() {
            match action {
                ServerAction::Reply { connection, response }
                | ServerAction::Push { connection, response } => {
                    let response = Some(response);
                    self.after(20, Arrival::Response { connection, response });
                }
                ServerAction::Send { to, datagram } => self.send(tracker, to, &datagram),
                ServerAction::SendFromOther { .. } => panic!("nobody asks for it"),
                ServerAction::Attend { .. } => {}
                ServerAction::Close { .. } | ServerAction::Relay { .. } => panic!(),
            }
        }
    }

    /// The connection between a node and a tracker, opened if there is none.
    fn line(&mut self, client: SocketAddr, tracker: SocketAddr) -> u64 {
        let known = self.lines.iter().find(|(_, ends)| **ends == (client, tracker));
        if let Some((connection, _)) = known {
            return *connection;
        }
        self.sequence += 1;
        self.lines.insert(self.sequence, (client, tracker));
        self.sequence
    }

    fn hang_up(&mut self, client: SocketAddr, tracker: SocketAddr) {
        let connection = self.line(client, tracker);
        self.lines.remove(&connection);
        if let Some(server) = self.servers.get_mut(&tracker) {
            server.handle_event(self.now, ServerEvent::Closed { connection });
        }
    }

    fn drain(&mut self, address: SocketAddr) {
        while let Some(action) = self.nodes.get_mut(&address).unwrap().client.poll() {
            let node = self.nodes.get_mut(&address).unwrap();
            match action {
                ClientAction::Peers { topic, addresses } => node.peers.push((topic, addresses)),
                ClientAction::Observed { address, .. } => node.observed.push(address),
                ClientAction::Signal { sender, sealed, .. } => node.signals.push((sender, sealed)),
                ClientAction::Send { to, datagram } => {
                    if is_keep_alive(&datagram) {
                        self.keep_alives += 1;
                    } else {
                        self.traffic.datagrams += 1;
                    }
                    self.send(address, to, &datagram);
                }
                ClientAction::Resolve { tracker } => {
                    self.traffic.lookups += 1;
                    let event = match self.names.get(&tracker) {
                        Some(addresses) => {
                            ClientEvent::Resolved { tracker, addresses: addresses.clone() }
                        }
                        None => {
                            ClientEvent::ResolveFailed { tracker, reason: "no such name".into() }
                        }
                    };
                    self.after(30, Arrival::Event { client: address, event });
                }
                ClientAction::SendStream { to, message } => {
                    if is_keep_alive(&message) {
                        self.keep_alives += 1;
                    } else {
                        self.traffic.exchanges += 1;
                    }
                    let connection = self.line(address, to);
                    self.after(60, Arrival::Request { connection, request: message });
                }
                ClientAction::CloseStream { to } => self.hang_up(address, to),
            }
        }
    }

    /// Where others see a node, and may reach it until it has been silent for too long.
    fn outside(&mut self, node: SocketAddr) -> SocketAddr {
        let Some(timeout) = self.nat_timeout.filter(|_| self.nodes.contains_key(&node)) else {
            return node;
        };
        let (port, used) = self.mappings.entry(node).or_insert((10_000, self.now));
        if self.now - *used >= timeout {
            *port += 1;
        }
        *used = self.now;
        SocketAddr::new(node.ip(), *port)
    }

    /// Who is behind an address.
    fn inside(&self, outside: SocketAddr) -> Option<SocketAddr> {
        let Some(timeout) = self.nat_timeout else { return Some(outside) };
        let is_behind = |node: &SocketAddr, port| SocketAddr::new(node.ip(), port) == outside;
        let mapping = self.mappings.iter().find(|(node, (port, _))| is_behind(node, *port));
        let mapping = mapping.filter(|(_, (_, used))| self.now - *used < timeout);
        mapping.map(|(node, _)| *node)
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, datagram: &Bytes) {
        assert!(datagram.len() <= 1_200);
        let from = self.outside(from);
        let copies = if self.rng.below(100) < self.faults.doubled { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.below(100) >= self.faults.lost {
                let delay = 20 + self.rng.below(self.faults.delay_ms + 1);
                self.after(delay, Arrival::Datagram { from, to, datagram: datagram.clone() });
            }
        }
    }

    fn after(&mut self, milliseconds: usize, arrival: Arrival) {
        self.sequence += 1;
        let time = self.now + Duration::from_millis(milliseconds.try_into().unwrap());
        self.arrivals.insert((time, self.sequence), arrival);
    }
}

fn is_keep_alive(datagram: &Bytes) -> bool {
    use peerit_proto::tracker::v1::{Request, request::Body};
    let request = <Request as peerit_proto::Message>::decode(datagram.clone()).unwrap();
    matches!(request.body, Some(Body::Scrape(scrape)) if scrape.topics.is_empty())
}
