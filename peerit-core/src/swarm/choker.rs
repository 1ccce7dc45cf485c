//! Whom to serve: tit for tat.
//!
//! After Cohen, "Incentives Build Robustness in BitTorrent" (2003) and BEP 3, with three changes.
//! Slots are given by events as well as by rounds: a free one is filled at once. A seed, to whom
//! nobody can give anything back, gives every slot in turns, as BEP 3's optimistic unchoke does, so
//! that chunks spread instead of going to the fastest. And turns go to who has waited longest rather
//! than by lot, so that nobody waits forever.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Config;
use crate::id::PeerKey;
use crate::rng::Rng;
use crate::time::Timestamp;

/// Time between rounds. BEP 3 has 10 s; rates are measured over the last ten seconds, and twice as
/// often still does not flap.
pub(super) const ROUND: Duration = Duration::from_secs(5);
/// Length of a turn: three rounds, enough for TCP to reach its rate and for the peer to answer in kind.
const TURN: Duration = Duration::from_secs(15);
/// How much faster time passes for who waits and has no chunk yet: it has nothing to give, and BEP 3
/// makes such peers three times as likely.
const NEWCOMER_FACTOR: u32 = 3;

/// Why a peer is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// It is among those who give us most.
    Reciprocal,
    /// It is its turn.
    Turn {
        /// When the turn is over, if somebody waits.
        until: Timestamp,
    },
}

/// A peer that lacks something we have, or did when it was given its slot.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) peer: PeerKey,
    pub(super) slot: Option<Slot>,
    /// How many of our chunks it lacks.
    pub(super) lacks: u32,
    /// Whether something is asked through its slot, or on its way.
    pub(super) asks: bool,
    /// Whether it has asked for nothing for a while, though it has a slot.
    pub(super) idle: bool,
    /// Whether it has no chunk yet.
    pub(super) newcomer: bool,
    /// Bytes a second it gives us; 0 when it lets us wait.
    pub(super) gives: u64,
    /// Since when it has no slot. Of no meaning with one.
    pub(super) waiting_since: Timestamp,
}

impl Candidate {
    /// Whether it would make use of a slot now.
    fn is_eager(&self) -> bool {
        self.lacks > 0 && !self.idle
    }

    /// For how long it has waited, in whole seconds: less than that says more about the network than
    /// about the peer, and whoever is served first must not be the same at everybody.
    fn waited(&self, now: Timestamp) -> u64 {
        let factor = if self.newcomer { NEWCOMER_FACTOR } else { 1 };
        let waited = self.slot.map_or(now - self.waiting_since, |_| Duration::ZERO);
        (waited * factor).as_secs()
    }
}

/// How many slots there are at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Those that the uplink can serve within bearable time; at most as many as the user allows.
    pub(super) slots: usize,
    /// More, because the uplink is idle: whoever lacks most gets these, as it will surely ask.
    pub(super) extra: usize,
}

/// The rules; they keep no state but their limits.
#[derive(Clone, Debug)]
pub(super) struct Choker {
    /// Slots when the uplink is fast, and how many of them are given in turns.
    most: usize,
    optimistic: usize,
}

/// Slots while they are given out.
#[derive(Debug)]
struct Given {
    free: usize,
    slots: BTreeMap<PeerKey, Slot>,
}

impl Choker {
    pub(super) fn new(config: &Config) -> Self {
        Self { most: config.upload_slots, optimistic: config.optimistic_slots }
    }

    /// Fills free slots; nobody who wants something loses one, but for extra ones when the uplink is
    /// busy again. O(n log n).
    pub(super) fn fill(
        now: Timestamp,
        room: Room,
        candidates: &[Candidate],
        rng: &mut Rng,
    ) -> BTreeMap<PeerKey, Slot> {
        let mut given = Given::none(room.slots + room.extra);
        given.keep(candidates, |candidate| {
            candidate.is_eager() && candidate.slot == Some(Slot::Reciprocal)
        });
        given.keep(candidates, |candidate| candidate.is_eager() && candidate.asks);
        given.keep(candidates, Candidate::is_eager);
        given.give_turns(now, candidates, room.extra > 0, rng);
        given.slots
    }

    /// Gives all slots anew: first to those who give most, then to those whose turn is not over, then
    /// to those who have waited longest. O(n log n).
    pub(super) fn round(
        &self,
        now: Timestamp,
        slots: usize,
        we_seed: bool,
        candidates: &[Candidate],
        rng: &mut Rng,
    ) -> BTreeMap<PeerKey, Slot> {
        let mut given = Given::none(slots);
        if !we_seed {
            let giving = |candidate: &&Candidate| candidate.lacks > 0 && candidate.gives > 0;
            let mut best: Vec<_> = candidates.iter().filter(giving).collect();
            best.sort_by_key(|candidate| std::cmp::Reverse(candidate.gives));
            for candidate in best.into_iter().take(self.reciprocal(slots)) {
                given.give(candidate.peer, Slot::Reciprocal);
            }
        }
        given.keep(candidates, |candidate| {
            let lasts = |slot| matches!(slot, Slot::Turn { until } if until > now);
            candidate.is_eager() && candidate.slot.is_some_and(lasts)
        });
        given.give_turns(now, candidates, false, rng);
        given.slots
    }

    /// How many of so many slots are for those who give: the same part as of all.
    fn reciprocal(&self, slots: usize) -> usize {
        slots - (slots * self.optimistic).div_ceil(self.most).min(slots)
    }
}

impl Given {
    fn none(free: usize) -> Self {
        Self { free, slots: BTreeMap::new() }
    }

    fn give(&mut self, peer: PeerKey, slot: Slot) {
        if self.free > 0 && !self.slots.contains_key(&peer) {
            self.free -= 1;
            self.slots.insert(peer, slot);
        }
    }

    /// Those with a slot and `which` keep it.
    fn keep(&mut self, candidates: &[Candidate], which: impl Fn(&Candidate) -> bool) {
        for candidate in candidates.iter().filter(|candidate| which(candidate)) {
            if let Some(slot) = candidate.slot {
                self.give(candidate.peer, slot);
            }
        }
    }

    /// Gives what is free to those who have waited longest, or lack most. What is left after that stays
    /// with those who want nothing right now: when they do again, they need not wait for a round trip.
    fn give_turns(
        &mut self,
        now: Timestamp,
        candidates: &[Candidate],
        by_need: bool,
        rng: &mut Rng,
    ) {
        let mut waiting: Vec<_> = candidates.iter().filter(|one| one.is_eager()).collect();
        rng.shuffle(&mut waiting);
        waiting.sort_by_cached_key(|candidate| {
            let need = if by_need { candidate.lacks } else { 0 };
            std::cmp::Reverse((need, candidate.waited(now)))
        });
        for candidate in waiting {
            self.give(candidate.peer, Slot::Turn { until: now + TURN });
        }
        self.keep(candidates, |candidate| !candidate.is_eager());
    }
}

#[cfg(test)]
#[path = "tests/choker.rs"]
mod tests;
