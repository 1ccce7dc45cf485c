//! Many swarms, and links with latency between them, on fake time. The same seed runs alike.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peerit_proto::swarm::v1 as proto;

use super::super::*;
use super::content;
use crate::layout::Block;

const LATENCY: Duration = Duration::from_millis(20);
const VERIFICATION: Duration = Duration::from_millis(2);

/// Number of a node.
pub(super) type Number = usize;

pub(super) struct Node {
    pub(super) swarm: Swarm,
    pub(super) address: SocketAddr,
    /// Where each connection leads.
    links: BTreeMap<PeerKey, (Number, PeerKey)>,
    next_key: u32,
    /// Bytes a second, and until when the link is busy.
    upload_rate: u64,
    busy_until: Timestamp,
    /// Sends every block with a wrong byte.
    pub(super) lies: bool,
    /// Takes and never gives: serves nobody.
    pub(super) greedy: bool,
    pub(super) completed: Vec<Timestamp>,
    pub(super) disconnects: Vec<(PeerKey, DisconnectReason)>,
    /// What happened to it, if that is recorded.
    pub(super) recording: Option<Vec<proto::Step>>,
}

pub(super) struct Net {
    pub(super) now: Timestamp,
    pub(super) nodes: Vec<Node>,
    pub(super) layout: Layout,
    content: Bytes,
    /// Pairs between which everything is lost.
    cut: BTreeSet<(Number, Number)>,
    arrivals: BTreeMap<(Timestamp, u64), (Number, Event)>,
    sequence: u64,
    seed: u64,
}

impl Net {
    pub(super) fn new(seed: u64, chunks: u32) -> Self {
        // Shown when the test fails.
        println!("a net with seed {seed}");
        let (layout, content) = content(chunks);
        let now = Timestamp::from_origin(Duration::from_secs(1_000));
        let (cut, arrivals) = (BTreeSet::new(), BTreeMap::new());
        Self { now, nodes: Vec::new(), layout, content, cut, arrivals, sequence: 0, seed }
    }

    pub(super) fn seed(&mut self, upload_rate: u64) -> Number {
        self.node(Bitfield::full(self.layout.chunk_count()), upload_rate, Config::default())
    }

    pub(super) fn leech(&mut self, upload_rate: u64) -> Number {
        self.node(Bitfield::empty(self.layout.chunk_count()), upload_rate, Config::default())
    }

    pub(super) fn node(&mut self, have: Bitfield, upload_rate: u64, config: Config) -> Number {
        let number = self.nodes.len();
        let octet = u8::try_from(number + 1).unwrap();
        let address = SocketAddr::from(([10, 0, 0, octet], 5_000));
        let config = Config { listen_port: address.port(), ..config };
        let rng_seed = self.rng_seed(number);
        let swarm = Swarm::new(config, self.layout, have, PeerId([octet; 32]), rng_seed);
        self.nodes.push(Node {
            swarm,
            address,
            links: BTreeMap::new(),
            next_key: 0,
            upload_rate,
            busy_until: self.now,
            lies: false,
            greedy: false,
            completed: Vec::new(),
            disconnects: Vec::new(),
            recording: None,
        });
        number
    }

    pub(super) fn rng_seed(&self, number: Number) -> u64 {
        self.seed.wrapping_mul(1_000) + number as u64
    }

    pub(super) fn id(&self, number: Number) -> PeerId {
        self.nodes[number].swarm.own_id
    }

    /// Tells a node where others are.
    pub(super) fn introduce(&mut self, to: Number, others: &[Number]) {
        let addresses = others.iter().map(|&other| self.nodes[other].address).collect();
        self.event(to, Event::AddressesFound { addresses });
    }

    /// Whom a node is connected to.
    pub(super) fn connected(&self, number: Number) -> BTreeSet<Number> {
        self.nodes[number].links.values().map(|&(other, _)| other).collect()
    }

    /// Loses everything between two nodes from now on, or no more.
    pub(super) fn cut(&mut self, one: Number, other: Number, cut: bool) {
        for pair in [(one, other), (other, one)] {
            if cut {
                self.cut.insert(pair)
            } else {
                self.cut.remove(&pair)
            };
        }
    }

    /// Ends all connections between two nodes.
    pub(super) fn reset(&mut self, one: Number, other: Number) {
        let ends: Vec<_> = self.nodes[one]
            .links
            .iter()
            .filter(|(_, end)| end.0 == other)
            .map(|(&key, _)| key)
            .collect();
        for key in ends {
            let Some((other, other_key)) = self.nodes[one].links.remove(&key) else { continue };
            self.nodes[other].links.remove(&other_key);
            self.event(one, Event::Disconnected { peer: key });
            self.event(other, Event::Disconnected { peer: other_key });
        }
    }

    pub(super) fn event(&mut self, number: Number, event: Event) {
        self.record(number, Some(&event));
        self.nodes[number].swarm.handle_event(self.now, event);
        self.carry_out(number);
    }

    pub(super) fn complete(&self, number: Number) -> bool {
        self.nodes[number].swarm.is_complete()
    }

    /// Runs until `done`; panics when that takes more than `limit`.
    pub(super) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            assert!(self.step(end), "not done within {limit:?}");
        }
    }

    /// Runs for a while.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
        self.now = end;
    }

    /// Does the next thing that happens, if it does before `end`.
    fn step(&mut self, end: Timestamp) -> bool {
        let timeouts = self.nodes.iter().enumerate();
        let timeout = timeouts
            .filter_map(|(number, node)| node.swarm.poll_timeout().map(|at| (at, number)))
            .min();
        let arrival = self.arrivals.keys().next().copied();
        match (timeout, arrival) {
            (Some((at, number)), arrival) if arrival.is_none_or(|(first, _)| at < first) => {
                if at > end {
                    return false;
                }
                self.now = self.now.max(at);
                self.record(number, None);
                self.nodes[number].swarm.handle_timeout(self.now);
                let again = self.nodes[number].swarm.poll_timeout();
                assert_ne!(again, Some(at), "a timeout that was handled stays");
                self.carry_out(number);
            }
            (_, Some(first)) if first.0 <= end => {
                self.now = self.now.max(first.0);
                if let Some((number, event)) = self.arrivals.remove(&first) {
                    self.arrive(number, event);
                }
            }
            _ => return false,
        }
        true
    }

    fn record(&mut self, number: Number, event: Option<&Event>) {
        if let Some(steps) = &mut self.nodes[number].recording {
            let at_ns = u64::try_from(self.now.since_origin().as_nanos()).unwrap();
            steps.push(proto::Step { at_ns, event: event.map(Into::into), actions: Vec::new() });
        }
    }

    fn arrive(&mut self, number: Number, event: Event) {
        let node = &mut self.nodes[number];
        let peer = match &event {
            Event::Received { peer, .. }
            | Event::BlockReceived { peer, .. }
            | Event::BlockSent { peer, .. } => Some(*peer),
            Event::Disconnected { peer } => {
                node.links.remove(peer);
                None
            }
            _ => None,
        };
        if peer.is_none_or(|peer| node.links.contains_key(&peer)) {
            self.event(number, event);
        }
    }

    fn later(&mut self, delay: Duration, number: Number, event: Event) {
        self.sequence += 1;
        self.arrivals.insert((self.now + delay, self.sequence), (number, event));
    }

    /// To the other end of a connection. One over which something was lost carries nothing any more,
    /// and neither end is told.
    fn across(
        &mut self,
        from: Number,
        peer: PeerKey,
        delay: Duration,
        event: impl FnOnce(PeerKey) -> Event,
    ) {
        let Some(&(to, key)) = self.nodes[from].links.get(&peer) else { return };
        if self.cut.contains(&(from, to)) {
            self.nodes[from].links.remove(&peer);
            self.nodes[to].links.remove(&key);
        } else {
            self.later(delay + LATENCY, to, event(key));
        }
    }

    fn carry_out(&mut self, number: Number) {
        while let Some(action) = self.nodes[number].swarm.poll() {
            let step = self.nodes[number].recording.as_mut().and_then(|steps| steps.last_mut());
            if let Some(step) = step {
                step.actions.push((&action).into());
            }
            match action {
                Action::Dial { address } => self.dial(number, address),
                Action::Disconnect { peer, reason } => {
                    self.nodes[number].disconnects.push((peer, reason));
                    self.across(number, peer, Duration::ZERO, |peer| Event::Disconnected { peer });
                    self.nodes[number].links.remove(&peer);
                }
                Action::Send { frame: Frame::Choke(false), .. } if self.nodes[number].greedy => {}
                Action::Send { peer, frame } => {
                    self.across(number, peer, Duration::ZERO, |peer| Event::Received {
                        peer,
                        frame,
                    });
                }
                Action::SendBlock { peer, block } => self.send_block(number, peer, block),
                Action::SendManifest { .. } => {}
                Action::VerifyChunk { chunk, blocks } => {
                    let joined: Vec<u8> = blocks.concat();
                    let event = if self.bytes(chunk, 0, self.layout.length_of(chunk)) == joined {
                        Event::ChunkStored { chunk, blocks }
                    } else {
                        Event::ChunkCorrupt { chunk, blocks }
                    };
                    self.later(VERIFICATION, number, event);
                }
                Action::Completed => self.nodes[number].completed.push(self.now),
            }
        }
    }

    fn dial(&mut self, from: Number, address: SocketAddr) {
        let to = self.nodes.iter().position(|node| node.address == address);
        let Some(to) = to.filter(|&to| !self.cut.contains(&(from, to))) else {
            return self.later(Duration::from_secs(3), from, Event::DialFailed { address });
        };
        let [here, there] = [from, to].map(|number| {
            self.nodes[number].next_key += 1;
            PeerKey(self.nodes[number].next_key)
        });
        self.nodes[from].links.insert(here, (to, there));
        self.nodes[to].links.insert(there, (from, here));
        let seen = SocketAddr::new(self.nodes[from].address.ip(), 40_000);
        let connected = |peer, id, address, direction| Event::Connected {
            peer,
            id,
            address,
            direction,
            path: Path::Direct,
        };
        let (dialled, answered) = (Direction::Dialled, Direction::Answered);
        self.later(3 * LATENCY, from, connected(here, self.id(to), address, dialled));
        self.later(4 * LATENCY, to, connected(there, self.id(from), seen, answered));
    }

    fn send_block(&mut self, number: Number, peer: PeerKey, block: Block) {
        let mut payload = self.bytes(block.chunk, block.offset, block.length);
        let node = &mut self.nodes[number];
        if node.lies {
            let mut wrong = payload.to_vec();
            wrong[0] ^= 1;
            payload = wrong.into();
        }
        let takes = Duration::from_secs_f64(f64::from(block.length) / node.upload_rate as f64);
        node.busy_until = node.busy_until.max(self.now) + takes;
        let delay = node.busy_until - self.now;
        self.later(delay, number, Event::BlockSent { peer, block });
        self.across(number, peer, delay, |peer| Event::BlockReceived { peer, block, payload });
    }

    fn bytes(&self, chunk: ChunkIndex, offset: u32, length: u32) -> Bytes {
        let start = usize::try_from(self.layout.chunk_start(chunk)).unwrap() + offset as usize;
        self.content.slice(start..start + length as usize)
    }
}
