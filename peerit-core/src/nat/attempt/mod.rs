//! One attempt to reach one peer: from the first dial to its one end.

mod birthday;
mod punch;
mod signalling;
mod ways;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use birthday::Birthday;
use punch::Punch;
use signalling::Signalling;
pub(super) use ways::Relays;
use ways::{Dial, Way};

use super::candidate::Candidate;
use super::event::{Action, AttemptKey, WayKey};
use super::ice::IceBackend;
use super::locals::Locals;
use super::report::{Fault, Method, Obstacle, Outcome, Report};
use super::secrets::Secrets;
use super::signal::Credentials;
use crate::id::{PeerId, SwarmKey, Topic};
use crate::path::Path;
use crate::time::Timestamp;

/// Everything of an attempt is over by then, even if the driver leaves an [`Action::Open`] unanswered: the
/// last of them, a relay's, begins 1.25 s after the start or 10 s later if another relay failed before. Many ports,
/// which are for the time after that, take as much longer as they need: see [`birthday`].
const ATTEMPT_LASTS: Duration = Duration::from_secs(22);

/// The peer of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) topic: Topic,
    pub(super) peer: PeerId,
}

/// What all attempts share.
pub(super) struct Outbox {
    pub(super) own: PeerId,
    pub(super) secrets: Secrets,
    pub(super) locals: Locals,
    pub(super) backend: IceBackend,
    pub(super) actions: VecDeque<Action>,
    /// Whether an attempt has a birthday: one at a time.
    has_birthday: bool,
    ways: u64,
    attempts: u64,
}

impl Outbox {
    pub(super) fn new(own: PeerId, secrets: Secrets, backend: IceBackend) -> Self {
        let (locals, actions) = (Locals::default(), VecDeque::new());
        Self { own, secrets, locals, backend, actions, has_birthday: false, ways: 0, attempts: 0 }
    }

    pub(super) fn attempt_key(&mut self) -> AttemptKey {
        self.attempts += 1;
        AttemptKey(self.attempts)
    }

    fn way_key(&mut self) -> WayKey {
        self.ways += 1;
        WayKey(self.ways)
    }
}

/// One attempt.
pub(super) struct Attempt {
    key: AttemptKey,
    pub(super) target: Target,
    /// Whether there is a connection through a relay already, and a better one is wanted.
    pub(super) is_upgrade: bool,
    /// Whether it has ended, with a connection of the peer's, but for our own that crossed it on the way.
    pub(super) is_settled: bool,
    swarm_key: SwarmKey,
    ends_at: Timestamp,
    credentials: Credentials,
    signalling: Signalling,
    /// Where a tracker saw the peer last, over IPv4.
    vouched_ip: Option<Ipv4Addr>,
    /// What the peer has named, best first.
    remote_candidates: Vec<Candidate>,
    dials: VecDeque<Dial>,
    next_dial_at: Timestamp,
    dialled: BTreeSet<SocketAddr>,
    punch: Option<Punch>,
    birthday: Option<Birthday>,
    /// Whether there was a birthday: one an attempt.
    had_birthday: bool,
    relays: Relays,
    ways: BTreeMap<WayKey, Way>,
    report: Report,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By a connection that needs nothing better.
    Direct,
    /// By one through a relay; the attempt goes on as an upgrade.
    Relayed,
    /// By one that the peer has opened while ours may have reached it too; until that is known the attempt goes on,
    /// and ends once more only if it has.
    Crossed,
    /// Without a connection, or without a better one.
    Failed,
}

impl Attempt {
    /// One that begins with dialling what is known, if anything.
    pub(super) fn new(
        now: Timestamp,
        target: Target,
        swarm_key: SwarmKey,
        relays: Relays,
        outbox: &mut Outbox,
    ) -> Self {
        let fragment = outbox.secrets.next_text::<8>();
        let password = outbox.secrets.next_text::<24>();
        Self {
            key: outbox.attempt_key(),
            target,
            is_upgrade: false,
            is_settled: false,
            swarm_key,
            ends_at: now + ATTEMPT_LASTS,
            credentials: Credentials { fragment, password },
            signalling: Signalling::new(outbox),
            vouched_ip: None,
            remote_candidates: Vec::new(),
            dials: VecDeque::new(),
            next_dial_at: now,
            dialled: BTreeSet::new(),
            punch: None,
            birthday: None,
            had_birthday: false,
            relays,
            ways: BTreeMap::new(),
            report: Report::default(),
        }
    }

    /// Makes it one that looks for something better than a relay.
    pub(super) fn into_upgrade(mut self) -> Self {
        self.is_upgrade = true;
        self.relays.stop();
        self
    }

    /// Whether this side chooses the path: the one with the larger peer id, so that both know without a
    /// message.
    fn is_controlling(&self, outbox: &Outbox) -> bool {
        outbox.own > self.target.peer
    }

    /// Does what is due. Some: it has come to its end.
    pub(super) fn advance(&mut self, now: Timestamp, outbox: &mut Outbox) -> Option<End> {
        self.dial_due(now, outbox);
        self.signal_due(now, outbox);
        self.punch_due(now, outbox);
        self.birthday_due(now, outbox);
        self.relay_due(now, outbox);
        let is_over = now >= self.ends_at || !self.has_hope(now);
        is_over.then(|| self.fail(Outcome::Failed(Fault::TimedOut), outbox))
    }

    /// Whether anything is going on that may end well.
    fn has_hope(&self, now: Timestamp) -> bool {
        !self.ways.is_empty()
            || !self.dials.is_empty()
            || self.punch.is_some()
            || self.birthday.is_some()
            || self.relays.next_timeout().is_some()
            || self.signalling.is_waiting(now)
    }

    /// When [`Attempt::advance`] is due.
    pub(super) fn next_timeout(&self) -> Timestamp {
        let dial_at = (!self.dials.is_empty()).then_some(self.next_dial_at);
        let punch_at = self.punch.as_ref().map(Punch::next_timeout);
        let birthday_at = self.birthday.as_ref().map(Birthday::next_timeout);
        let (signal_at, relay_at) = (self.signalling.next_timeout(), self.relays.next_timeout());
        let others = [signal_at, relay_at, dial_at, punch_at, birthday_at];
        others.into_iter().flatten().fold(self.ends_at, Timestamp::min)
    }

    /// Ends it with a connection. `way` is ours, or none if the peer has opened it.
    fn establish(&mut self, way: Option<WayKey>, path: Path, outbox: &mut Outbox) -> End {
        let is_final = path != Path::Relayed;
        if is_final {
            self.close_overtaken(way, outbox);
            self.end_birthday(Outcome::Overtaken, outbox);
        }
        let mut report = self.report.clone();
        report.end_all(Outcome::Overtaken);
        self.name_nats(&mut report, outbox);
        let Target { topic, peer } = self.target;
        if std::mem::take(&mut self.is_settled) {
            self.key = outbox.attempt_key();
        }
        let attempt = self.key;
        let established = Action::Established { attempt, topic, peer, way, path, report };
        outbox.actions.push_back(established);
        if is_final && self.ways.is_empty() {
            return End::Direct;
        }
        self.relays.stop();
        self.leave_relays(outbox);
        if is_final {
            self.punch = None;
            self.signalling.stop();
            self.is_settled = true;
            return End::Crossed;
        }
        self.key = outbox.attempt_key();
        self.is_upgrade = true;
        End::Relayed
    }

    /// Ends it without one; what is not over ends with `outcome`.
    fn fail(&mut self, outcome: Outcome, outbox: &mut Outbox) -> End {
        self.close_ways(outbox);
        self.end_birthday(outcome, outbox);
        if self.is_settled {
            return End::Direct;
        }
        if self.relays.awaits_peer() {
            self.report.skip(Method::Relay, Obstacle::NoAnswer);
        }
        let mut report = std::mem::take(&mut self.report);
        report.end_all(outcome);
        self.name_nats(&mut report, outbox);
        let Target { topic, peer } = self.target;
        outbox.actions.push_back(Action::Failed { attempt: self.key, topic, peer, report });
        End::Failed
    }

    fn name_nats(&self, report: &mut Report, outbox: &Outbox) {
        (report.mapping, report.remote_mapping) =
            (outbox.locals.mapping(), self.signalling.remote_nat().0);
    }

    /// Ends it, as nobody wants it any more.
    pub(super) fn abandon(&mut self, obstacle: Obstacle, outbox: &mut Outbox) {
        self.fail(Outcome::NotTried(obstacle), outbox);
    }
}
