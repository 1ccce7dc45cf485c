//! What others say: signals, STUN, and where they see us.

use std::net::SocketAddr;

use bytes::Bytes;

use super::attempt::{Attempt, Target};
use super::event::Action;
use super::ice::{self, Addressee};
use super::observers::Word;
use super::signal::{Signal, SignalError};
use super::{NatTraversal, OFFERED_ATTEMPTS_MAX, seal};
use crate::time::Timestamp;
use crate::wire::address::canonical;

impl NatTraversal {
    pub(super) fn observed(&mut self, now: Timestamp, observer: SocketAddr, address: SocketAddr) {
        if self.outbox.locals.observe(observer, address) {
            self.locals_changed(now);
        }
    }

    pub(super) fn hear_observers(&mut self, now: Timestamp) {
        while let Some(word) = self.observers.poll() {
            match word {
                Word::Send { to, datagram } => {
                    self.outbox.actions.push_back(Action::SendStun { to, datagram });
                }
                Word::Observed { observer, address } => self.observed(now, observer, address),
            }
        }
    }

    pub(super) fn signal(
        &mut self,
        now: Timestamp,
        from: Target,
        sender_address: Option<SocketAddr>,
        sealed: &Bytes,
    ) -> Result<(), SignalError> {
        let own = self.outbox.own;
        let Some(swarm) = self.swarms.get(&from.topic) else { return Ok(()) };
        let opened = seal::open(&swarm.key, from.peer, own, sealed).ok_or(SignalError::Seal)?;
        let signal = Signal::decode(&opened)?;
        let known = self.attempts.get(&from).map(|attempt| attempt.knows(signal.attempt));
        let is_settled = self.attempts.get(&from).is_some_and(|attempt| attempt.is_settled);
        if known == Some(true) && is_settled {
            return Ok(());
        }
        if known != Some(true) {
            let is_offer = !signal.answer && from.peer != own;
            let has_room = known.is_some() || self.attempts.len() < OFFERED_ATTEMPTS_MAX;
            if !is_offer || !has_room || !self.offers.take(now, from, signal.attempt) {
                return Ok(());
            }
        }
        if known.is_none() || is_settled {
            self.drop_settled(from);
            let answering = self.new_attempt(now, from);
            self.attempts.extend(answering.map(|attempt| (from, attempt)));
        }
        self.with(now, from, |attempt, outbox| {
            attempt.seen_at(sender_address);
            attempt.signalled(now, &signal, outbox);
        });
        Ok(())
    }

    /// Finds the attempt by the name of the one checked or, for an answer, by where it comes from.
    pub(super) fn stun(&mut self, now: Timestamp, from: SocketAddr, datagram: &Bytes) {
        let from = canonical(from);
        self.observers.handle_datagram(from, datagram);
        self.hear_observers(now);
        let Some(addressee) = ice::addressee(datagram) else { return };
        let is_for = |attempt: &Attempt| match &addressee {
            Addressee::Check(fragment) => attempt.has_fragment(fragment),
            Addressee::Answer => attempt.checks(from),
        };
        let targets = self.attempts.iter().filter(|(_, attempt)| is_for(attempt));
        for target in targets.map(|(target, _)| *target).collect::<Vec<_>>() {
            self.with(now, target, |attempt, _| attempt.handle_stun(now, from, datagram));
        }
    }
}
