//! One tracker: its name, and the addresses behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use peerit_proto::tracker::v1 as proto;

use super::backoff::backoff;
use super::endpoint::Endpoint;
use super::{Action, Outbox, Part, Source, TrackerKey, TrackerStatus};
use crate::id::Topic;
use crate::time::Timestamp;

/// Most addresses of a name that are used.
const ADDRESSES_MAX: usize = 8;

/// How long a driver may take to look a name up, before it is asked again.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(60);

/// One tracker and the topics it is asked about.
pub(super) struct Tracker {
    key: TrackerKey,
    topics: BTreeSet<Topic>,
    /// One per address family.
    endpoints: Vec<Endpoint>,
    resolution: Resolution,
}

enum Resolution {
    /// The name is to be looked up at this time; as often as this in a row it could not be.
    Due { at: Timestamp, failures: u32, reason: String },
    /// The driver was asked, and has until then.
    Asked { until: Timestamp, failures: u32, reason: String },
    /// There are addresses; they are looked up again when one does not answer.
    Done,
}

impl Tracker {
    pub(super) fn new(key: TrackerKey) -> Self {
        let resolution =
            Resolution::Due { at: Timestamp::ZERO, failures: 0, reason: String::new() };
        Self { key, topics: BTreeSet::new(), endpoints: Vec::new(), resolution }
    }

    pub(super) fn join(&mut self, now: Timestamp, topic: Topic, part: Part) {
        self.topics.insert(topic);
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.join(now, topic, part));
    }

    pub(super) fn complete(&mut self, now: Timestamp, topic: Topic) {
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.complete(now, topic));
    }

    pub(super) fn leave(&mut self, now: Timestamp, topic: Topic) {
        self.topics.remove(&topic);
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.leave(now, topic));
    }

    /// Sends a signal through one of the addresses; all of them lead to one table. False if none answers.
    pub(super) fn send_signal(
        &mut self,
        now: Timestamp,
        topic: Topic,
        signal: &proto::Signal,
        outbox: &mut Outbox,
    ) -> bool {
        let endpoint = self.endpoints.iter_mut().find(|endpoint| endpoint.can_signal(topic));
        let endpoint = endpoint.map(|endpoint| endpoint.send_signal(now, signal.clone(), outbox));
        endpoint.is_some()
    }

    pub(super) fn network_changed(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.network_changed(now, outbox));
    }

    pub(super) fn path_lost(&mut self, now: Timestamp) {
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.path_lost(now));
    }

    pub(super) fn mapped(&mut self, now: Timestamp, external: Option<SocketAddr>) {
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.mapped(now, external));
    }

    /// Whether nothing is left to say to it.
    pub(super) fn is_idle(&self) -> bool {
        self.topics.is_empty() && self.endpoints.iter().all(Endpoint::is_idle)
    }

    /// Uses one address of each family: the first, or the next one for each failure in a row of the
    /// last.
    pub(super) fn resolved(
        &mut self,
        now: Timestamp,
        addresses: &[SocketAddr],
        joined: &BTreeMap<Topic, Part>,
        outbox: &mut Outbox,
    ) {
        let addresses = &addresses[..addresses.len().min(ADDRESSES_MAX)];
        if addresses.is_empty() {
            return self.resolve_failed(
                now,
                "no address of our socket's family".to_owned(),
                outbox,
            );
        }
        self.resolution = Resolution::Done;
        for ipv4 in [true, false] {
            let mut family = addresses.iter().filter(|address| address.is_ipv4() == ipv4);
            let count = family.clone().count();
            let known =
                self.endpoints.iter_mut().find(|endpoint| endpoint.address().is_ipv4() == ipv4);
            match known {
                Some(endpoint) if count > 0 => {
                    if let Some(address) = family.nth(endpoint.failures() as usize % count) {
                        endpoint.move_to(now, *address, outbox);
                    }
                }
                Some(_) => {}
                None => self.endpoints.extend(family.next().map(|address| {
                    let mut endpoint = Endpoint::new(*address);
                    joined.iter().for_each(|(topic, part)| endpoint.join(now, *topic, *part));
                    endpoint
                })),
            }
        }
    }

    /// Known addresses go on being used.
    pub(super) fn resolve_failed(&mut self, now: Timestamp, reason: String, outbox: &mut Outbox) {
        let Resolution::Asked { failures, .. } = self.resolution else { return };
        self.resolution = if self.endpoints.is_empty() {
            let at = now + backoff(failures + 1, &mut outbox.rng);
            Resolution::Due { at, failures: failures + 1, reason }
        } else {
            Resolution::Done
        };
    }

    /// Whether answers may come from there.
    pub(super) fn is_at(&self, source: Source) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.is_at(source))
    }

    pub(super) fn answered(
        &mut self,
        now: Timestamp,
        source: Source,
        response: &proto::Response,
        outbox: &mut Outbox,
    ) {
        for endpoint in self.endpoints.iter_mut().filter(|endpoint| endpoint.is_at(source)) {
            endpoint.answered(now, source, response, outbox);
        }
    }

    pub(super) fn stream_lost(&mut self, now: Timestamp, to: SocketAddr, outbox: &mut Outbox) {
        let source = Source::Stream(to);
        for endpoint in self.endpoints.iter_mut().filter(|endpoint| endpoint.is_at(source)) {
            endpoint.stream_lost(now, outbox);
        }
    }

    pub(super) fn advance(&mut self, now: Timestamp, outbox: &mut Outbox) {
        let mut lost = false;
        for endpoint in &mut self.endpoints {
            lost |= endpoint.advance(now, outbox);
        }
        match &mut self.resolution {
            Resolution::Due { at, .. } | Resolution::Asked { until: at, .. } if *at > now => {}
            Resolution::Done if !lost => {}
            _ if self.topics.is_empty() => {}
            Resolution::Due { failures, reason, .. }
            | Resolution::Asked { failures, reason, .. } => {
                let (failures, reason) = (*failures, std::mem::take(reason));
                self.resolve(now, failures, reason, outbox);
            }
            Resolution::Done => self.resolve(now, 0, String::new(), outbox),
        }
    }

    fn resolve(&mut self, now: Timestamp, failures: u32, reason: String, outbox: &mut Outbox) {
        self.resolution = Resolution::Asked { until: now + RESOLVE_DEADLINE, failures, reason };
        outbox.actions.push_back(Action::Resolve { tracker: self.key.clone() });
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let resolve_at = match &self.resolution {
            Resolution::Due { at, .. } | Resolution::Asked { until: at, .. } => Some(*at),
            Resolution::Done => None,
        };
        let resolve_at = resolve_at.filter(|_| !self.topics.is_empty());
        self.endpoints.iter().filter_map(Endpoint::next_timeout).chain(resolve_at).min()
    }

    pub(super) fn status(&self, topic: Topic) -> TrackerStatus {
        let mut status =
            TrackerStatus { tracker: self.key.to_string(), ..TrackerStatus::default() };
        if let Resolution::Due { reason, .. } | Resolution::Asked { reason, .. } = &self.resolution
        {
            status.problem.clone_from(reason);
        }
        // One family that works is enough: then its answer counts.
        for endpoint in &self.endpoints {
            let report = endpoint.report(topic);
            if !status.reachable || report.reachable {
                status = TrackerStatus { tracker: status.tracker, ..report };
            }
        }
        status
    }
}
