//! The task that owns the traversal.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender, TrySendError};
use bytes::Bytes;
use futures_util::{FutureExt, select_biased};

use super::super::context::Context;
use super::super::input::{Input, Opened};
use super::super::interfaces::reachable_addresses;
use super::open::open;
use super::relays;
use super::sockets::{LOOK_INTERVAL, Sockets};
use super::{Command, Means};
use crate::id::{ContentId, PeerId, Topic};
use crate::nat::{
    Action, Candidate, CandidateKind, Event, Fault, NatTraversal, Opening, Transport, WayKey,
};
use crate::swarm::{self, Direction, Path};
use crate::time::Timestamp;
use crate::transport::Carrier;

/// How often the interfaces are looked at.
const INTERFACES_INTERVAL: Duration = Duration::from_secs(5);

/// Longest STUN datagram that is looked at; ICE's have less than 300 bytes.
pub(super) const STUN_MAX: usize = 1_500;

/// A swarm that takes part.
struct Swarm {
    content_id: ContentId,
    inputs: Sender<Input>,
    /// Dropped to look for its relays no more.
    _relays: Sender<Infallible>,
}

/// What a connection that was asked for came to.
type Outcome = (WayKey, Result<Opened, Fault>);

struct Driver {
    context: Arc<Context>,
    means: Arc<Means>,
    traversal: NatTraversal,
    swarms: BTreeMap<Topic, Swarm>,
    /// The addresses that swarms have asked for and not heard of.
    wanted: BTreeMap<(Topic, PeerId), VecDeque<SocketAddr>>,
    /// Dropped to give a connection up that is being opened.
    opening: BTreeMap<WayKey, Sender<Infallible>>,
    /// The connection that the traversal is being told of.
    arrived: Option<(Option<WayKey>, Opened)>,
    outcomes: Sender<Outcome>,
    /// Those beside the shared one, and when they are looked at.
    sockets: Sockets,
    sockets_at: Timestamp,
    interfaces_at: Timestamp,
    places: Vec<SocketAddr>,
    /// The ports of the router that lead to us.
    mapped: Vec<Candidate>,
}

/// Finds paths until the node shuts down.
pub(crate) async fn run(
    context: Arc<Context>,
    means: Means,
    seed: [u8; 32],
    inbox: Receiver<Command>,
    shut_down: Receiver<Infallible>,
) {
    let (outcomes, results) = async_channel::unbounded();
    let words = context.announcer.follow();
    let mut driver = Driver {
        traversal: NatTraversal::with_ice(context.peer_id, seed, means.ice),
        context,
        means: Arc::new(means),
        swarms: BTreeMap::new(),
        wanted: BTreeMap::new(),
        opening: BTreeMap::new(),
        arrived: None,
        outcomes,
        sockets: Sockets::default(),
        sockets_at: Timestamp::ZERO,
        interfaces_at: Timestamp::ZERO,
        places: Vec::new(),
        mapped: Vec::new(),
    };
    let mut buffer = [0; STUN_MAX];
    let stun = Arc::clone(&driver.means.stun);
    loop {
        driver.look_at_interfaces();
        driver.look_at_sockets();
        driver.act().await;
        let wake = driver.wakes_at();
        select_biased! {
            _ = shut_down.recv().fuse() => return,
            command = inbox.recv().fuse() => match command {
                Ok(command) => driver.obey(command).await,
                Err(_) => return,
            },
            word = words.recv().fuse() => match word {
                Ok(event) => driver.tell(event),
                // The node shuts down.
                Err(_) => return,
            },
            outcome = results.recv().fuse() => {
                if let Ok((way, result)) = outcome {
                    driver.came(way, result);
                }
            }
            received = stun.recv_from(&mut buffer).fuse() => match received {
                Ok((length, from)) => {
                    let datagram = Bytes::copy_from_slice(&buffer[..length]);
                    driver.tell(Event::Stun { from, datagram });
                }
                Err(error) => return log::error!("no more paths are found: {error}"),
            },
            () = driver.context.clock.sleep_until(&*driver.context.runtime, wake).fuse() => {}
        }
        let now = driver.context.clock.now();
        if driver.traversal.poll_timeout().is_some_and(|due| due <= now) {
            driver.traversal.handle_timeout(now);
        }
    }
}

impl Driver {
    fn tell(&mut self, event: Event) {
        self.traversal.handle_event(self.context.clock.now(), event);
    }

    /// Tells the traversal, and the trackers, when the machine has other addresses.
    fn look_at_interfaces(&mut self) {
        let now = self.context.clock.now();
        if now < self.interfaces_at {
            return;
        }
        self.interfaces_at = now + INTERFACES_INTERVAL;
        let places = self.means.stun.local_address().map(reachable_addresses).unwrap_or_default();
        if places == self.places {
            return;
        }
        let is_first = self.places.is_empty();
        self.places = places;
        if !is_first {
            // They were the other network's.
            self.mapped.clear();
        }
        self.tell_places();
        if !is_first {
            self.context.announcer.network_changed();
            if let Some(ports) = &self.context.ports {
                ports.network_changed();
            }
        }
    }

    /// When the next thing is due.
    fn wakes_at(&self) -> Option<Timestamp> {
        let sockets_at = (!self.sockets.is_empty()).then_some(self.sockets_at);
        let others = self.traversal.poll_timeout().into_iter().chain(sockets_at);
        others.chain([self.interfaces_at]).min()
    }

    fn look_at_sockets(&mut self) {
        let now = self.context.clock.now();
        if self.sockets.is_empty() || now < self.sockets_at {
            return;
        }
        self.sockets_at = now + LOOK_INTERVAL;
        for (socket, from, datagram) in self.sockets.look() {
            self.tell(Event::StunAt { socket, from, datagram });
        }
    }

    fn open_sockets(&mut self, count: u16) {
        let bound = self.means.stun.local_address().map(|address| address.ip());
        self.sockets = bound.map(|ip| Sockets::open(count, ip)).unwrap_or_default();
        self.tell(Event::SocketsOpened { count: self.sockets.count() });
    }

    /// Tells the traversal where this node may be reached.
    fn tell_places(&mut self) {
        let of = |address: &SocketAddr| {
            let tcp = SocketAddr::new(address.ip(), self.context.listen_port());
            let host = |transport, at| Candidate::new(CandidateKind::Host, transport, at);
            [host(Transport::Udp, *address), host(Transport::Tcp, tcp)]
        };
        let hosts = self.places.iter().flat_map(of);
        let candidates = hosts.chain(self.mapped.iter().copied()).collect();
        self.tell(Event::LocalCandidates { candidates });
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Join { content_id, trackers, inputs } => {
                let (topic, key) = (content_id.topic(), content_id.swarm_key());
                let (stays, left) = async_channel::bounded(1);
                self.swarms.insert(topic, Swarm { content_id, inputs, _relays: stays });
                self.tell(Event::Join { topic, key, relays: Vec::new() });
                let context = Arc::clone(&self.context);
                let finding = relays::find(context, content_id, trackers, left);
                self.context.runtime.spawn(Box::pin(finding));
            }
            Command::Want { topic, peer, address } => {
                self.wanted.entry((topic, peer)).or_default().push_back(address);
                self.tell(Event::Want { topic, peer, addresses: vec![address] });
            }
            Command::Accepted { topic, opened } => {
                let by_quic = opened.stream.carrier == Carrier::Quic;
                let (peer, address) = (opened.stream.peer_id, opened.stream.address);
                self.arrived = Some((None, opened));
                self.tell(Event::Accepted { topic, peer, address, by_quic });
                self.act().await;
                // Nobody looks for it here: it has found us without help.
                if let Some((_, opened)) = self.arrived.take() {
                    let transport = if by_quic { Transport::Udp } else { Transport::Tcp };
                    let path = self.traversal.path_from(address, transport);
                    self.hand_over(topic, peer, opened, path);
                }
            }
            Command::Mapped(mapped) => {
                self.mapped = mapped;
                self.tell_places();
            }
            Command::Event(event) => {
                if let Event::Leave { topic } = event {
                    self.swarms.remove(&topic);
                    self.wanted.retain(|(of, _), _| *of != topic);
                }
                // One that has joined again meanwhile has its own join behind this in the queue.
                let is_stale =
                    matches!(&event, Event::Join { topic, .. } if !self.swarms.contains_key(topic));
                if !is_stale {
                    self.tell(event);
                }
            }
        }
    }

    fn came(&mut self, way: WayKey, result: Result<Opened, Fault>) {
        // One that was given up meanwhile has nobody to tell.
        if self.opening.remove(&way).is_none() {
            return;
        }
        match result {
            Ok(opened) => {
                self.arrived = Some((Some(way), opened));
                self.tell(Event::Opened { way });
            }
            Err(fault) => self.tell(Event::OpenFailed { way, fault }),
        }
    }

    async fn act(&mut self) {
        while let Some(action) = self.traversal.poll() {
            match action {
                Action::SendSignal { topic, receiver, sealed } => {
                    self.context.announcer.signal(topic, receiver, sealed);
                }
                Action::SendStun { to, datagram } => {
                    if let Err(error) = self.means.stun.send_to(&datagram, to).await {
                        log::debug!("cannot send a check to {to}: {error}");
                    }
                }
                Action::OpenSockets { count } => self.open_sockets(count),
                Action::SendFrom { socket, to, datagram } => {
                    if let Err(error) = self.sockets.send(socket, &datagram, to) {
                        log::debug!("cannot send a check from socket {socket} to {to}: {error}");
                    }
                }
                Action::CloseSockets => self.sockets = Sockets::default(),
                Action::Open { way, topic, peer, opening } => self.open(way, topic, peer, opening),
                Action::Close { way } => drop(self.opening.remove(&way)),
                Action::Established { topic, peer, way, path, report, .. } => {
                    log::debug!("{peer:?} is reached ({path:?}): {report}");
                    let arrived = self.arrived.take_if(|(arrived, _)| *arrived == way);
                    if let Some((_, opened)) = arrived {
                        self.hand_over(topic, peer, opened, path);
                    }
                    self.send(topic, Input::Tried { peer, reached: true, report });
                }
                Action::Failed { topic, peer, report, .. } => {
                    log::debug!("{peer:?} is not reached: {report}");
                    self.dials_failed(topic, peer);
                    self.send(topic, Input::Tried { peer, reached: false, report });
                }
            }
        }
    }

    fn open(&mut self, way: WayKey, topic: Topic, peer: PeerId, opening: Opening) {
        let Some(swarm) = self.swarms.get(&topic) else { return };
        let (context, means) = (Arc::clone(&self.context), Arc::clone(&self.means));
        let (content_id, outcomes) = (swarm.content_id, self.outcomes.clone());
        let socket = match opening {
            Opening::QuicFrom { socket, .. } => self.sockets.take(socket),
            _ => None,
        };
        let (wanted, unwanted) = async_channel::bounded(1);
        self.opening.insert(way, wanted);
        self.context.runtime.spawn(Box::pin(async move {
            select_biased! {
                // Nothing is ever sent: it is given up.
                _ = unwanted.recv().fuse() => {}
                result = open(&context, &means, content_id, peer, opening, socket).fuse() => {
                    // An error means that the node shuts down.
                    let _ended = outcomes.try_send((way, result));
                }
            }
        }));
    }

    /// Hands a connection to its swarm.
    ///
    /// The swarm knows the peer by the address that it wanted to dial, wherever it was found; else it would
    /// go on dialling that.
    fn hand_over(&mut self, topic: Topic, peer: PeerId, mut opened: Opened, path: Path) {
        opened.stream.path = path;
        if opened.direction == Direction::Dialled
            && let Some(wanted) = self.wanted.get_mut(&(topic, peer)).and_then(VecDeque::pop_front)
        {
            opened.stream.address = wanted;
        }
        self.send(topic, Input::Opened(opened));
        self.dials_failed(topic, peer);
    }

    /// The swarm hears of every address that it asked for.
    fn dials_failed(&mut self, topic: Topic, peer: PeerId) {
        for address in self.wanted.remove(&(topic, peer)).unwrap_or_default() {
            self.send(topic, Input::Swarm(swarm::Event::DialFailed { address }));
        }
    }

    /// Without a wait: a share that is slow must not keep the others from finding peers. What waits is one
    /// connection or failure for each dial that a swarm has asked for, and each stranger that has a place.
    fn send(&self, topic: Topic, input: Input) {
        let Some(swarm) = self.swarms.get(&topic) else { return };
        // Closed when the share has ended: then nobody needs to know.
        if let Err(TrySendError::Full(input)) = swarm.inputs.try_send(input) {
            let inputs = swarm.inputs.clone();
            self.context.runtime.spawn(Box::pin(async move {
                let _ended = inputs.send(input).await;
            }));
        }
    }
}
