//! Requests on their way: when they go out, when they are sent again, and by which way.

use std::time::Duration;

use bytes::Bytes;
use peerit_proto::tracker::v1::AnnounceEvent;

use super::super::super::INTERVAL_MIN;
use super::super::line::ANSWER_DEADLINE;
use super::super::message::request;
use super::super::{Action, Outbox};
use super::Endpoint;
use crate::id::Topic;
use crate::time::Timestamp;

/// Wait after the first datagram, doubled for each one more (RFC 8085, section 3.1.1: one second
/// where the round trip time is not known).
const RESEND_AFTER: Duration = Duration::from_secs(1);

/// Datagrams before TCP is tried.
const DATAGRAMS_MAX: u32 = 3;

/// One request on its way.
pub(super) struct Flight {
    pub(super) topic: Topic,
    pub(super) event: AnnounceEvent,
    pub(super) datagrams: u32,
    pub(super) tokens: u32,
    pub(super) over_stream: bool,
    /// Runs beside one by UDP, whatever becomes of that.
    pub(super) beside: bool,
    pub(super) deadline: Timestamp,
}

impl Endpoint {
    pub(super) fn launch(&mut self, now: Timestamp, topic: Topic, outbox: &mut Outbox) {
        let Some(event) = self.slots.get(&topic).map(|slot| slot.event) else { return };
        let over_stream = now < self.stream_until;
        self.unschedule(topic);
        let beside = false;
        let flight =
            Flight { topic, event, datagrams: 0, tokens: 0, over_stream, beside, deadline: now };
        let transaction = outbox.rng.next_u64().max(1);
        self.transmit(now, transaction, flight, outbox);
    }

    pub(super) fn transmit(
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

    pub(super) fn send(&mut self, now: Timestamp, datagram: Bytes, outbox: &mut Outbox) {
        self.keep_alive.spoken(now, &mut outbox.rng);
        outbox.actions.push_back(Action::Send { to: self.address, datagram });
    }

    /// Sends an overdue request again, the last time over TCP.
    ///
    /// A tracker met for the first time is asked over TCP beside it as soon as one datagram has no answer: where
    /// UDP is blocked the user does not wait for the other two, and where it was only lost nothing is lost.
    pub(super) fn resend(
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

    /// There is no answer over TCP: a failure, unless UDP may still do it, or has.
    pub(super) fn unanswered(&mut self, now: Timestamp, flight: &Flight, outbox: &mut Outbox) {
        if !flight.beside {
            self.fail(now, flight.topic, "no answer", outbox);
        } else if !self.is_asking(flight.topic) {
            // UDP's answer has left it to this one to say when.
            self.schedule(flight.topic, now + INTERVAL_MIN);
        }
    }

    pub(super) fn is_asking(&self, topic: Topic) -> bool {
        self.flights.values().any(|flight| flight.topic == topic)
    }
}
