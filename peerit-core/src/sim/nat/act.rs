//! What hosts do.

use std::net::SocketAddr;
use std::time::Duration;

use super::boxes::Carrier;
use super::engine::{CONTENT, Happening, NatSimulation, Payload};
use super::host::{SOCKETS_PORT, TCP_PORT, UDP_PORT};
use super::net::{Header, OTHER_PORT, TRACKERS, tracker_ip};
use super::report::NatEnd;
use crate::nat::{Action, Event, Fault, Opening, WayKey};
use crate::path::Path;
use crate::tracker::{ClientAction, ClientEvent, DEFAULT_PORT, TrackerKey};

/// How long a driver takes to give a connection up.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// When the first packet of a connection is sent again, after the first and after the second time.
const RESENDS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// When the last packet of a handshake is sent again, as the data that follow it are.
const CONFIRMS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(600), Duration::from_millis(1_400)];

/// When a swarm dials a peer again.
const RETRY: Duration = Duration::from_secs(10);

impl NatSimulation {
    pub(super) fn join(&mut self, host: usize) {
        let (topic, key) = (CONTENT.topic(), CONTENT.swarm_key());
        let relay = SocketAddr::new(tracker_ip(0, true), DEFAULT_PORT);
        let relays = if self.relay { vec![relay] } else { Vec::new() };
        self.tell_traversal(host, Event::Join { topic, key, relays });
        let candidates = self.hosts[host].candidates();
        self.tell_traversal(host, Event::LocalCandidates { candidates });
        let trackers = (0..TRACKERS).map(|n| TrackerKey::from(n.to_string().as_str())).collect();
        // Seeds are told of leeches only, so at least one is no seed.
        let event = ClientEvent::Join { topic, trackers, listen_port: TCP_PORT, seed: false };
        self.tell_client(host, event);
    }

    /// Does what is due at a host.
    pub(super) fn wake(&mut self, host: usize) {
        let now = self.now;
        if self.hosts[host].client.poll_timeout().is_some_and(|due| due <= now) {
            self.hosts[host].client.handle_timeout(now);
            self.drain_client(host);
        }
        if self.hosts[host].traversal.poll_timeout().is_some_and(|due| due <= now) {
            self.hosts[host].traversal.handle_timeout(now);
            self.drain_traversal(host);
        }
        if self.hosts[host].retry_at.is_some_and(|due| due <= now) {
            self.hosts[host].retry_at = None;
            self.want(host, Vec::new());
        }
    }

    pub(super) fn tell_client(&mut self, host: usize, event: ClientEvent) {
        self.hosts[host].client.handle_event(self.now, event);
        self.drain_client(host);
    }

    pub(super) fn tell_traversal(&mut self, host: usize, event: Event) {
        self.hosts[host].traversal.handle_event(self.now, event);
        self.drain_traversal(host);
    }

    fn drain_client(&mut self, host: usize) {
        while let Some(action) = self.hosts[host].client.poll() {
            match action {
                ClientAction::Resolve { tracker } => {
                    let number = tracker.as_str().parse().unwrap_or(0);
                    let has_ipv6 = self.hosts[host].addresses.v6.is_some();
                    let families = [true, false].into_iter().filter(|ipv4| *ipv4 || has_ipv6);
                    let at = |ipv4| SocketAddr::new(tracker_ip(number, ipv4), DEFAULT_PORT);
                    let addresses = families.map(at).collect();
                    let event = ClientEvent::Resolved { tracker, addresses };
                    self.after(Duration::from_millis(20), Happening::Client(host, event));
                }
                ClientAction::Send { to, datagram } => self.send_datagram(host, to, datagram),
                ClientAction::SendStream { to, message } => {
                    self.send_tcp(host, to, Payload::Request { by: host, request: message });
                }
                ClientAction::CloseStream { to } => self.hang_up(host, to),
                ClientAction::Peers { addresses, .. } => {
                    self.want(host, addresses.into_iter().map(|(_, address)| address).collect());
                }
                ClientAction::Observed { tracker: observer, address, other_port } => {
                    self.tell_traversal(host, Event::Observed { observer, address, other_port });
                }
                ClientAction::Signal { topic, sender, sender_address, sealed } => {
                    let event = Event::Signal { topic, sender, sender_address, sealed };
                    self.tell_traversal(host, event);
                }
            }
        }
    }

    /// The host's swarm dials the other, unless it has it.
    fn want(&mut self, host: usize, addresses: Vec<SocketAddr>) {
        let peer = self.hosts[1 - host].id;
        let this = &mut self.hosts[host];
        if this.wants && this.path.is_none() && !this.is_trying {
            this.is_trying = true;
            self.tell_traversal(host, Event::Want { topic: CONTENT.topic(), peer, addresses });
        }
    }

    fn drain_traversal(&mut self, host: usize) {
        while let Some(action) = self.hosts[host].traversal.poll() {
            match action {
                Action::SendSignal { topic, receiver, sealed } => {
                    self.hosts[host].signals += 1;
                    self.tell_client(host, ClientEvent::Signal { topic, receiver, sealed });
                }
                Action::SendStun { to, datagram } => {
                    self.hosts[host].checks += usize::from(to.port() != OTHER_PORT);
                    self.send_datagram(host, to, datagram);
                }
                Action::OpenSockets { count } => {
                    self.hosts[host].sockets = count;
                    let event = Event::SocketsOpened { count };
                    self.after(Duration::ZERO, Happening::Traversal(host, event));
                }
                Action::SendFrom { socket, to, datagram } => {
                    self.hosts[host].checks += 1;
                    self.send_datagram_from(host, SOCKETS_PORT + socket, to, datagram);
                }
                Action::CloseSockets => self.hosts[host].sockets = 0,
                Action::Open { way, opening, .. } => self.open(host, way, opening),
                Action::Close { way } => drop(self.hosts[host].ways.remove(&way)),
                Action::Established { attempt, path, report, .. } => {
                    self.ended(
                        host,
                        NatEnd { at: self.since(), attempt, path: Some(path), report },
                    );
                }
                Action::Failed { attempt, report, .. } => {
                    self.ended(host, NatEnd { at: self.since(), attempt, path: None, report });
                }
            }
        }
    }

    fn since(&self) -> Duration {
        self.now.since_origin()
    }

    fn ended(&mut self, host: usize, end: NatEnd) {
        let this = &mut self.hosts[host];
        this.is_trying = false;
        match end.path {
            Some(path) => this.connected(self.now, path),
            None if this.path.is_none() => {
                // Half of it at random, as swarms do: two that look for each other must not be out of step for ever.
                let part = Duration::from_millis(self.rng.below(5_000) as u64);
                this.retry_at = Some(self.now + RETRY / 2 + part);
            }
            None => {}
        }
        this.ends.push(end);
    }

    fn send_tcp(&mut self, host: usize, to: SocketAddr, payload: Payload) {
        let port = self.hosts[host].new_port();
        if let Some(ip) = self.hosts[host].ip_towards(to) {
            let from = SocketAddr::new(ip, port);
            self.send(host, Header { carrier: Carrier::Tcp, from, to }, payload);
        }
    }

    fn open(&mut self, host: usize, way: WayKey, opening: Opening) {
        let (to, port) = match opening {
            Opening::Tcp { address } => (address, None),
            Opening::Quic { address } => (address, Some(UDP_PORT)),
            Opening::QuicFrom { socket, address } => (address, Some(SOCKETS_PORT + socket)),
            Opening::Relay { relay, .. } => (relay, None),
        };
        self.after(OPEN_TIMEOUT, Happening::GiveUp(host, way));
        let this = &mut self.hosts[host];
        let port = port.unwrap_or_else(|| this.new_port());
        let Some(ip) = this.ip_towards(to) else { return };
        this.ways.insert(way, (opening, SocketAddr::new(ip, port)));
        for delay in [Duration::ZERO].into_iter().chain(RESENDS) {
            let is_stream = matches!(opening, Opening::Relay { .. });
            if delay.is_zero() || !is_stream {
                self.after(delay, Happening::Resend(host, way));
            }
        }
    }

    pub(super) fn give_up(&mut self, host: usize, way: WayKey) {
        if self.hosts[host].ways.remove(&way).is_some() {
            self.tell_traversal(host, Event::OpenFailed { way, fault: Fault::TimedOut });
        }
    }

    /// Sends the first packet of a connection that is not open yet.
    pub(super) fn resend(&mut self, host: usize, way: WayKey) {
        let Some((opening, from)) = self.hosts[host].ways.get(&way).copied() else { return };
        let handshake = Payload::Handshake { by: host, way, step: 0 };
        let (carrier, to, payload) = match opening {
            Opening::Tcp { address } => (Carrier::Tcp, address, handshake),
            Opening::Quic { address } | Opening::QuicFrom { address, .. } => {
                (Carrier::Udp, address, handshake)
            }
            Opening::Relay { relay, token } => {
                (Carrier::Tcp, relay, Payload::Meet { by: host, way, token })
            }
        };
        self.send(host, Header { carrier, from, to }, payload);
    }

    /// A packet has come to a host.
    pub(super) fn received(&mut self, host: usize, header: Header, payload: Payload) {
        match payload {
            Payload::Datagram(datagram) => {
                let from = header.from;
                if let Some(socket) = header.to.port().checked_sub(SOCKETS_PORT) {
                    // Those that are closed by now hear nothing.
                    if socket < self.hosts[host].sockets {
                        self.tell_traversal(host, Event::StunAt { socket, from, datagram });
                    }
                } else if crate::tracker::stun::is_stun(&datagram) {
                    self.tell_traversal(host, Event::Stun { from, datagram });
                } else {
                    self.tell_client(host, ClientEvent::Datagram { from, datagram });
                }
            }
            Payload::Handshake { by, way, step } => self.shake_hands(host, header, by, way, step),
            Payload::Request { .. } | Payload::Meet { .. } => {}
        }
    }

    fn shake_hands(&mut self, host: usize, header: Header, by: usize, way: WayKey, step: u8) {
        let Header { carrier, from, to } = header;
        let listens = to.port() == if carrier == Carrier::Tcp { TCP_PORT } else { UDP_PORT };
        let is_mine = by == host;
        let answer = Payload::Handshake { by, way, step: step + 1 };
        let back = Header { carrier, from: to, to: from };
        match step {
            // One that dials itself finds out by the key.
            0 if !is_mine && listens => self.send(host, back, answer),
            1 if is_mine && self.hosts[host].ways.remove(&way).is_some() => {
                for delay in [Duration::ZERO].into_iter().chain(CONFIRMS) {
                    self.after(delay, Happening::Confirm(host, back, answer.clone()));
                }
                self.tell_traversal(host, Event::Opened { way });
            }
            2 if !is_mine && self.hosts[host].accepted.insert(way) => {
                let (topic, peer) = (CONTENT.topic(), self.hosts[by].id);
                let by_quic = carrier == Carrier::Udp;
                let event = Event::Accepted { topic, peer, address: from, by_quic };
                self.tell_traversal(host, event);
                // Also one that nobody has looked for here.
                self.hosts[host].connected(self.now, Path::Direct);
            }
            _ => {}
        }
    }
}
