//! The loop: one event after another, and who hears of it.

use std::time::Duration;

use super::announce::Tracker;
use super::check::{SimError, Violation};
use super::content::Content;
use super::host::{Host, State, address_of};
use super::link::Port;
use super::parcel::Lengths;
use super::progress::Progress;
use super::queue::Queue;
use super::report::Report;
use super::scenario::{Role, Scenario};
use super::stream::End;
use crate::bitfield::Bitfield;
use crate::id::PeerId;
use crate::layout::Layout;
use crate::rng::Rng;
use crate::swarm::{self, Direction, Path, Swarm};
use crate::time::Timestamp;
use crate::tracker::TrackerClient;

/// Timeouts of one swarm in one moment, after which it is taken not to rest at all.
const WAKES_IN_A_ROW_MAX: u32 = 1_000;

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A peer joins.
    Join { host: u32 },
    /// A swarm's timeout.
    Wake { host: u32 },
    /// A tracker client's timeout.
    ClientWake { host: u32 },
    /// An uplink has taken what it was given.
    UplinkFree { host: u32 },
    /// The next frames from an end have come to the other one.
    Deliver { end: u32, parcels: u32, bytes: u32 },
    /// A dial has led to a connection, if both are still there.
    Open { from: u32, to: u32 },
    /// A dial has not.
    DialFailed { from: u32, to: u32 },
    /// The other end has closed the connection.
    Closed { end: u32 },
    /// The disk has done with a chunk.
    Stored { host: u32 },
    /// A message between a client and the tracker has come; its place in the tracker's mail.
    Mail { host: u32, mail: u32 },
    /// The fate of this number.
    Fate { host: u32, number: u32 },
    /// Time for a look at everybody.
    Sample,
}

/// A run of a scenario.
pub struct Simulation {
    pub(super) scenario: Scenario,
    pub(super) now: u64,
    pub(super) rng: Rng,
    pub(super) queue: Queue<Event>,
    pub(super) content: Content,
    pub(super) lengths: Lengths,
    pub(super) hosts: Vec<Host>,
    pub(super) ports: Vec<Port>,
    pub(super) ends: Vec<End>,
    pub(super) tracker: Tracker,
    pub(super) progress: Progress,
    /// How many have to finish and have not.
    pub(super) waiting_for: usize,
    /// The first thing that must not be.
    pub(super) violation: Option<Violation>,
    pub(super) events: u64,
    pub(super) trace: u64,
}

impl Simulation {
    /// Prepares a run. Takes the memory of all swarms.
    ///
    /// # Errors
    /// When the content cannot be cut into chunks of the length that was asked for.
    pub fn new(scenario: Scenario) -> Result<Self, SimError> {
        let bytes = scenario.content_bytes;
        let chunk_length =
            scenario.chunk_length.unwrap_or_else(|| Layout::suggested_chunk_length(bytes));
        let layout = Layout::new(bytes, chunk_length).map_err(|error| SimError {
            seed: scenario.seed,
            at: Duration::ZERO,
            violation: Violation::Layout(error),
        })?;
        let mut rng = Rng::from_seed(scenario.seed);
        let hosts: Vec<_> = (0..scenario.peers.len())
            .map(|index| host(&scenario, index, layout, &mut rng))
            .collect();
        let mut simulation = Self {
            now: 0,
            queue: Queue::new(),
            content: Content::new(layout),
            lengths: Lengths::default(),
            ports: scenario.peers.iter().map(|peer| Port::new(&peer.link)).collect(),
            ends: Vec::new(),
            tracker: Tracker::new(&mut rng),
            progress: Progress::new(&scenario.peers),
            waiting_for: scenario.peers.iter().filter(|peer| peer.is_to_finish()).count(),
            violation: None,
            events: 0,
            trace: scenario.seed,
            hosts,
            rng,
            scenario,
        };
        simulation.prepare();
        Ok(simulation)
    }

    fn prepare(&mut self) {
        for (host, peer) in (0..).zip(&self.scenario.peers) {
            self.queue.push(ns(peer.joins_at), Event::Join { host });
        }
        self.queue.push(self.progress.interval(), Event::Sample);
    }

    /// Runs until everybody who has to finish has, then looks once more at what must hold.
    ///
    /// # Errors
    /// The first thing that must not be; see [`Violation`].
    pub fn run(mut self) -> Result<Report, SimError> {
        let deadline = ns(self.scenario.deadline);
        while self.waiting_for > 0 && self.violation.is_none() {
            let Some((at, event)) = self.queue.pop().filter(|(at, _)| *at <= deadline) else {
                self.note_unfinished();
                break;
            };
            self.now = at;
            self.events += 1;
            self.handle(event);
        }
        self.check_at_end();
        let at = Duration::from_nanos(self.now);
        match self.violation {
            Some(violation) => Err(SimError { seed: self.scenario.seed, at, violation }),
            None => Ok(self.report()),
        }
    }

    pub(super) fn handle(&mut self, event: Event) {
        if let Some(until) = self.stalled_until(event) {
            return self.queue.push(until, event);
        }
        self.note(event);
        match event {
            Event::Join { host } => self.join(host),
            Event::Wake { host } => self.wake(host),
            Event::ClientWake { host } => self.wake_client(host),
            Event::UplinkFree { host } => self.uplink_free(host),
            Event::Deliver { end, parcels, bytes } => self.deliver(end, parcels, bytes),
            Event::Open { from, to } => self.open(from, to),
            Event::DialFailed { from, to } => {
                let address = address_of(to);
                self.tell(from, swarm::Event::DialFailed { address });
                self.settle(from);
            }
            Event::Closed { end } => self.closed(end),
            Event::Stored { host } => self.disk_done(host),
            Event::Mail { host, mail } => self.mail_came(host, mail),
            Event::Fate { host, number } => self.befall(host, number),
            Event::Sample => self.sample(),
        }
    }

    /// FNV-1a, a word at a time, over what happens.
    fn note(&mut self, event: Event) {
        let (kind, word) = match event {
            Event::Join { host } => (0, host),
            Event::Wake { host } => (1, host),
            Event::ClientWake { host } => (2, host),
            Event::UplinkFree { host } => (3, host),
            Event::Deliver { end, .. } => (4, end),
            Event::Open { from, to } => (5, from ^ to << 16),
            Event::DialFailed { from, to } => (6, from ^ to << 16),
            Event::Closed { end } => (7, end),
            Event::Stored { host } => (8, host),
            Event::Mail { host, .. } => (9, host),
            Event::Fate { host, .. } => (10, host),
            Event::Sample => (11, 0),
        };
        self.mix(self.now);
        self.mix(kind << 32 | u64::from(word));
    }

    pub(super) fn mix(&mut self, word: u64) {
        self.trace = (self.trace ^ word).wrapping_mul(0x0100_0000_01b3);
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        Timestamp::from_origin(Duration::from_nanos(self.now))
    }

    fn join(&mut self, host: u32) {
        self.hosts[host as usize].state = State::Up;
        self.await_fates(host);
        self.join_tracker(host);
        self.settle(host);
    }

    fn wake(&mut self, host: u32) {
        let now = self.timestamp();
        let peer = &mut self.hosts[host as usize];
        if peer.state != State::Up || peer.wakes_at != Some(self.now) {
            return;
        }
        peer.wakes_at = None;
        if peer.woken_at != self.now {
            (peer.woken_at, peer.wakes_in_a_row) = (self.now, 0);
        }
        peer.wakes_in_a_row += 1;
        if peer.wakes_in_a_row > WAKES_IN_A_ROW_MAX {
            return self.violate(Violation::Restless { peer: host });
        }
        peer.swarm.handle_timeout(now);
        self.drain(host);
        self.settle(host);
    }

    /// Tells a swarm, and does what it wants.
    pub(super) fn tell(&mut self, host: u32, event: swarm::Event) {
        let now = self.timestamp();
        let peer = &mut self.hosts[host as usize];
        if peer.state == State::Up {
            peer.swarm.handle_event(now, event);
            self.drain(host);
        }
    }

    fn drain(&mut self, host: u32) {
        while let Some(action) = self.hosts[host as usize].swarm.poll() {
            self.carry_out(host, action);
        }
    }

    /// To be called when a host's swarm has been told all that there is to tell now: lets the uplink
    /// begin, and sees to it that the swarm is woken.
    pub(super) fn settle(&mut self, host: u32) {
        self.serve(host);
        let peer = &mut self.hosts[host as usize];
        if peer.state != State::Up {
            return;
        }
        let Some(due) = peer.swarm.poll_timeout() else { return };
        let due = ns(due.since_origin()).max(self.now);
        // A timer that is set for earlier is kept: most deadlines only move back.
        if peer.wakes_at.is_none_or(|set| due < set) {
            peer.wakes_at = Some(due);
            self.queue.push(due, Event::Wake { host });
        }
    }

    /// Both ends of a new connection hear of it at the same time.
    fn open(&mut self, from: u32, to: u32) {
        let up = |host: u32| self.hosts[host as usize].state == State::Up;
        if !up(from) {
            return;
        }
        if !up(to) {
            return self.handle(Event::DialFailed { from, to });
        }
        let chunks = self.content.layout.chunk_count();
        let announced = self.scenario.check_announcements.then(|| Bitfield::empty(chunks));
        let first = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        for (host, end) in [(from, first), (to, first + 1)] {
            let key = self.hosts[host as usize].add_end(end);
            self.ends.push(End::new(host, key, announced.clone()));
        }
        let sides = [(first, Direction::Dialled), (first + 1, Direction::Answered)];
        for (end, direction) in sides {
            let (host, peer) = (self.ends[end as usize].host, self.ends[end as usize].key);
            let other = self.ends[(end ^ 1) as usize].host;
            let mut address = address_of(other);
            if direction == Direction::Answered {
                // Connections go out from a port of their own.
                address.set_port(40_000);
            }
            let id = self.hosts[other as usize].id;
            self.tell(
                host,
                swarm::Event::Connected { peer, id, address, direction, path: Path::Direct },
            );
            self.settle(host);
        }
    }

    /// The other end has closed the connection, or its host has.
    fn closed(&mut self, end: u32) {
        if let Some((host, peer)) = self.close_end(end) {
            self.tell(host, swarm::Event::Disconnected { peer });
            self.settle(host);
        }
    }
}

fn host(scenario: &Scenario, index: usize, layout: Layout, rng: &mut Rng) -> Host {
    let spec = scenario.peers[index].clone();
    let id = PeerId(std::array::from_fn(|_| rng.next_u64().to_le_bytes()[0]));
    let have = match spec.role {
        Role::Seed => Bitfield::full(layout.chunk_count()),
        Role::Leech => Bitfield::empty(layout.chunk_count()),
    };
    let config = swarm::Config { listen_port: super::host::PORT, ..scenario.swarm.clone() };
    let swarm = Swarm::new(config, layout, have, id, rng.next_u64());
    Host::new(spec, id, swarm, TrackerClient::new(id, rng.next_u64()), layout.length())
}

/// A duration in the simulator's unit.
pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
