//! A peer's side: one client for all topics and trackers of a node.

mod backoff;
mod endpoint;
mod event;
mod keep_alive;
mod line;
mod message;
mod signals;
mod slot;
mod tracker;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;

pub use event::{Action, Event, TrackerKey, TrackerStatus};
use peerit_proto::tracker::v1 as proto;
use tracker::Tracker;

use super::codec::{self, SEALED_MAX};
use crate::allowance::Allowance;
use crate::id::{PeerId, Topic};
use crate::rng::Rng;
use crate::time::Timestamp;

/// Most trackers that are asked about one topic; further ones are not used. The schema allows a
/// manifest as many.
pub const TRACKERS_PER_TOPIC_MAX: usize = 64;

/// Most trackers that a signal goes through: one that loses it does not matter, and the receiver drops copies.
const SIGNAL_TRACKERS_MAX: usize = 3;

/// What trackers let a host send, see [`super::TrackerServer`].
const SIGNAL_BURST: u32 = 100;
const SIGNALS_PER_SECOND: u32 = 10;

/// What the client's parts share: who we are, and what is to be done.
struct Outbox {
    own: PeerId,
    rng: Rng,
    actions: VecDeque<Action>,
    /// Where a router leads to our port.
    mapped: Option<SocketAddr>,
}

/// Asks trackers about topics, in turn with intervals, retransmissions and backoff.
///
/// All trackers of a topic are used, each at one address per address family. A request goes out by
/// UDP after 0, 1 and 3 s, then over TCP from 7 s on, and to a tracker met for the first time over TCP beside it
/// after 1 s; without an answer the tracker counts as dead
/// at that address, and is tried with a single request after 5 to 10 s, then twice as long each
/// time up to 15 min, whatever the number of topics.
///
/// Where UDP works, each tracker hears something every 20 to 25 s, so that a NAT lets its signals in; a
/// changed address is noticed by that, and announced. Where it does not, the TCP connection is kept open for them, with
/// a word a minute, if the tracker pushes signals down it.
///
/// A tracker cannot make the client grow or hurry: answers count if they repeat the random
/// transaction and come from the address asked, lists are cut to 50 peers, intervals kept within 10
/// s and 1 h, signals pushed to 20 a second, and at most 8 requests wait for an answer. Memory: about 200 bytes
/// for each topic at each tracker address, and the last 16 signals at each.
pub struct TrackerClient {
    outbox: Outbox,
    topics: BTreeMap<Topic, Membership>,
    trackers: BTreeMap<TrackerKey, Tracker>,
    signals: Allowance,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Datagram(SocketAddr),
    /// The connection that was opened to it: that vouches for the tracker.
    Stream(SocketAddr),
}

/// What we are in a swarm.
#[derive(Clone, Debug)]
struct Membership {
    trackers: BTreeSet<TrackerKey>,
    part: Part,
}

/// What trackers are told about us.
#[derive(Clone, Copy, Debug)]
struct Part {
    listen_port: u16,
    seed: bool,
}

impl Part {
    /// What a tracker is told that sees us at an address: peers that it names us to dial that. Where it is the router's,
    /// the port which the router maps leads to us.
    fn seen_at(self, observed: Option<SocketAddr>, mapped: Option<SocketAddr>) -> Self {
        let is_there = |mapped: &SocketAddr| observed.is_some_and(|at| at.ip() == mapped.ip());
        let port = mapped.filter(|_| self.listen_port != 0).filter(is_there);
        Self { listen_port: port.map_or(self.listen_port, |mapped| mapped.port()), ..self }
    }
}

impl TrackerClient {
    /// A client without topics. `own` goes into announces; `seed` should be random, so that nobody
    /// can guess transactions.
    #[must_use]
    pub fn new(own: PeerId, seed: u64) -> Self {
        let outbox =
            Outbox { own, rng: Rng::from_seed(seed), actions: VecDeque::new(), mapped: None };
        let signals = Allowance::new(Timestamp::ZERO, SIGNAL_BURST, SIGNALS_PER_SECOND);
        Self { outbox, topics: BTreeMap::new(), trackers: BTreeMap::new(), signals }
    }

    /// Takes in what happened.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Join { topic, trackers, listen_port, seed } => {
                self.join(now, topic, trackers, Part { listen_port, seed });
            }
            Event::Completed { topic } => self.complete(now, topic),
            Event::Leave { topic } => self.leave(now, topic),
            Event::Signal { topic, receiver, sealed } => self.signal(now, topic, receiver, sealed),
            Event::NetworkChanged => {
                for tracker in self.trackers.values_mut() {
                    tracker.network_changed(now, &mut self.outbox);
                }
            }
            Event::PathLost => {
                self.trackers.values_mut().for_each(|tracker| tracker.path_lost(now));
            }
            Event::Mapped { external } => {
                self.outbox.mapped = external;
                self.trackers.values_mut().for_each(|tracker| tracker.mapped(now, external));
            }
            Event::Resolved { tracker, addresses } => self.resolved(now, &tracker, &addresses),
            Event::ResolveFailed { tracker, reason } => {
                if let Some(tracker) = self.trackers.get_mut(&tracker) {
                    tracker.resolve_failed(now, reason, &mut self.outbox);
                }
            }
            Event::Datagram { from, datagram } => self.datagram(now, from, datagram),
            Event::StreamMessage { from, message } => match codec::decode_response(message) {
                Some(response) => self.answered(now, Source::Stream(from), &response),
                None => {
                    self.outbox.actions.push_back(Action::CloseStream { to: from });
                    self.stream_lost(now, from);
                }
            },
            Event::StreamLost { to } => self.stream_lost(now, to),
        }
        self.advance(now);
    }

    /// Sends what is due and gives up what is overdue.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.advance(now);
    }

    /// The next thing to do; none until the next event or timeout.
    pub fn poll(&mut self) -> Option<Action> {
        self.outbox.actions.pop_front()
    }

    /// When [`TrackerClient::handle_timeout`] is due; none while there is nothing to wait for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.trackers.values().filter_map(Tracker::next_timeout).min()
    }

    /// Whether nothing is left to say: no topic is joined, and every tracker that can be reached
    /// knows it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.topics.is_empty() && self.trackers.is_empty()
    }

    /// The state of a topic's trackers, in the order of their names; empty if it is not joined.
    #[must_use]
    pub fn status(&self, topic: Topic) -> Vec<TrackerStatus> {
        let keys = self.topics.get(&topic).into_iter().flat_map(|membership| &membership.trackers);
        keys.filter_map(|key| Some(self.trackers.get(key)?.status(topic))).collect()
    }

    fn join(&mut self, now: Timestamp, topic: Topic, trackers: Vec<TrackerKey>, part: Part) {
        self.leave(now, topic);
        let trackers: BTreeSet<_> = trackers.into_iter().take(TRACKERS_PER_TOPIC_MAX).collect();
        for key in &trackers {
            let tracker =
                self.trackers.entry(key.clone()).or_insert_with(|| Tracker::new(key.clone()));
            tracker.join(now, topic, part);
        }
        self.topics.insert(topic, Membership { trackers, part });
    }

    fn complete(&mut self, now: Timestamp, topic: Topic) {
        let Some(membership) = self.topics.get_mut(&topic) else { return };
        membership.part.seed = true;
        for key in &membership.trackers {
            if let Some(tracker) = self.trackers.get_mut(key) {
                tracker.complete(now, topic);
            }
        }
    }

    fn leave(&mut self, now: Timestamp, topic: Topic) {
        let Some(membership) = self.topics.remove(&topic) else { return };
        for key in &membership.trackers {
            if let Some(tracker) = self.trackers.get_mut(key) {
                tracker.leave(now, topic);
            }
        }
    }

    fn signal(&mut self, now: Timestamp, topic: Topic, receiver: PeerId, sealed: Bytes) {
        let Some(membership) = self.topics.get(&topic) else { return };
        if sealed.len() > SEALED_MAX || !self.signals.take(now) {
            return;
        }
        let signal = signals::encoded(topic, self.outbox.own, receiver, sealed);
        let mut sent = 0;
        for key in &membership.trackers {
            let tracker = self.trackers.get_mut(key).filter(|_| sent < SIGNAL_TRACKERS_MAX);
            let has_sent = tracker
                .is_some_and(|tracker| tracker.send_signal(now, topic, &signal, &mut self.outbox));
            sent += usize::from(has_sent);
        }
    }

    fn resolved(&mut self, now: Timestamp, key: &TrackerKey, addresses: &[SocketAddr]) {
        let Some(tracker) = self.trackers.get_mut(key) else { return };
        let joined = self.topics.iter().filter(|(_, membership)| membership.trackers.contains(key));
        let joined = joined.map(|(topic, membership)| (*topic, membership.part)).collect();
        tracker.resolved(now, addresses, &joined, &mut self.outbox);
    }

    fn datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: Bytes) {
        let source = Source::Datagram(from);
        if self.trackers.values().any(|tracker| tracker.is_at(source))
            && let Some(response) = codec::decode_response(datagram)
        {
            self.answered(now, source, &response);
        }
    }

    /// Two names may lead to the same address: the transaction tells which of them asked.
    fn answered(&mut self, now: Timestamp, source: Source, response: &proto::Response) {
        for tracker in self.trackers.values_mut().filter(|tracker| tracker.is_at(source)) {
            tracker.answered(now, source, response, &mut self.outbox);
        }
    }

    fn stream_lost(&mut self, now: Timestamp, to: SocketAddr) {
        for tracker in self.trackers.values_mut().filter(|one| one.is_at(Source::Stream(to))) {
            tracker.stream_lost(now, to, &mut self.outbox);
        }
    }

    fn advance(&mut self, now: Timestamp) {
        self.trackers.retain(|_, tracker| {
            tracker.advance(now, &mut self.outbox);
            !tracker.is_idle()
        });
    }
}
