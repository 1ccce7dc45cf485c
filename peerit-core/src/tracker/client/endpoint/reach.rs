//! Being reached through a tracker: signals, and the address at which it sees us.

use std::net::SocketAddr;

use bytes::Bytes;
use peerit_proto::tracker::v1 as proto;
use peerit_proto::wire::v1::SocketAddress;
use proto::AnnounceEvent;

use super::super::super::token::{TOKEN_LASTS, TOKEN_LENGTH};
use super::super::super::{INTERVAL_MIN, codec};
use super::super::slot::Slot;
use super::super::{Action, Outbox, Source, message};
use super::Endpoint;
use crate::id::Topic;
use crate::time::Timestamp;

impl Endpoint {
    pub(super) fn send_keep_alive(&mut self, now: Timestamp, outbox: &mut Outbox) {
        let transaction = outbox.rng.next_u64().max(1);
        self.keep_alive.begin(now, transaction);
        self.send(now, message::keep_alive(transaction, &self.token), outbox);
    }

    /// Whether the tracker may push signals to us as datagrams, or it is to be seen whether it may again: three in a row
    /// may have been lost by chance, and over TCP it sees nothing of how a NAT maps.
    pub(super) fn is_kept_alive(&self, now: Timestamp) -> bool {
        let is_member = |slot: &Slot| slot.announced && slot.event != AnnounceEvent::Stopped;
        let is_by_udp = self.answers_udp && now >= self.stream_until;
        (is_by_udp || self.line.is_attended()) && self.slots.values().any(is_member)
    }

    /// Whether the tracker knows us in a swarm, and answers.
    pub(in super::super) fn can_signal(&self, topic: Topic) -> bool {
        self.answering && self.slots.get(&topic).is_some_and(|slot| slot.announced)
    }

    /// Sends a signal the way announces go. Over a stream, its answer says no more than that it was taken.
    pub(in super::super) fn send_signal(
        &mut self,
        now: Timestamp,
        signal: proto::Signal,
        outbox: &mut Outbox,
    ) {
        let transaction = outbox.rng.next_u64().max(1);
        let request = message::signal(transaction, &self.token, &signal);
        if now < self.stream_until || !self.answers_udp || self.line.is_attended() {
            self.send_over_line(request, outbox);
        } else {
            self.send(now, request, outbox);
            self.signals.sent(transaction, signal);
        }
    }

    /// The machine has other addresses now: everything is said anew, as to a tracker never heard of.
    pub(in super::super) fn network_changed(&mut self, now: Timestamp, outbox: &mut Outbox) {
        self.hang_up(outbox);
        (self.retry_at, self.stream_until, self.observed) = (now, Timestamp::ZERO, None);
        self.answers_udp = false;
        self.announce_all(now);
    }

    /// The next keep-alive, whose answer says where the tracker sees us, need not wait.
    pub(in super::super) fn path_lost(&mut self, now: Timestamp) {
        self.keep_alive.hurry(now);
        self.line.hurry(now);
    }

    /// A router leads another address to our port, or none: trackers hear of it where that means another port.
    pub(in super::super) fn mapped(&mut self, now: Timestamp, external: Option<SocketAddr>) {
        let observed = self.observed;
        let is_told =
            |slot: &Slot| slot.told_port == slot.part.seen_at(observed, external).listen_port;
        if !self.slots.values().all(is_told) {
            self.announce_all(now);
        }
    }

    fn announce_all(&mut self, now: Timestamp) {
        for topic in self.slots.keys().copied().collect::<Vec<_>>() {
            if let Some(slot) = self.slots.get_mut(&topic) {
                slot.lonely = 0;
            }
            self.unschedule(topic);
            self.schedule(topic, now);
        }
    }

    pub(super) fn take_new_token(&mut self, now: Timestamp, token: &Bytes) {
        self.token.clone_from(token);
        self.token_at = now;
    }

    /// Whether there is a token that the tracker should take still. If it does not, it was started anew, or sees us
    /// elsewhere: either way it does not know where we are.
    fn is_token_new(&self, now: Timestamp) -> bool {
        !self.token.is_empty() && now - self.token_at < TOKEN_LASTS
    }

    /// Says everything anew, at most as often as a tracker may have us announce; also to a tracker that was given up
    /// and is heard again.
    pub(super) fn renew(&mut self, now: Timestamp) {
        if self.renewed_at.is_none_or(|at| now - at >= INTERVAL_MIN) {
            (self.renewed_at, self.retry_at) = (Some(now), now);
            self.announce_all(now);
        }
    }

    pub(super) fn take_signal(
        &mut self,
        now: Timestamp,
        signal: &proto::Signal,
        outbox: &mut Outbox,
    ) {
        let joined = |topic: &Topic| self.slots.contains_key(topic);
        let is_known = Topic::try_from(signal.topic.as_ref()).is_ok_and(|topic| joined(&topic));
        if is_known {
            outbox.actions.extend(self.signals.pushed(now, outbox.own, signal));
        }
    }

    /// Takes a new token for a signal or a keep-alive, which is sent again with it: once, as the tracker's answer
    /// to that is not looked for.
    pub(super) fn is_refreshed(
        &mut self,
        now: Timestamp,
        transaction: u64,
        token: &proto::Token,
        outbox: &mut Outbox,
    ) -> bool {
        let signal = self.signals.take(transaction);
        let is_keep_alive = self.keep_alive.take(transaction);
        let is_lost = self.failures > 0 || self.is_token_new(now);
        if token.token.len() != TOKEN_LENGTH {
            return signal.is_some() || is_keep_alive;
        }
        if let Some(signal) = &signal {
            self.take_new_token(now, &token.token);
            let transaction = outbox.rng.next_u64().max(1);
            self.send(now, message::signal(transaction, &self.token, signal), outbox);
        }
        if is_keep_alive && self.keep_alive.may_repeat(now) {
            self.take_new_token(now, &token.token);
            self.send_keep_alive(now, outbox);
            if is_lost {
                self.renew(now);
            }
        }
        signal.is_some() || is_keep_alive
    }

    /// Seen elsewhere than before, we are announced anew in all topics: signals go to where the last datagram came
    /// from. At most as often as a tracker may have us announce.
    pub(super) fn take_observed(
        &mut self,
        now: Timestamp,
        source: Source,
        address: Option<&SocketAddress>,
        other_port: u32,
        outbox: &mut Outbox,
    ) {
        let address = address.and_then(codec::decode_address);
        // Over TCP it sees another socket.
        let Some(address) = address.filter(|_| source == Source::Datagram(self.address)) else {
            return;
        };
        let before = self.observed.replace(address);
        if before == Some(address) {
            return;
        }
        let other_port = codec::decode_other_port(other_port);
        outbox.actions.push_back(Action::Observed { tracker: self.address, address, other_port });
        if before.is_some() {
            self.renew(now);
        }
    }
}
