//! What a tracker answers, and when it is asked next.

use std::time::Duration;

use bytes::Bytes;
use peerit_proto::tracker::v1 as proto;
use proto::AnnounceEvent;
use proto::response::Body;

use super::super::super::token::TOKEN_LENGTH;
use super::super::super::{INTERVAL_MAX, INTERVAL_MIN};
use super::super::backoff::{BACKOFF_MAX, random_part};
use super::super::message::peers;
use super::super::{Action, Outbox, Source};
use super::flights::Flight;
use super::{Endpoint, STREAM_PREFERRED};
use crate::time::Timestamp;

/// Tokens taken in a row for one request: one at first, one more if the tracker was started anew or
/// the epoch changed in between; a tracker that never takes its own counts as dead.
const TOKENS_MAX: u32 = 3;

/// When to ask a tracker again whose tables are full.
const FULL_RETRY: Duration = Duration::from_secs(120);

impl Endpoint {
    pub(in super::super) fn answered(
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
        let flight = answers.then(|| self.flights.remove(&response.transaction)).flatten();
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
        // Of two requests that run beside each other the last one says when the next is due. The first does not take the
        // other back: the tracker may have heard it, and pushes signals to where the last one came from.
        if let Some(wait) = wait.filter(|_| !self.is_asking(flight.topic)) {
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
}
