//! One address of a tracker, and the topics it is asked about.

mod answers;
mod flights;
mod reach;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peerit_proto::tracker::v1::AnnounceEvent;

use super::backoff::backoff;
use super::keep_alive::KeepAlive;
use super::line::Line;
use super::signals::Signals;
use super::slot::Slot;
use super::{Outbox, Part, Source, TrackerStatus};
use crate::id::Topic;
use crate::time::Timestamp;
use flights::Flight;

/// How long TCP is used at once after it helped where UDP did not: then UDP is tried again, at the
/// cost of 7 s.
const STREAM_PREFERRED: Duration = Duration::from_secs(15 * 60);

/// Requests that wait for an answer at once, once the tracker has answered one: at 50 ms to the
/// tracker, 1,000 topics take 7 s.
const FLIGHTS_MAX: usize = 8;

/// One address of a tracker.
pub(super) struct Endpoint {
    address: SocketAddr,
    token: Bytes,
    /// When the tracker gave it to us.
    token_at: Timestamp,
    /// Whether the last request was answered.
    answering: bool,
    /// Whether it has ever answered by UDP.
    answers_udp: bool,
    failures: u32,
    /// Until then nothing is sent.
    retry_at: Timestamp,
    /// Until then TCP is used at once.
    stream_until: Timestamp,
    observed: Option<SocketAddr>,
    /// Why the last request failed.
    problem: &'static str,
    /// Each has a request on its way, or a time for the next one.
    slots: BTreeMap<Topic, Slot>,
    /// The topics without a request on its way, by the time of their next one.
    due: BTreeSet<(Timestamp, Topic)>,
    /// By transaction; at most 8.
    flights: BTreeMap<u64, Flight>,
    signals: Signals,
    keep_alive: KeepAlive,
    line: Line,
    /// When all topics were last announced anew because the tracker saw us elsewhere, or had forgotten us.
    renewed_at: Option<Timestamp>,
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            token: Bytes::new(),
            token_at: Timestamp::ZERO,
            answering: false,
            answers_udp: false,
            failures: 0,
            retry_at: Timestamp::ZERO,
            stream_until: Timestamp::ZERO,
            observed: None,
            problem: "",
            slots: BTreeMap::new(),
            due: BTreeSet::new(),
            flights: BTreeMap::new(),
            signals: Signals::new(),
            keep_alive: KeepAlive::default(),
            line: Line::default(),
            renewed_at: None,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether answers may come from there.
    pub(super) fn is_at(&self, source: Source) -> bool {
        source == Source::Stream(self.address) || source == Source::Datagram(self.address)
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn is_idle(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn join(&mut self, now: Timestamp, topic: Topic, part: Part) {
        // One that is leaving may be in the table still.
        let announced = self.slots.get(&topic).is_some_and(|slot| slot.announced);
        self.unschedule(topic);
        let slot = Slot::new(part, announced);
        self.slots.insert(topic, slot);
        self.schedule(topic, now);
    }

    pub(super) fn complete(&mut self, now: Timestamp, topic: Topic) {
        if let Some(slot) = self.slots.get_mut(&topic) {
            slot.part.seed = true;
            slot.event = AnnounceEvent::Completed;
            self.unschedule(topic);
            self.schedule(topic, now);
        }
    }

    /// A tracker that does not know us, or does not answer, is not told.
    pub(super) fn leave(&mut self, now: Timestamp, topic: Topic) {
        self.unschedule(topic);
        match self.slots.get_mut(&topic) {
            Some(slot) if slot.announced && self.failures == 0 => {
                slot.event = AnnounceEvent::Stopped;
                self.schedule(topic, now);
            }
            _ => drop(self.slots.remove(&topic)),
        }
    }

    /// The name leads to another address now.
    pub(super) fn move_to(&mut self, now: Timestamp, address: SocketAddr, outbox: &mut Outbox) {
        if self.address == address {
            return;
        }
        self.hang_up(outbox);
        let (slots, failures) = (std::mem::take(&mut self.slots), self.failures);
        *self = Self { failures, problem: self.problem, ..Self::new(address) };
        for (topic, slot) in slots {
            if slot.event != AnnounceEvent::Stopped {
                self.join(now, topic, slot.part);
            }
        }
    }

    /// Sends what is due and gives up what is overdue. True if an attempt to reach a lost tracker
    /// begins.
    pub(super) fn advance(&mut self, now: Timestamp, outbox: &mut Outbox) -> bool {
        let overdue = self.flights.iter().filter(|(_, flight)| flight.deadline <= now);
        let overdue: Vec<u64> = overdue.map(|(transaction, _)| *transaction).collect();
        for transaction in overdue {
            if let Some(flight) = self.flights.remove(&transaction) {
                self.resend(now, transaction, flight, outbox);
            }
        }
        let mut attempt = false;
        while let Some(topic) = self.next_topic(now) {
            attempt |= self.failures > 0 && self.flights.is_empty();
            self.launch(now, topic, outbox);
        }
        if self.is_kept_alive(now) && self.keep_alive.due() <= now {
            self.send_keep_alive(now, outbox);
        }
        self.keep_line(now, outbox);
        attempt
    }

    /// The topic whose request may go out now.
    fn next_topic(&self, now: Timestamp) -> Option<Topic> {
        let (due, topic) = self.due.first()?;
        (self.next_launch()? <= now && *due <= now).then_some(*topic)
    }

    fn next_launch(&self) -> Option<Timestamp> {
        let (due, _) = self.due.first()?;
        // One at a time until the tracker answers: without a token the others would come back, and
        // a dead one is to cost little.
        let window = if self.answering { FLIGHTS_MAX } else { 1 };
        (self.flights.len() < window).then_some((*due).max(self.retry_at))
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let due = self.keep_alive.due();
        let keep_alive = if self.line.is_attended() { due } else { due.max(self.stream_until) };
        let keep_alive = self.is_kept_alive(keep_alive).then_some(keep_alive);
        let deadlines = self.flights.values().map(|flight| flight.deadline);
        deadlines.chain(self.next_launch()).chain(keep_alive).chain(self.line.next_timeout()).min()
    }

    /// The tracker is dead at this address: everything waits, but for farewells, which nobody would
    /// hear.
    fn fail(&mut self, now: Timestamp, topic: Topic, problem: &'static str, outbox: &mut Outbox) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + backoff(self.failures, &mut outbox.rng);
        self.answering = false;
        self.stream_until = Timestamp::ZERO;
        self.hang_up(outbox);
        self.token = Bytes::new();
        self.problem = problem;
        let flights = std::mem::take(&mut self.flights).into_values().map(|flight| flight.topic);
        for topic in flights.chain([topic]) {
            self.schedule(topic, now);
        }
        self.slots.retain(|_, slot| slot.event != AnnounceEvent::Stopped);
        self.due.retain(|(_, topic)| self.slots.contains_key(topic));
    }

    fn schedule(&mut self, topic: Topic, at: Timestamp) {
        if let Some(slot) = self.slots.get_mut(&topic) {
            slot.due = Some(at);
            self.due.insert((at, topic));
        }
    }

    /// Takes back the topic's next request, or the one on its way.
    fn unschedule(&mut self, topic: Topic) {
        let due = self.slots.get_mut(&topic).and_then(|slot| slot.due.take());
        match due {
            Some(due) => drop(self.due.remove(&(due, topic))),
            None => self.flights.retain(|_, flight| flight.topic != topic),
        }
    }

    pub(super) fn report(&self, topic: Topic) -> TrackerStatus {
        let Some(slot) = self.slots.get(&topic) else { return TrackerStatus::default() };
        let problem = if self.failures > 0 { self.problem } else { slot.refusal };
        TrackerStatus {
            tracker: String::new(),
            reachable: self.answering,
            seeds: slot.seeds,
            leeches: slot.leeches,
            problem: problem.to_owned(),
        }
    }
}
