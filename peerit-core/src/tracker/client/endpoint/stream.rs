//! Where UDP does not pass: requests over TCP, and the connection that signals come by.

use bytes::Bytes;

use super::super::line::Due;
use super::super::{Action, Outbox, message};
use super::{Endpoint, STREAM_PREFERRED};
use crate::time::Timestamp;

impl Endpoint {
    pub(super) fn send_over_line(&mut self, message: Bytes, outbox: &mut Outbox) {
        self.line.is_open = true;
        outbox.actions.push_back(Action::SendStream { to: self.address, message });
    }

    pub(super) fn hang_up(&mut self, outbox: &mut Outbox) {
        if std::mem::take(&mut self.line).is_open {
            outbox.actions.push_back(Action::CloseStream { to: self.address });
        }
    }

    /// What the line needs as time goes by.
    pub(super) fn keep_line(&mut self, now: Timestamp, outbox: &mut Outbox) {
        match self.line.advance(now) {
            Due::Word => {
                let transaction = outbox.rng.next_u64().max(1);
                self.send_over_line(message::keep_alive(transaction, &self.token), outbox);
            }
            Due::Hangup => {
                self.hang_up(outbox);
                self.renew(now);
            }
            Due::Nothing if self.slots.is_empty() => self.hang_up(outbox),
            Due::Nothing => {}
        }
    }

    /// An announce has been answered; `attended` if that came over the line: whether signals will.
    ///
    /// A line that brings no signals is closed when nothing is to come, and so is one where UDP has turned out to pass:
    /// the tracker is told so by an announce, as it pushes to where the last one came from.
    pub(super) fn review_line(
        &mut self,
        now: Timestamp,
        attended: Option<bool>,
        outbox: &mut Outbox,
    ) {
        if let Some(attended) = attended {
            self.line.attend(now, attended);
        }
        let is_awaited = self.flights.values().any(|flight| flight.over_stream);
        if self.answers_udp && now >= self.stream_until && self.line.is_attended() {
            self.hang_up(outbox);
            self.renew(now);
        } else if !is_awaited && !self.line.is_attended() {
            self.hang_up(outbox);
        }
    }

    /// The driver has lost the line: whoever waits for an answer waits in vain, and no signal can come.
    pub(in super::super) fn stream_lost(&mut self, now: Timestamp, outbox: &mut Outbox) {
        let was_attended = std::mem::take(&mut self.line).is_attended();
        let waiting = self.flights.iter().filter(|(_, flight)| flight.over_stream);
        let waiting: Vec<u64> = waiting.map(|(transaction, _)| *transaction).collect();
        for transaction in waiting {
            if let Some(flight) = self.flights.remove(&transaction) {
                self.unanswered(now, &flight, outbox);
            }
        }
        if was_attended && self.failures == 0 {
            if !self.answers_udp {
                self.stream_until = now + STREAM_PREFERRED;
            }
            self.renew(now);
        }
    }
}
