//! The sessions of a relay, and their quotas.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::super::rate::{Rate, RateLimiter};
use super::{RelayEnd, RelayOpen, RelayRefusal, RelaySide, RelayToken};
use crate::host::{Host, uncount};
use crate::time::Timestamp;

/// In which the quotas of bytes come back.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the quotas of a day are counted in, as a rate's burst has 32 bits: they reach to 4 TiB.
const UNIT_BYTES: u64 = 1 << 10;

/// A day's bytes must have at least this left for a session to begin, in units: 1 MiB, a few
/// chunks. Else peers would be joined only to be parted.
const START_UNITS: u32 = 1 << 10;

/// What a relay gives. A session counts for the hosts of both its sides, once if that is the same.
///
/// A host is an IPv4 address, or the /64 of an IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// Most sessions at once, with those that wait for their other side. Default 256: two
    /// descriptors each, and 64 KiB of buffers, 16 MiB in all.
    pub sessions_max: u32,
    /// Most of these with one host. Default 16: a carrier's NAT has many homes behind it, but that
    /// many hosts are needed to take all places.
    pub sessions_per_host_max: u32,
    /// Most bytes of a session, both ways together. Default 4 GiB: a film or a system's image, while
    /// peers go on to look for a direct path.
    pub session_bytes_max: u64,
    /// How long a session may last. Default 6 h: 4 GiB at 1.6 Mbit/s.
    pub session_time_max: Duration,
    /// How long nothing may be moved. Default 150 s, two and a half of the keep-alives that peers
    /// send every minute.
    pub idle_max: Duration,
    /// How long a side waits for the other. Default 30 s: the signal that tells the other takes a
    /// second or two, and again after a loss.
    pub wait_max: Duration,
    /// Bytes of one host's sessions in a day, both ways together; so many at once, and they come back
    /// evenly. At most 4 TiB. Default 8 GiB: two sessions' worth.
    pub host_bytes_per_day: u64,
    /// Bytes of all sessions in a day, likewise. Default 64 GiB: 2 TiB a month, what cheap servers
    /// may send, and 6 Mbit/s on average.
    pub total_bytes_per_day: u64,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            sessions_max: 256,
            sessions_per_host_max: 16,
            session_bytes_max: 4 << 30,
            session_time_max: Duration::from_secs(6 * 60 * 60),
            idle_max: Duration::from_secs(150),
            wait_max: Duration::from_secs(30),
            host_bytes_per_day: 8 << 30,
            total_bytes_per_day: 64 << 30,
        }
    }
}

/// What a relay has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Sides that wait for the other, now.
    pub waiting: u32,
    /// Sessions, now.
    pub open: u32,
    /// Sessions so far.
    pub opened: u64,
    /// Sides that were refused, or waited in vain.
    pub refused: u64,
    /// Sessions that were ended by a quota of bytes, the time or idleness.
    pub cut: u64,
    /// Bytes carried, both ways together.
    pub carried_bytes: u64,
}

impl fmt::Display for RelayCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waiting, open, opened, refused, cut, carried_bytes } = self;
        write!(
            f,
            "{open} sessions, {waiting} sides wait; so far {opened} sessions, {refused} refused, \
             {cut} ended by a limit, {carried_bytes} bytes carried"
        )
    }
}

/// Who is joined with whom. `Seat` is what the driver keeps of a side that waits.
///
/// Memory: a session has about 150 bytes with its hosts; with the limits of bytes a day 64 KiB more.
/// A token is forgotten with its session: who shows an old one waits in vain.
pub struct RelayTable<Seat> {
    config: RelayConfig,
    sessions: HashMap<RelayToken, Session<Seat>>,
    /// How many sessions each host has.
    hosts: BTreeMap<Host, u32>,
    host_bytes: RateLimiter,
    total_rate: Rate,
    total_bucket: Timestamp,
    counters: RelayCounters,
}

struct Session<Seat> {
    first: Host,
    side: RelaySide,
    stage: Stage<Seat>,
}

enum Stage<Seat> {
    Waits(Seat),
    Joined { second: Host, since: Timestamp, moved_at: Timestamp, bytes: u64 },
}

impl<Seat> RelayTable<Seat> {
    /// A relay without sessions. `key` must be random, and known to nobody else.
    #[must_use]
    pub fn new(config: RelayConfig, key: [u8; 32]) -> Self {
        let (host, total) = (daily(config.host_bytes_per_day), daily(config.total_bytes_per_day));
        Self {
            config,
            sessions: HashMap::new(),
            hosts: BTreeMap::new(),
            host_bytes: RateLimiter::new(key, host.interval, host.burst),
            total_rate: total,
            total_bucket: Timestamp::ZERO,
            counters: RelayCounters::default(),
        }
    }

    /// A side has come from `from`: none if it has to wait, else the seat of the side that waits for
    /// it; from then on the two are a session.
    ///
    /// # Errors
    /// When there is no place, no byte left, or somebody at this side.
    pub fn open(
        &mut self,
        now: Timestamp,
        from: IpAddr,
        open: RelayOpen,
        seat: Seat,
    ) -> Result<Option<Seat>, RelayRefusal> {
        let opened = self.try_open(now, Host::of(from), open, seat);
        match opened {
            Ok(None) => self.counters.waiting += 1,
            Ok(Some(_)) => {
                self.counters.waiting -= 1;
                self.counters.open += 1;
                self.counters.opened += 1;
            }
            Err(_) => self.counters.refused += 1,
        }
        opened
    }

    fn try_open(
        &mut self,
        now: Timestamp,
        host: Host,
        open: RelayOpen,
        seat: Seat,
    ) -> Result<Option<Seat>, RelayRefusal> {
        let own = self.hosts.get(&host).copied().unwrap_or(0);
        let place = match self.sessions.get(&open.token) {
            Some(Session { stage: Stage::Joined { .. }, .. }) => return Err(RelayRefusal::Taken),
            Some(Session { side, .. }) if *side == open.side => return Err(RelayRefusal::Taken),
            Some(Session { first, .. }) if *first == host => true,
            Some(_) => own < self.config.sessions_per_host_max,
            None => {
                own < self.config.sessions_per_host_max
                    && self.sessions.len() < self.config.sessions_max as usize
            }
        };
        if !place {
            return Err(RelayRefusal::Full);
        }
        let bytes_left = self.host_bytes.has_room(now, host, START_UNITS)
            && self.total_rate.has_room(self.total_bucket, now, START_UNITS);
        if !bytes_left {
            return Err(RelayRefusal::Quota);
        }
        Ok(self.seat(now, host, open, seat))
    }

    fn seat(&mut self, now: Timestamp, host: Host, open: RelayOpen, seat: Seat) -> Option<Seat> {
        let Some(session) = self.sessions.get_mut(&open.token) else {
            let session = Session { first: host, side: open.side, stage: Stage::Waits(seat) };
            self.sessions.insert(open.token, session);
            *self.hosts.entry(host).or_default() += 1;
            return None;
        };
        if session.first != host {
            *self.hosts.entry(host).or_default() += 1;
        }
        let joined = Stage::Joined { second: host, since: now, moved_at: now, bytes: 0 };
        match std::mem::replace(&mut session.stage, joined) {
            Stage::Waits(partner) => Some(partner),
            Stage::Joined { .. } => None,
        }
    }

    /// The side that waits does so no longer: it went, or nobody came. False if somebody has come in
    /// the meantime, and the two are a session.
    pub fn leave(&mut self, token: RelayToken) -> bool {
        let waits = |session: &Session<Seat>| matches!(session.stage, Stage::Waits(_));
        if !self.sessions.get(&token).is_some_and(waits) {
            return false;
        }
        self.forget(token);
        self.counters.waiting -= 1;
        self.counters.refused += 1;
        true
    }

    /// Counts bytes of a session, in either direction, before they are passed on.
    ///
    /// # Errors
    /// When they are more than it, its hosts or the relay may have: they are not to be passed on.
    pub fn carry(
        &mut self,
        now: Timestamp,
        token: RelayToken,
        length: usize,
    ) -> Result<(), RelayEnd> {
        let Some(session) = self.sessions.get_mut(&token) else { return Err(RelayEnd::Lost) };
        let Stage::Joined { second, moved_at, bytes, .. } = &mut session.stage else {
            return Err(RelayEnd::Lost);
        };
        let after = *bytes + length as u64;
        if after > self.config.session_bytes_max {
            return Err(RelayEnd::SessionBytes);
        }
        // Whole units as they are filled, so that many short parts cost no more than few long ones.
        let units = after / UNIT_BYTES - *bytes / UNIT_BYTES;
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let hosts = [Some(session.first), Some(*second).filter(|host| *host != session.first)];
        let hosts = hosts.into_iter().flatten();
        if !hosts.clone().all(|host| self.host_bytes.has_room(now, host, units)) {
            return Err(RelayEnd::HostBytes);
        }
        if !self.total_rate.has_room(self.total_bucket, now, units) {
            return Err(RelayEnd::TotalBytes);
        }
        hosts.for_each(|host| self.host_bytes.count(now, host, units));
        self.total_bucket = self.total_rate.filled(self.total_bucket, now, units);
        (*bytes, *moved_at) = (after, now);
        self.counters.carried_bytes += length as u64;
        Ok(())
    }

    /// When a session must be looked at again, if nothing is moved until then.
    ///
    /// # Errors
    /// When it is over: by its time, or because nothing was moved for too long.
    pub fn deadline(&self, now: Timestamp, token: RelayToken) -> Result<Timestamp, RelayEnd> {
        let Some(Session { stage: Stage::Joined { since, moved_at, .. }, .. }) =
            self.sessions.get(&token)
        else {
            return Err(RelayEnd::Lost);
        };
        let idle_at = *moved_at + self.config.idle_max;
        let over_at = *since + self.config.session_time_max;
        if over_at <= now {
            Err(RelayEnd::Time)
        } else if idle_at <= now {
            Err(RelayEnd::Idle)
        } else {
            Ok(idle_at.min(over_at))
        }
    }

    /// A session is over; how many bytes it had. `end` is why, unless its peers have ended it.
    pub fn close(&mut self, token: RelayToken, end: Option<RelayEnd>) -> u64 {
        let Some(Stage::Joined { bytes, .. }) = self.forget(token) else { return 0 };
        self.counters.open -= 1;
        if end.is_some_and(|end| end != RelayEnd::Lost) {
            self.counters.cut += 1;
        }
        bytes
    }

    fn forget(&mut self, token: RelayToken) -> Option<Stage<Seat>> {
        let session = self.sessions.remove(&token)?;
        uncount(&mut self.hosts, session.first);
        if let Stage::Joined { second, .. } = session.stage
            && second != session.first
        {
            uncount(&mut self.hosts, second);
        }
        Some(session.stage)
    }

    /// How long a side waits for the other.
    #[must_use]
    pub fn wait_max(&self) -> Duration {
        self.config.wait_max
    }

    /// What the relay has done.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        self.counters
    }
}

/// A day's bytes as a rate: all of them at once, and they come back within the day.
fn daily(bytes: u64) -> Rate {
    let units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX);
    Rate { interval: DAY / units.max(1), burst: units }
}
