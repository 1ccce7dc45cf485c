//! What an attempt says to its peer through the trackers, and what it hears.

use std::time::Duration;

use super::super::candidate::Candidate;
use super::super::event::Action;
use super::super::report::{Fault, Mapping, Method, Outcome};
use super::super::seal::seal;
use super::super::signal::{AttemptId, Credentials, Signal};
use super::birthday::Birthday;
use super::{Attempt, Outbox};
use crate::time::Timestamp;

/// How long dials have before trackers are troubled: as long as between two dials.
const OFFER_AFTER: Duration = super::ways::DIAL_INTERVAL;

/// Wait for an answer after the first offer, doubled for each one more (RFC 8085, section 3.1.1).
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Most offers without an answer: of two hops that lose one in twenty each, three are all lost once in 1,000
/// times. A peer that has not answered 7 s after the first is not there.
const OFFERS_MAX: u32 = 3;

/// Least time between two signals of an attempt: whatever the peer repeats, it hears no more often.
const SPACING: Duration = Duration::from_secs(1);

/// Most signals of an attempt. Three offers and a few additions are usual.
const SIGNALS_MAX: u32 = 8;

/// Most candidates that a peer may name in one attempt, with all it adds later.
const REMOTE_CANDIDATES_MAX: usize = 32;

/// How often a peer may begin anew while our attempt with it goes on.
const RESTARTS_MAX: u32 = 2;

/// The state of an attempt's talk.
pub(super) struct Signalling {
    ours: AttemptId,
    /// The peer's offer, which we answer.
    theirs: Option<AttemptId>,
    remote: Option<Credentials>,
    /// When the next signal is due.
    due: Option<Timestamp>,
    /// Until then an answer may come.
    answer_until: Option<Timestamp>,
    offers: u32,
    sent: u32,
    last_sent_at: Option<Timestamp>,
    /// The candidates and the mapping that the peer was told last.
    said: (Vec<Candidate>, Mapping),
    /// How the peer's NAT maps, as it says.
    remote_mapping: Mapping,
    /// Whether the peer has opened ports of its NAT for us.
    ports_open: bool,
    restarts: u32,
    trial: Option<usize>,
}

impl Signalling {
    pub(super) fn new(outbox: &mut Outbox) -> Self {
        Self {
            ours: AttemptId(outbox.secrets.next()),
            theirs: None,
            remote: None,
            due: None,
            answer_until: None,
            offers: 0,
            sent: 0,
            last_sent_at: None,
            said: (Vec::new(), Mapping::Unknown),
            remote_mapping: Mapping::Unknown,
            ports_open: false,
            restarts: 0,
            trial: None,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.due.or(self.answer_until)
    }

    /// Whether an answer may still come.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        self.due.is_some() || self.answer_until.is_some_and(|until| now < until)
    }

    /// Whether anything has been heard of the peer; else nobody waits for our candidates.
    pub(super) fn is_heard(&self) -> bool {
        self.remote.is_some()
    }

    /// What we prove to the peer to know, once it is heard of.
    pub(super) fn remote(&self) -> Option<&Credentials> {
        self.remote.as_ref()
    }

    /// How the peer's NAT maps, and whether ports of it are open for us.
    pub(super) fn remote_nat(&self) -> (Mapping, bool) {
        (self.remote_mapping, self.ports_open)
    }

    /// The offers that both sides may know: the peer's, then ours if it was made.
    pub(super) fn offers_known(&self) -> Vec<AttemptId> {
        let ours = Some(self.ours).filter(|_| self.offers > 0);
        self.theirs.into_iter().chain(ours).collect()
    }

    /// Brings an offer forward that waits for dials.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        if self.sent == 0 {
            self.due = self.due.map(|_| now);
        }
    }

    /// Says no more, whatever is heard.
    pub(super) fn stop(&mut self) {
        (self.due, self.answer_until, self.sent) = (None, None, SIGNALS_MAX);
    }

    /// Says something soon, as often as may be.
    pub(super) fn speak(&mut self, now: Timestamp) {
        if self.sent < SIGNALS_MAX {
            let earliest = self.last_sent_at.map_or(now, |last| (last + SPACING).max(now));
            self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
        }
    }
}

impl Attempt {
    /// Will offer, unless a dial is quicker.
    pub(in super::super) fn offer(&mut self, now: Timestamp) {
        let wait = if self.dials.is_empty() { Duration::ZERO } else { OFFER_AFTER };
        self.signalling.due = Some(now + wait);
    }

    /// Says what is due.
    pub(super) fn signal_due(&mut self, now: Timestamp, outbox: &mut Outbox) {
        if self.signalling.answer_until.is_some_and(|until| until <= now) {
            self.signalling.answer_until = None;
            self.report.end(self.signalling.trial, Outcome::Failed(Fault::TimedOut));
        }
        if self.signalling.due.is_none_or(|due| now < due) {
            return;
        }
        self.signalling.due = None;
        self.send_signal(now, outbox);
        let talk = &mut self.signalling;
        if talk.is_heard() {
            return;
        }
        if talk.offers == 0 {
            talk.trial = self.report.begin(Method::Signal, None);
        }
        let wait = ANSWER_WAIT * 2_u32.pow(talk.offers);
        talk.offers += 1;
        let again = talk.offers < OFFERS_MAX && talk.sent < SIGNALS_MAX;
        (talk.due, talk.answer_until) =
            if again { (Some(now + wait), None) } else { (None, Some(now + wait)) };
    }

    fn send_signal(&mut self, now: Timestamp, outbox: &mut Outbox) {
        let candidates = outbox.locals.offer(self.relays.known());
        let talk = &mut self.signalling;
        talk.sent += 1;
        talk.last_sent_at = Some(now);
        let mapping = outbox.locals.mapping();
        talk.said = (candidates.clone(), mapping);
        let signal = Signal {
            attempt: talk.theirs.unwrap_or(talk.ours),
            answer: talk.theirs.is_some(),
            credentials: self.credentials.clone(),
            candidates,
            mapping,
            ports_open: self.birthday.as_ref().is_some_and(Birthday::has_ports),
        };
        let (topic, receiver) = (self.target.topic, self.target.peer);
        let nonce = outbox.secrets.next();
        let sealed = seal(&self.swarm_key, outbox.own, receiver, nonce, &signal.encode());
        let send = sealed.map(|sealed| Action::SendSignal { topic, receiver, sealed });
        outbox.actions.extend(send);
    }

    /// Takes in a signal that was sealed by the peer for us.
    ///
    /// Two offers that cross are each other's answers: both sides then know all that they need to, and none
    /// of them says more. If one of them was lost, its sender repeats it, and is answered.
    pub(in super::super) fn signalled(
        &mut self,
        now: Timestamp,
        signal: &Signal,
        outbox: &mut Outbox,
    ) {
        let talk = &mut self.signalling;
        let is_known = talk.remote.as_ref() == Some(&signal.credentials);
        if signal.answer {
            let is_ours = signal.attempt == talk.ours;
            if !is_ours || talk.is_heard() && !is_known {
                return;
            }
        } else if talk.theirs == Some(signal.attempt) {
            if !is_known {
                return;
            }
            // The peer repeats itself: it has not heard us.
            talk.speak(now);
        } else if !talk.is_heard() {
            talk.theirs = Some(signal.attempt);
            if talk.sent == 0 {
                talk.speak(now);
            } else {
                talk.due = None;
            }
        } else if talk.restarts < RESTARTS_MAX {
            // The peer has given up what it began before, and begins anew.
            talk.restarts += 1;
            talk.theirs = Some(signal.attempt);
            talk.remote = None;
            talk.speak(now);
            self.remote_candidates.clear();
            self.meet_anew(now, outbox);
        } else {
            return;
        }
        self.take_remote(now, signal, outbox);
    }

    /// Whoever waits at a relay for what the peer began before waits in vain.
    fn meet_anew(&mut self, now: Timestamp, outbox: &mut Outbox) {
        if !self.is_upgrade && !self.is_settled {
            self.leave_relays(outbox);
            self.relays.restart(now);
        }
    }

    /// Checks and dials what the peer names.
    fn take_remote(&mut self, now: Timestamp, signal: &Signal, outbox: &mut Outbox) {
        let talk = &mut self.signalling;
        (talk.remote_mapping, talk.ports_open) = (signal.mapping, signal.ports_open);
        if !talk.is_heard() {
            talk.remote = Some(signal.credentials.clone());
            talk.answer_until = None;
            if talk.theirs.is_none() {
                talk.due = None;
            }
            self.report.end(talk.trial, Outcome::Worked);
            self.relays.heard(now);
            self.start_punch(now, &signal.credentials, outbox);
        }
        let on_loopback = outbox.locals.is_on_loopback();
        for candidate in &signal.candidates {
            let is_odd = candidate.address.ip().is_loopback() && !on_loopback
                || outbox.locals.is_own(candidate);
            let has_room = self.remote_candidates.len() < REMOTE_CANDIDATES_MAX;
            if !is_odd && has_room && !self.remote_candidates.contains(candidate) {
                self.remote_candidates.push(*candidate);
                self.check_candidate(now, candidate);
            }
        }
        let seen = self.remote_candidates.iter().filter(|one| !one.is_private());
        let shares_network = outbox.locals.shares_network(seen.map(|one| one.address.ip()));
        for index in 0..self.remote_candidates.len() {
            let candidate = self.remote_candidates[index];
            self.dial_candidate(&candidate, shares_network);
        }
    }

    /// Our own places have changed: the peer is told, if it has been told others.
    pub(in super::super) fn locals_changed(&mut self, now: Timestamp, outbox: &Outbox) {
        let talk = &mut self.signalling;
        let (candidates, mapping) =
            (outbox.locals.offer(self.relays.known()), outbox.locals.mapping());
        if talk.sent > 0 && talk.said != (candidates, mapping) {
            talk.speak(now);
        }
    }

    /// Whether the offer of this name is known here.
    pub(in super::super) fn knows(&self, attempt: AttemptId) -> bool {
        [Some(self.signalling.ours), self.signalling.theirs].contains(&Some(attempt))
    }
}
