//! One address of a tracker, and the topics it is asked about.

mod reach;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peerit_proto::tracker::v1 as proto;
use proto::AnnounceEvent;
use proto::response::Body;

use super::super::token::TOKEN_LENGTH;
use super::super::{INTERVAL_MAX, INTERVAL_MIN};
use super::backoff::{BACKOFF_MAX, backoff, random_part};
use super::keep_alive::KeepAlive;
use super::line::{ANSWER_DEADLINE, Line};
use super::message::{peers, request};
use super::signals::Signals;
use super::slot::Slot;
use super::{Action, Outbox, Part, Source, TrackerStatus};
use crate::id::Topic;
use crate::time::Timestamp;

/// Wait after the first datagram, doubled for each one more (RFC 8085, section 3.1.1: one second
/// where the round trip time is not known).
const RESEND_AFTER: Duration = Duration::from_secs(1);

/// Datagrams before TCP is tried.
const DATAGRAMS_MAX: u32 = 3;

/// How long TCP is used at once after it helped where UDP did not: then UDP is tried again, at the
/// cost of 7 s.
const STREAM_PREFERRED: Duration = Duration::from_secs(15 * 60);

/// Requests that wait for an answer at once, once the tracker has answered one: at 50 ms to the
/// tracker, 1,000 topics take 7 s.
const FLIGHTS_MAX: usize = 8;

/// Tokens taken in a row for one request: one at first, one more if the tracker was started anew or
/// the epoch changed in between; a tracker that never takes its own counts as dead.
const TOKENS_MAX: u32 = 3;

/// When to ask a tracker again whose tables are full.
const FULL_RETRY: Duration = Duration::from_secs(120);

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

/// One request on its way.
struct Flight {
    topic: Topic,
    event: AnnounceEvent,
    datagrams: u32,
    tokens: u32,
    over_stream: bool,
    /// Runs beside one by UDP, whatever becomes of that.
    beside: bool,
    deadline: Timestamp,
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

    fn launch(&mut self, now: Timestamp, topic: Topic, outbox: &mut Outbox) {
        let Some(event) = self.slots.get(&topic).map(|slot| slot.event) else { return };
        let over_stream = now < self.stream_until;
        self.unschedule(topic);
        let beside = false;
        let flight =
            Flight { topic, event, datagrams: 0, tokens: 0, over_stream, beside, deadline: now };
        let transaction = outbox.rng.next_u64().max(1);
        self.transmit(now, transaction, flight, outbox);
    }

    fn transmit(
        &mut self,
        now: Timestamp,
        transaction: u64,
        mut flight: Flight,
        outbox: &mut Outbox,
    ) {
        let observed = self.observed;
        let Some(slot) = self.slots.get_mut(&flight.topic) else { return };
        let part = slot.part.seen_at(observed, outbox.mapped);
        slot.told_port = part.listen_port;
        let (token, attend) = (&self.token, flight.over_stream);
        let request =
            request(transaction, token, flight.topic, outbox.own, flight.event, part, attend);
        slot.announced |= flight.over_stream || !self.token.is_empty();
        if flight.over_stream {
            flight.deadline = now + ANSWER_DEADLINE;
            self.send_over_line(request, outbox);
        } else {
            flight.deadline = now + RESEND_AFTER * 2_u32.pow(flight.datagrams);
            flight.datagrams += 1;
            self.send(now, request, outbox);
        }
        self.flights.insert(transaction, flight);
    }

    fn send(&mut self, now: Timestamp, datagram: Bytes, outbox: &mut Outbox) {
        self.keep_alive.spoken(now, &mut outbox.rng);
        outbox.actions.push_back(Action::Send { to: self.address, datagram });
    }

    /// Sends an overdue request again, the last time over TCP.
    ///
    /// A tracker met for the first time is asked over TCP beside it as soon as one datagram has no answer: where
    /// UDP is blocked the user does not wait for the other two, and where it was only lost nothing is lost.
    fn resend(
        &mut self,
        now: Timestamp,
        transaction: u64,
        mut flight: Flight,
        outbox: &mut Outbox,
    ) {
        if flight.over_stream {
            self.unanswered(now, &flight, outbox);
            return;
        }
        flight.over_stream = flight.datagrams == DATAGRAMS_MAX;
        let (topic, event) = (flight.topic, flight.event);
        let is_first = flight.datagrams == 1 && !self.answers_udp && self.failures == 0;
        self.transmit(now, transaction, flight, outbox);
        if is_first {
            let (datagrams, tokens, over_stream, beside, deadline) = (0, 0, true, true, now);
            let flight = Flight { topic, event, datagrams, tokens, over_stream, beside, deadline };
            self.transmit(now, outbox.rng.next_u64().max(1), flight, outbox);
        }
    }

    /// There is no answer over TCP: a failure, unless UDP may still do it.
    fn unanswered(&mut self, now: Timestamp, flight: &Flight, outbox: &mut Outbox) {
        if !flight.beside {
            self.fail(now, flight.topic, "no answer", outbox);
        }
    }

    fn take_flight(
        &mut self,
        transaction: u64,
        condition: impl FnOnce(&Flight) -> bool,
    ) -> Option<Flight> {
        self.flights.get(&transaction).filter(|flight| condition(flight))?;
        self.flights.remove(&transaction)
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

    pub(super) fn answered(
        &mut self,
        now: Timestamp,
        source: Source,
        response: &proto::Response,
        outbox: &mut Outbox,
    ) {
        let Some(body) = &response.body else { return };
        let by_stream = source == Source::Stream(self.address);
        if by_stream {
            self.line.heard(now);
        }
        match body {
            Body::Signal(signal) => return self.take_signal(now, signal, outbox),
            Body::Token(token) if self.is_refreshed(now, response.transaction, token, outbox) => {
                return;
            }
            Body::ScrapeReply(reply) if self.keep_alive.take(response.transaction) => {
                self.take_observed(now, source, reply.observed.as_ref(), reply.other_port, outbox);
                (self.answers_udp, self.stream_until) = (true, Timestamp::ZERO);
                return self.review_line(now, None, outbox);
            }
            _ => {}
        }
        let answers = matches!(body, Body::Token(_) | Body::AnnounceReply(_) | Body::Refusal(_));
        let flight = self.take_flight(response.transaction, |_| answers);
        let Some(flight) = flight else { return };
        if let Body::Token(token) = body {
            self.take_token(now, source, flight, &token.token, outbox);
            return;
        }
        self.answering = true;
        self.failures = 0;
        self.answers_udp |= !by_stream;
        if by_stream && !flight.beside && now >= self.stream_until {
            self.stream_until = now + STREAM_PREFERRED;
        }
        let wait = match body {
            Body::AnnounceReply(reply) => self.take_reply(now, source, &flight, reply, outbox),
            Body::Refusal(refusal) => self.take_refusal(&flight, refusal),
            _ => None,
        };
        let by_udp_too = self.flights.values().any(|other| other.topic == flight.topic);
        // Of two requests that run beside each other the one by UDP says when the next is due; it takes the other back.
        if let Some(wait) = wait.filter(|_| !(flight.beside && by_udp_too)) {
            self.unschedule(flight.topic);
            self.schedule(flight.topic, now + wait);
        }
        let attended = match body {
            Body::AnnounceReply(reply) if by_stream && flight.event != AnnounceEvent::Stopped => {
                Some(reply.attended)
            }
            _ => None,
        };
        self.review_line(now, attended, outbox);
    }

    /// Asks again with the token, in a transaction of its own: a second copy of the answer means
    /// nothing then.
    fn take_token(
        &mut self,
        now: Timestamp,
        source: Source,
        mut flight: Flight,
        token: &Bytes,
        outbox: &mut Outbox,
    ) {
        flight.tokens += 1;
        if flight.tokens > TOKENS_MAX
            || token.len() != TOKEN_LENGTH
            || source == Source::Stream(self.address)
        {
            self.fail(now, flight.topic, "takes no token of its own", outbox);
            return;
        }
        self.take_new_token(now, token);
        // UDP works, however slowly.
        (flight.datagrams, flight.over_stream) = (0, false);
        self.transmit(now, outbox.rng.next_u64().max(1), flight, outbox);
    }

    /// When to announce the topic again; none if it is left.
    fn take_reply(
        &mut self,
        now: Timestamp,
        source: Source,
        flight: &Flight,
        reply: &proto::AnnounceReply,
        outbox: &mut Outbox,
    ) -> Option<Duration> {
        self.take_observed(now, source, reply.observed.as_ref(), reply.other_port, outbox);
        if flight.event == AnnounceEvent::Stopped {
            self.slots.remove(&flight.topic);
            return None;
        }
        let (own, observed) = (outbox.own, self.observed);
        let slot = self.slots.get_mut(&flight.topic)?;
        (slot.seeds, slot.leeches, slot.refusal) = (reply.seeds, reply.leeches, "");
        slot.event = AnnounceEvent::Unspecified;
        let addresses = peers(reply, own, self.address);
        if !addresses.is_empty() {
            outbox.actions.push_back(Action::Peers { topic: flight.topic, addresses });
        }
        let interval = Duration::from_millis(reply.interval_ms.into());
        let interval = interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
        let mut wait = slot.wait(interval);
        if slot.told_port != slot.part.seen_at(observed, outbox.mapped).listen_port {
            // It said only now where it sees us. It cannot have us hurry by saying something else each time.
            wait = INTERVAL_MIN;
        }
        Some(wait - random_part(wait / 10, &mut outbox.rng))
    }

    fn take_refusal(&mut self, flight: &Flight, refusal: &proto::Refusal) -> Option<Duration> {
        if flight.event == AnnounceEvent::Stopped {
            self.slots.remove(&flight.topic);
            return None;
        }
        let slot = self.slots.get_mut(&flight.topic)?;
        let (text, wait) = match refusal.reason() {
            proto::RefusalReason::Full => ("tracker is full", FULL_RETRY),
            _ => ("tracker refuses the announce", BACKOFF_MAX),
        };
        slot.refusal = text;
        Some(wait)
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
