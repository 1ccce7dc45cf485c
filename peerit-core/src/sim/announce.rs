//! The tracker, its clients, and the mail between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;

use super::engine::{Event, Simulation, ns};
use super::host::{State, address_of, host_at};
use super::link::loses;
use super::scenario::Role;
use crate::id::{ContentId, Topic};
use crate::rng::Rng;
use crate::swarm;
use crate::tracker::{
    ClientAction, ClientEvent, ServerAction, ServerConfig, ServerEvent, TrackerKey, TrackerServer,
};

/// Of the tracker to the core of the network, one way, in ns. Its link is never the bottleneck.
const LATENCY: u64 = 10_000_000;
/// Its name.
const NAME: &str = "tracker:59000";
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(31, 0, 0, 1)), 59_000);

/// The tracker and all that is on its way to or from it.
pub(super) struct Tracker {
    server: TrackerServer,
    topic: Topic,
    /// Places of mail that has come are used again.
    mail: Vec<Option<Mail>>,
    free: Vec<u32>,
}

enum Mail {
    Datagram(Bytes),
    Request(Bytes),
    ToClient(ClientEvent),
}

impl Tracker {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let secret = std::array::from_fn(|_| rng.next_u64().to_le_bytes()[0]);
        Self {
            server: TrackerServer::new(ServerConfig::default(), secret),
            topic: ContentId([7; 32]).topic(),
            mail: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl Simulation {
    pub(super) fn join_tracker(&mut self, host: u32) {
        let seed = self.hosts[host as usize].spec.role == Role::Seed;
        let (topic, listen_port) = (self.tracker.topic, super::host::PORT);
        let trackers = vec![TrackerKey::from(NAME)];
        self.tell_client(host, ClientEvent::Join { topic, trackers, listen_port, seed });
    }

    pub(super) fn tell_tracker_completed(&mut self, host: u32) {
        let topic = self.tracker.topic;
        self.tell_client(host, ClientEvent::Completed { topic });
    }

    pub(super) fn leave_tracker(&mut self, host: u32) {
        let topic = self.tracker.topic;
        self.tell_client(host, ClientEvent::Leave { topic });
    }

    fn tell_client(&mut self, host: u32, event: ClientEvent) {
        let now = self.timestamp();
        self.hosts[host as usize].client.handle_event(now, event);
        self.drain_client(host);
    }

    pub(super) fn wake_client(&mut self, host: u32) {
        let now = self.timestamp();
        let peer = &mut self.hosts[host as usize];
        if peer.state == State::Crashed || peer.client_wakes_at != Some(self.now) {
            return;
        }
        peer.client_wakes_at = None;
        peer.client.handle_timeout(now);
        self.drain_client(host);
    }

    fn drain_client(&mut self, host: u32) {
        while let Some(action) = self.hosts[host as usize].client.poll() {
            self.act_for_client(host, action);
        }
        let peer = &mut self.hosts[host as usize];
        let Some(due) = peer.client.poll_timeout() else { return };
        let due = ns(due.since_origin()).max(self.now + 1);
        if peer.client_wakes_at.is_none_or(|set| due < set) {
            peer.client_wakes_at = Some(due);
            self.queue.push(due, Event::ClientWake { host });
        }
    }

    fn act_for_client(&mut self, host: u32, action: ClientAction) {
        let one_way = self.ports[host as usize].latency + LATENCY;
        match action {
            ClientAction::Resolve { tracker } => {
                let event = ClientEvent::Resolved { tracker, addresses: vec![ADDRESS] };
                self.post(host, 2 * one_way, Mail::ToClient(event));
            }
            ClientAction::Send { datagram, .. } => {
                self.post_datagram(host, Mail::Datagram(datagram));
            }
            ClientAction::SendStream { message, .. } => {
                // Connecting takes a round trip.
                self.post(host, 3 * one_way, Mail::Request(message));
            }
            ClientAction::CloseStream { .. } => {
                let closed = ServerEvent::Closed { connection: host.into() };
                self.ask_server(host, closed);
            }
            ClientAction::Peers { addresses, .. } => {
                let addresses = addresses.into_iter().map(|(_, address)| address).collect();
                self.tell(host, swarm::Event::AddressesFound { addresses });
                self.settle(host);
            }
            ClientAction::Observed { .. } | ClientAction::Signal { .. } => {}
        }
    }

    /// A datagram to or from a host, which may be lost.
    fn post_datagram(&mut self, host: u32, mail: Mail) {
        let at_host = host as usize;
        // The tracker's own link loses nothing: half of the loss of a path between two such hosts.
        let lost = self.rng.below(2) == 0 && loses(&self.ports, (at_host, at_host), &mut self.rng);
        if !lost {
            self.post(host, self.ports[at_host].latency + LATENCY, mail);
        }
    }

    fn post(&mut self, host: u32, after: u64, mail: Mail) {
        let place = self.tracker.free.pop().unwrap_or_else(|| {
            self.tracker.mail.push(None);
            u32::try_from(self.tracker.mail.len() - 1).unwrap_or(u32::MAX)
        });
        self.tracker.mail[place as usize] = Some(mail);
        self.queue.push(self.now + after, Event::Mail { host, mail: place });
    }

    pub(super) fn mail_came(&mut self, host: u32, place: u32) {
        let Some(mail) = self.tracker.mail[place as usize].take() else { return };
        self.tracker.free.push(place);
        match mail {
            Mail::Datagram(datagram) => {
                let from = address_of(host);
                self.ask_server(host, ServerEvent::Datagram { from, datagram });
            }
            Mail::Request(request) => {
                let (from, connection) = (address_of(host), host.into());
                self.ask_server(host, ServerEvent::Request { connection, from, request });
            }
            Mail::ToClient(_) if self.hosts[host as usize].state == State::Crashed => {}
            Mail::ToClient(event) => self.tell_client(host, event),
        }
    }

    fn ask_server(&mut self, host: u32, event: ServerEvent) {
        let now = self.timestamp();
        let server = &mut self.tracker.server;
        if server.poll_timeout().is_some_and(|due| due <= now) {
            server.handle_timeout(now);
        }
        server.handle_event(now, event);
        let one_way = self.ports[host as usize].latency + LATENCY;
        while let Some(action) = self.tracker.server.poll() {
            match action {
                ServerAction::Send { to, datagram } => {
                    let Some(to) = host_at(to, self.hosts.len()) else { continue };
                    let event = ClientEvent::Datagram { from: ADDRESS, datagram };
                    self.post_datagram(to, Mail::ToClient(event));
                }
                ServerAction::Reply { connection, response }
                | ServerAction::Push { connection, response } => {
                    // A connection has the number of its host.
                    let to = u32::try_from(connection).unwrap_or(host);
                    let event = ClientEvent::StreamMessage { from: ADDRESS, message: response };
                    let one_way = self.ports[to as usize].latency + LATENCY;
                    self.post(to, one_way, Mail::ToClient(event));
                }
                // Nobody is behind a NAT here.
                ServerAction::SendFromOther { .. } | ServerAction::Attend { .. } => {}
                // This tracker is no relay.
                ServerAction::Close { .. } | ServerAction::Relay { .. } => {
                    let event = ClientEvent::StreamLost { to: ADDRESS };
                    self.post(host, one_way, Mail::ToClient(event));
                }
            }
        }
    }
}
