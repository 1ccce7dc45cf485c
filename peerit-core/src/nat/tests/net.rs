//! Machines on fake time. What they do is drawn as lines of text, so that a test shows a whole course.

use std::collections::{BTreeMap, BTreeSet};

use peerit_proto::nat::v1 as proto;

use super::*;
use crate::path::Path;

/// One way through the network.
const DELAY: Duration = Duration::from_millis(20);

/// How long a dial into the void takes to fail.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A machine: its name is a letter, its id and address are made of its number.
pub(super) struct Machine {
    pub(super) traversal: NatTraversal,
    /// Takes TCP connections.
    pub(super) dialable: bool,
    /// Datagrams go in and out.
    pub(super) udp: bool,
    /// Trackers reach it with signals.
    pub(super) hears_signals: bool,
    /// The most sockets that it opens beside the shared one.
    pub(super) sockets_max: u16,
    /// Those that have sent something, so that its NAT has a port open for each.
    pub(super) sockets: BTreeSet<u16>,
    pub(super) ends: Vec<Action>,
    pub(super) recording: Option<Vec<proto::Step>>,
}

enum Arrival {
    Event { at: usize, event: Event },
    Dial { from: usize, way: WayKey, to: SocketAddr, quic: bool },
}

pub(super) struct Net {
    pub(super) now: Timestamp,
    pub(super) machines: Vec<Machine>,
    /// What was signalled, for those who want to say it again.
    pub(super) signals: Vec<(usize, Event)>,
    pub(super) checks: usize,
    /// Whether trackers say where they see who signals.
    pub(super) vouches: bool,
    arrivals: BTreeMap<(Timestamp, u64), Arrival>,
    sequence: u64,
    /// What was shown to the relay.
    pub(super) tokens: Vec<RelayToken>,
    /// Who waits at the relay.
    waiting: BTreeMap<RelayToken, (usize, WayKey)>,
    closed: BTreeSet<(usize, WayKey)>,
    checked: BTreeSet<(usize, SocketAddr)>,
    lines: Vec<String>,
}

pub(super) const RELAY: &str = "203.0.113.9:59000";

pub(super) fn id(machine: usize) -> PeerId {
    PeerId([u8::try_from(machine).unwrap() + 1; 32])
}

pub(super) fn udp(machine: usize) -> SocketAddr {
    at(&format!("198.51.100.{}:7", machine + 1))
}

pub(super) fn tcp(machine: usize) -> SocketAddr {
    SocketAddr::new(udp(machine).ip(), 80)
}

/// Where the NAT of a machine maps one of its sockets.
pub(super) fn socket_at(machine: usize, socket: u16) -> SocketAddr {
    SocketAddr::new(udp(machine).ip(), 30_000 + 100 * socket)
}

fn letter(machine: usize) -> char {
    char::from(b'a' + u8::try_from(machine).unwrap())
}

impl Net {
    /// So many machines that cannot be dialled, in one swarm without a relay.
    pub(super) fn new(machines: usize) -> Self {
        let machines = (0..machines).map(|number| Machine {
            traversal: NatTraversal::new(id(number), [u8::try_from(number).unwrap(); 32]),
            dialable: false,
            udp: true,
            hears_signals: true,
            sockets_max: u16::MAX,
            sockets: BTreeSet::new(),
            ends: Vec::new(),
            recording: None,
        });
        let mut net = Self {
            now: ms(0),
            machines: machines.collect(),
            signals: Vec::new(),
            checks: 0,
            vouches: true,
            arrivals: BTreeMap::new(),
            sequence: 0,
            tokens: Vec::new(),
            waiting: BTreeMap::new(),
            closed: BTreeSet::new(),
            checked: BTreeSet::new(),
            lines: Vec::new(),
        };
        for machine in 0..net.machines.len() {
            net.join(machine, &[]);
            net.tell(machine, Event::LocalCandidates { candidates: places(machine) });
        }
        net
    }

    pub(super) fn join(&mut self, machine: usize, relays: &[&str]) {
        let relays = relays.iter().map(|relay| at(relay)).collect();
        let (topic, key) = (CONTENT.topic(), CONTENT.swarm_key());
        self.tell(machine, Event::Join { topic, key, relays });
    }

    pub(super) fn with_relay(mut self) -> Self {
        (0..self.machines.len()).for_each(|machine| self.join(machine, &[RELAY]));
        self
    }

    pub(super) fn want(&mut self, machine: usize, peer: usize) {
        let (topic, addresses) = (CONTENT.topic(), vec![tcp(peer)]);
        self.tell(machine, Event::Want { topic, peer: id(peer), addresses });
    }

    pub(super) fn tell(&mut self, machine: usize, event: Event) {
        self.call(machine, Some(event));
    }

    fn call(&mut self, number: usize, event: Option<Event>) {
        let now = self.now;
        let machine = &mut self.machines[number];
        let twin = event.as_ref().map(proto::Event::from);
        match event {
            Some(event) => machine.traversal.handle_event(now, event),
            None => machine.traversal.handle_timeout(now),
        }
        let actions: Vec<_> = std::iter::from_fn(|| machine.traversal.poll()).collect();
        if let Some(recording) = &mut machine.recording {
            let at_ns = u64::try_from(now.since_origin().as_nanos()).unwrap();
            let actions = actions.iter().map(proto::Action::from).collect();
            recording.push(proto::Step { at_ns, event: twin, actions });
        }
        for action in actions {
            self.act(number, action);
        }
    }

    fn draw(&mut self, machine: usize, line: &str) {
        let now = self.now.since_origin().as_millis();
        self.lines.push(format!("{now:>5} {} {line}", letter(machine)));
    }

    /// What has happened since the last drawing; checks only when an address is checked for the first time.
    pub(super) fn drawn(&mut self) -> String {
        std::mem::take(&mut self.lines).join("\n")
    }

    fn act(&mut self, from: usize, action: Action) {
        match action {
            Action::SendSignal { topic, receiver, sealed } => {
                let to = (0..self.machines.len()).find(|machine| id(*machine) == receiver);
                let Some(to) = to else { return };
                self.draw(from, &format!("signals {}", letter(to)));
                let event = Event::Signal {
                    topic,
                    sender: id(from),
                    sender_address: self.vouches.then(|| udp(from)),
                    sealed,
                };
                self.signals.push((to, event.clone()));
                if self.machines[to].hears_signals {
                    self.after(DELAY * 2, Arrival::Event { at: to, event });
                }
            }
            Action::SendStun { to, datagram } => {
                self.checks += 1;
                // Of many ports that are tried one after another those that are open are drawn.
                let is_open = |machine: &usize| {
                    let sockets = &self.machines[*machine].sockets;
                    sockets.iter().any(|socket| socket_at(*machine, *socket) == to)
                };
                let found = (0..self.machines.len()).find(is_open);
                let is_place = found.is_some() || to.port() == udp(from).port();
                if is_place && self.checked.insert((from, to)) {
                    self.draw(from, &format!("checks {to}"));
                }
                let receiver = (0..self.machines.len()).find(|machine| udp(*machine) == to);
                let receiver = receiver.filter(|to| self.machines[*to].udp);
                if let Some(machine) = found {
                    let socket = (to.port() - socket_at(machine, 0).port()) / 100;
                    let event = Event::StunAt { socket, from: udp(from), datagram };
                    self.after(DELAY, Arrival::Event { at: machine, event });
                } else if let Some(to) = receiver.filter(|_| self.machines[from].udp) {
                    let event = Event::Stun { from: udp(from), datagram };
                    self.after(DELAY, Arrival::Event { at: to, event });
                }
            }
            Action::OpenSockets { count } => {
                self.draw(from, &format!("opens {count} sockets"));
                let count = count.min(self.machines[from].sockets_max);
                self.tell(from, Event::SocketsOpened { count });
            }
            Action::SendFrom { socket, .. } => {
                self.checks += 1;
                self.machines[from].sockets.insert(socket);
            }
            Action::CloseSockets => {
                self.draw(from, "closes them");
                self.machines[from].sockets.clear();
            }
            Action::Open { way, opening, .. } => self.open(from, way, opening),
            Action::Close { way } => drop(self.closed.insert((from, way))),
            Action::Established { path, ref report, .. } => {
                self.draw(from, &format!("has {path:?}: {report}"));
                self.machines[from].ends.push(action);
            }
            Action::Failed { ref report, .. } => {
                self.draw(from, &format!("fails: {report}"));
                self.machines[from].ends.push(action);
            }
        }
    }

    fn open(&mut self, from: usize, way: WayKey, opening: Opening) {
        match opening {
            Opening::Tcp { address } => {
                self.draw(from, &format!("dials {address}"));
                self.after(DELAY, Arrival::Dial { from, way, to: address, quic: false });
            }
            Opening::Quic { address } => {
                self.draw(from, &format!("dials {address} by QUIC"));
                self.after(DELAY, Arrival::Dial { from, way, to: address, quic: true });
            }
            Opening::QuicFrom { socket, address } => {
                self.draw(from, &format!("dials {address} by QUIC from socket {socket}"));
                let peer = (0..self.machines.len()).find(|machine| udp(*machine) == address);
                let (topic, peer_id) = (CONTENT.topic(), id(from));
                if let Some(peer) = peer {
                    let address = socket_at(from, socket);
                    let event = Event::Accepted { topic, peer: peer_id, address, by_quic: true };
                    self.after(DELAY, Arrival::Event { at: peer, event });
                    self.after(
                        DELAY * 2,
                        Arrival::Event { at: from, event: Event::Opened { way } },
                    );
                }
            }
            Opening::Relay { relay, token } => {
                self.draw(from, &format!("meets at {relay}"));
                self.tokens.push(token);
                if let Some((other, its)) = self.waiting.remove(&token).filter(|it| it.0 != from) {
                    for (at, way) in [(other, its), (from, way)] {
                        let event = Event::Opened { way };
                        self.after(DELAY * 4, Arrival::Event { at, event });
                    }
                } else {
                    self.waiting.insert(token, (from, way));
                    let event = Event::OpenFailed { way, fault: Fault::TimedOut };
                    self.after(DIAL_TIMEOUT, Arrival::Event { at: from, event });
                }
            }
        }
    }

    fn dialled(&mut self, from: usize, way: WayKey, to: SocketAddr, quic: bool) {
        let listens = |number: &usize| {
            let machine = &self.machines[*number];
            let tcp_here = !quic && machine.dialable && tcp(*number) == to;
            tcp_here || quic && machine.udp && udp(*number) == to
        };
        let Some(number) = (0..self.machines.len()).find(listens) else {
            let event = Event::OpenFailed { way, fault: Fault::TimedOut };
            return self.after(DIAL_TIMEOUT, Arrival::Event { at: from, event });
        };
        if self.closed.contains(&(from, way)) {
            return;
        }
        let address = if quic { udp(from) } else { SocketAddr::new(udp(from).ip(), 40_000) };
        let (topic, peer) = (CONTENT.topic(), id(from));
        self.after(DELAY, Arrival::Event { at: from, event: Event::Opened { way } });
        self.tell(number, Event::Accepted { topic, peer, address, by_quic: quic });
    }

    fn after(&mut self, delay: Duration, arrival: Arrival) {
        self.sequence += 1;
        self.arrivals.insert((self.now + delay, self.sequence), arrival);
    }

    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut steps = 0;
        while let Some(next) = self.next_step().filter(|next| *next <= end) {
            steps += 1;
            assert!(steps < 100_000, "no end at {:?}", self.now);
            self.now = self.now.max(next);
            while let Some(entry) = self.arrivals.first_entry().filter(|it| it.key().0 <= self.now)
            {
                match entry.remove() {
                    Arrival::Event { at, event } => self.tell(at, event),
                    Arrival::Dial { from, way, to, quic } => self.dialled(from, way, to, quic),
                }
            }
            for machine in 0..self.machines.len() {
                let due = self.machines[machine].traversal.poll_timeout();
                if due.is_some_and(|due| due <= self.now) {
                    self.call(machine, None);
                }
            }
        }
        self.now = end;
    }

    fn next_step(&self) -> Option<Timestamp> {
        let timeouts = self.machines.iter().filter_map(|machine| machine.traversal.poll_timeout());
        timeouts.chain(self.arrivals.keys().next().map(|(time, _)| *time)).min()
    }

    /// The paths that attempts of a machine ended with; none for one that failed.
    pub(super) fn paths(&self, machine: usize) -> Vec<Option<Path>> {
        let path = |end: &Action| match end {
            Action::Established { path, .. } => Some(*path),
            _ => None,
        };
        self.machines[machine].ends.iter().map(path).collect()
    }
}

/// The places of a machine.
pub(super) fn places(machine: usize) -> Vec<Candidate> {
    vec![
        Candidate::new(CandidateKind::Host, Transport::Udp, udp(machine)),
        Candidate::new(CandidateKind::Host, Transport::Tcp, tcp(machine)),
    ]
}
