//! What goes wrong: peers that leave, vanish, or do nothing for a while.

use super::engine::{Event, Simulation, ns};
use super::host::State;
use super::scenario::{Fate, When};

impl Simulation {
    /// The moments that are known when a host joins.
    pub(super) fn await_fates(&mut self, host: u32) {
        self.await_fates_that(host, |when| match when {
            When::At(at) => Some(ns(at)),
            When::Uploaded(_) | When::Complete(_) => None,
        });
    }

    /// Those that are known when it is complete.
    pub(super) fn await_fates_of_completion(&mut self, host: u32) {
        let now = self.now;
        self.await_fates_that(host, |when| match when {
            When::Complete(after) => Some(now.saturating_add(ns(after))),
            When::At(_) | When::Uploaded(_) => None,
        });
    }

    /// Those whose time has come when a host has sent this much payload, and not before.
    pub(super) fn await_fates_of_upload(&mut self, host: u32, before: u64, bytes: u64) {
        let now = self.now;
        self.await_fates_that(host, |when| match when {
            When::Uploaded(mark) if before < mark && mark <= bytes => Some(now),
            _ => None,
        });
    }

    fn await_fates_that(&mut self, host: u32, moment: impl Fn(When) -> Option<u64>) {
        for (number, (when, _)) in (0..).zip(&self.hosts[host as usize].spec.fate) {
            if let Some(at) = moment(*when) {
                self.queue.push(at, Event::Fate { host, number });
            }
        }
    }

    pub(super) fn befall(&mut self, host: u32, number: u32) {
        let peer = &mut self.hosts[host as usize];
        if peer.state != State::Up {
            return;
        }
        let Some((_, fate)) = peer.spec.fate.get(number as usize) else { return };
        match *fate {
            Fate::Leave => self.leave(host),
            Fate::Crash => self.crash(host),
            Fate::Stall(duration) => peer.stalled_until = self.now.saturating_add(ns(duration)),
        }
    }

    fn leave(&mut self, host: u32) {
        for end in self.open_ends(host) {
            self.hang_up(end);
        }
        self.hosts[host as usize].state = State::Left;
        self.leave_tracker(host);
    }

    /// Nobody hears of it, but what is sent to it is not acknowledged any more, so TCP stops.
    fn crash(&mut self, host: u32) {
        for end in self.open_ends(host) {
            self.close_end(end);
            self.ends[(end ^ 1) as usize].deaf = true;
        }
        self.hosts[host as usize].state = State::Crashed;
    }

    fn open_ends(&self, host: u32) -> Vec<u32> {
        let ends = &self.hosts[host as usize].ends;
        ends.iter().copied().filter(|&end| end != super::host::NO_END).collect()
    }

    /// Until when an event has to wait because the one whom it concerns does nothing.
    pub(super) fn stalled_until(&self, event: Event) -> Option<u64> {
        let stalled = |host: u32| {
            let until = self.hosts[host as usize].stalled_until;
            (until > self.now).then_some(until)
        };
        match event {
            Event::Wake { host }
            | Event::ClientWake { host }
            | Event::UplinkFree { host }
            | Event::Stored { host }
            | Event::DialFailed { from: host, .. } => stalled(host),
            Event::Deliver { end, .. } => stalled(self.ends[(end ^ 1) as usize].host),
            Event::Closed { end } => stalled(self.ends[end as usize].host),
            Event::Open { from, to } => stalled(from).max(stalled(to)),
            Event::Join { .. } | Event::Mail { .. } | Event::Fate { .. } | Event::Sample => None,
        }
    }
}
