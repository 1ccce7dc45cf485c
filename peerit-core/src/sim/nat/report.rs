//! What came of a simulation of NATs.

use std::time::Duration;

use crate::nat::{AttemptKey, Report};
use crate::path::Path;

/// How an attempt of a host ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatEnd {
    /// When, since the simulation began.
    pub at: Duration,
    /// Which attempt.
    pub attempt: AttemptKey,
    /// How the peer is reached; none: not at all.
    pub path: Option<Path>,
    /// What was tried.
    pub report: Report,
}

/// What a host has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatHostReport {
    /// How it reaches the other in the end.
    pub path: Option<Path>,
    /// When it first had a connection, since the simulation began.
    pub connected_at: Option<Duration>,
    /// When it first had one without a relay.
    pub direct_at: Option<Duration>,
    /// The ends of its attempts, in order.
    pub ends: Vec<NatEnd>,
    /// Signals sent.
    pub signals: usize,
    /// Checks and their answers sent.
    pub checks: usize,
    /// Whether an attempt goes on still.
    pub is_busy: bool,
}

/// What both have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatReport {
    /// The first and the second one.
    pub hosts: [NatHostReport; 2],
    /// When the second one joined.
    pub both_there_at: Duration,
}

impl NatReport {
    /// How long it took from when both were there until both had a connection; none: they have none.
    #[must_use]
    pub fn connected_after(&self) -> Option<Duration> {
        self.after(|host| host.connected_at)
    }

    /// The same for one without a relay.
    #[must_use]
    pub fn direct_after(&self) -> Option<Duration> {
        self.after(|host| host.direct_at)
    }

    fn after(&self, at: impl Fn(&NatHostReport) -> Option<Duration>) -> Option<Duration> {
        let [a, b] = &self.hosts;
        Some(at(a)?.max(at(b)?).saturating_sub(self.both_there_at))
    }
}
