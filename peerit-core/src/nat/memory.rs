//! What is remembered after attempts have ended.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::attempt::Target;
use super::signal::AttemptId;
use crate::time::Timestamp;

/// Most offers remembered: 1,024 of 96 bytes are 96 KiB. Whoever replays an older one makes us try once more
/// to reach a peer of the swarm, at most [`OFFERS_PER_PEER`] times.
const OFFERS_MAX: usize = 1_024;

/// Most offers taken of one peer within [`OFFER_WINDOW`]: its attempts last up to 22 s, so it needs one or two.
const OFFERS_PER_PEER: usize = 3;
const OFFER_WINDOW: Duration = Duration::from_secs(30);

/// Offers that were taken, so that each is taken once.
#[derive(Default)]
pub(super) struct Offers {
    taken: VecDeque<(Timestamp, Target, AttemptId)>,
}

impl Offers {
    /// Whether an offer is new, and its peer has not made too many; then it is remembered.
    pub(super) fn take(&mut self, now: Timestamp, from: Target, attempt: AttemptId) -> bool {
        let recent = self.taken.iter().rev().take_while(|(at, ..)| now - *at < OFFER_WINDOW);
        let is_known = self.taken.iter().any(|(_, _, known)| *known == attempt);
        let is_often = recent.filter(|(_, peer, _)| *peer == from).count() >= OFFERS_PER_PEER;
        if is_known || is_often {
            return false;
        }
        if self.taken.len() == OFFERS_MAX {
            self.taken.pop_front();
        }
        self.taken.push_back((now, from, attempt));
        true
    }
}

/// Wait before something better than a relay is looked for again; doubled each time.
const UPGRADE_WAIT_MIN: Duration = Duration::from_secs(60);

/// Longest such wait: networks change seldom, and a change of ours ends the wait.
const UPGRADE_WAIT_MAX: Duration = Duration::from_secs(16 * 60);

/// Wait after our own network has changed, so that trackers have seen where we are now.
const UPGRADE_AFTER_CHANGE: Duration = Duration::from_secs(2);

/// Most peers reached through relays that are remembered; those of more connections than a node has.
const RELAYED_MAX: usize = 1_024;

/// The peers that are reached through a relay, and when something better is looked for.
#[derive(Default)]
pub(super) struct Relayed {
    peers: BTreeMap<Target, Upgrade>,
}

#[derive(Clone, Copy, Default)]
struct Upgrade {
    due: Option<Timestamp>,
    failures: u32,
}

impl Relayed {
    pub(super) fn insert(&mut self, target: Target) {
        if self.peers.len() < RELAYED_MAX {
            self.peers.entry(target).or_default();
        }
    }

    pub(super) fn remove(&mut self, target: Target) {
        self.peers.remove(&target);
    }

    pub(super) fn contains(&self, target: Target) -> bool {
        self.peers.contains_key(&target)
    }

    /// Nothing better was found this time.
    pub(super) fn failed(&mut self, now: Timestamp, target: Target) {
        if let Some(upgrade) = self.peers.get_mut(&target) {
            let wait = UPGRADE_WAIT_MIN * 2_u32.pow(upgrade.failures.min(10));
            upgrade.failures += 1;
            upgrade.due = Some(now + wait.min(UPGRADE_WAIT_MAX));
        }
    }

    /// Our own network is another one.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        for upgrade in self.peers.values_mut() {
            *upgrade = Upgrade { due: Some(now + UPGRADE_AFTER_CHANGE), failures: 0 };
        }
    }

    /// A peer that it is time for; its next time is not set then.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Target> {
        let is_due = |upgrade: &Upgrade| upgrade.due.is_some_and(|due| due <= now);
        let (target, upgrade) = self.peers.iter_mut().find(|(_, upgrade)| is_due(upgrade))?;
        upgrade.due = None;
        Some(*target)
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.peers.values().filter_map(|upgrade| upgrade.due).min()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Target) -> bool) {
        self.peers.retain(|target, _| keep(target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{PeerId, Topic};

    fn target(peer: u8) -> Target {
        Target { topic: Topic([0; 32]), peer: PeerId([peer; 32]) }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_origin(Duration::from_secs(seconds))
    }

    fn attempt(number: usize) -> AttemptId {
        AttemptId((number as u128).to_be_bytes())
    }

    #[test]
    fn an_offer_is_taken_once_and_a_peer_offers_seldom() {
        let mut offers = Offers::default();
        assert!(offers.take(at(0), target(1), attempt(0)));
        assert!(!offers.take(at(1), target(1), attempt(0)));
        assert!(!offers.take(at(1), target(2), attempt(0)), "whoever says so");
        let taken = (1..10).filter(|number| offers.take(at(2), target(1), attempt(*number)));
        assert_eq!(taken.count(), 2);
        assert!(offers.take(at(2), target(2), attempt(50)));
        assert!(offers.take(at(40), target(1), attempt(60)));
        for number in 100..9_000 {
            offers.take(at(40 * number as u64), target(3), attempt(number));
        }
        assert_eq!(offers.taken.len(), OFFERS_MAX);
    }

    #[test]
    fn something_better_is_looked_for_less_and_less_often() {
        let mut relayed = Relayed::default();
        relayed.insert(target(1));
        assert_eq!((relayed.take_due(at(9_999)), relayed.next_timeout()), (None, None));
        let mut waits = Vec::new();
        for _ in 0..6 {
            relayed.failed(at(0), target(1));
            waits.push(relayed.next_timeout().unwrap().since_origin().as_secs());
            assert_eq!(relayed.take_due(at(9_999)), Some(target(1)));
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 960]);
        relayed.hurry(at(0));
        assert_eq!(relayed.next_timeout(), Some(at(2)));
        relayed.remove(target(1));
        assert!(!relayed.contains(target(1)));
    }
}
