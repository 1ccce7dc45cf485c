//! Our uplink: which request goes out next, how many are on their way, and how many may ask.
//!
//! A chunk is of use to others only when it is whole, so the uplink sends one block after the other, each
//! of them fast, instead of one for everybody at a fraction of the rate. What waits is served in this
//! order:
//!
//! 1. peers that are not in debt to us before those that are (tit for tat, block by block), and these only
//!    when nobody else was served for a while: a block that has begun delays who asks a moment later;
//! 2. the chunk of which we know the fewest copies: whoever gets it can pass it on, while a common one
//!    can come from many;
//! 3. a chunk of which a part went out already, before another begins;
//! 4. of a seed: the peer that passes chunks on soonest, then the one that has least to pass on, then the one that got
//!    least, so that the slow ones hold up few chunks, and no uplink is without its part;
//! 5. first come, first served.
//!
//! What has waited too long goes before all that, the oldest first.

use std::time::Duration;

use super::peers::Peer;
use super::super_seeding::Offers;
use super::uploads::Load;
use super::{Action, Swarm};
use crate::id::PeerKey;
use crate::time::Timestamp;

/// Blocks with the driver shall last for so long: the time to read the next one from a disk, and
/// for the driver to learn that one is sent.
const AHEAD: Duration = Duration::from_millis(20);
/// The same of a seed. Some connections wait for acknowledgements, which come late from peers whose own uplinks are full:
/// others fill the gap.
const SEED_AHEAD: Duration = Duration::from_millis(60);
/// Most blocks that are there whatever the rate was: one has to begin.
const BLOCKS_AHEAD_MAX: u64 = 16;
/// A slot that nothing was asked through for so long is given to another who waits: who has something
/// to ask for asks before the last block is sent.
const SLOT_UNUSED: Duration = Duration::from_millis(100);
/// The same for a slot just given: our word and the answer take a round trip, and may wait behind blocks.
/// Each time that it was too short for a peer it doubles for it, up to the most.
pub(super) const SLOT_NEW: Duration = Duration::from_millis(250);
const SLOT_NEW_MAX: Duration = Duration::from_secs(2);
/// With one chunk through each slot the last of them waits about so long at most: what waits here
/// can come from nobody else, and after 5 s peers give us up.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Fewest slots that a slow uplink has: while one peer asks, the other is served.
const SLOTS_MIN: usize = 2;
/// How many times as many slots a seed has.
const SEED_TIMES: usize = 4;
/// How many times as many slots as usual an idle uplink gives at most.
const EXTRA_MAX: usize = 3;
/// A block that takes longer than this, and than two take of late, is held up by its peer and not by our uplink: it no
/// longer counts.
const HELD_UP_AFTER: Duration = Duration::from_secs(1);
/// The best rate of the uplink is forgotten in this time: it may have become a slower one.
const BEST_LASTS: Duration = Duration::from_secs(30);
/// A peer is in debt when it got more than twice what it gave, and so many blocks. Chance alone leads
/// honest peers to half of that; it is also what a newcomer gets to start with.
const DEBT_BLOCKS: u64 = 16;
/// For so many times what a block takes nobody else must have been served before a peer in debt is: a block
/// that has begun holds up who asks a moment later for as long.
const DEBTORS_WAIT_BLOCKS: u32 = 2;

/// The highest of rates, forgotten little by little.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BestRate {
    rate: u64,
    seen_at: Timestamp,
}

impl BestRate {
    /// What is left of it in bytes a second.
    fn at(self, now: Timestamp) -> u64 {
        let (age, lasts) = ((now - self.seen_at).as_millis(), BEST_LASTS.as_millis());
        let left = u128::from(self.rate) * lasts.saturating_sub(age) / lasts;
        u64::try_from(left).unwrap_or(u64::MAX)
    }

    pub(super) fn saw(&mut self, now: Timestamp, rate: u64) {
        if rate >= self.at(now) {
            *self = Self { rate, seen_at: now };
        }
    }
}

impl Peer {
    /// When its slot counts as unused, if it has one and nothing is asked through it.
    pub(super) fn idle_from(&self) -> Option<Timestamp> {
        let offered = self.offers.as_ref().is_some_and(Offers::has_unasked);
        let unused = self.slot.is_some() && self.uploads.is_idle() && !offered;
        let kept = if self.slot_used { SLOT_UNUSED } else { self.slot_kept };
        unused.then(|| self.served_at + kept)
    }

    /// It lost a slot that it had not used: it may be far away.
    pub(super) fn missed_slot(&mut self) {
        self.slot_kept = (self.slot_kept * 2).min(SLOT_NEW_MAX);
    }

    /// Whether its slot counts as unused.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.idle_from().is_some_and(|from| from <= now)
    }
}

impl Swarm {
    /// Peers with a slot, or with blocks on their way.
    pub(super) fn served(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.serving.iter().filter_map(|&key| Some((key, self.peers.get(key)?)))
    }

    /// Peers with a slot.
    pub(super) fn slot_holders(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.served().filter(|(_, peer)| peer.slot.is_some())
    }

    /// Hands blocks to the driver, as many as the uplink can use.
    pub(super) fn serve(&mut self) {
        while self.uplink_has_room() && self.hand_next(false).is_some() {}
        // What is on its way is held up by the paths of those it goes to: others need not wait for that.
        while self.uplink_is_slack() && self.hand_next(true).is_some() {}
        self.serve_at = self.next_served_at();
    }

    /// Hands the next request to the driver, if there is one that may go; with `to_unserved` one of a peer that nothing
    /// is on its way to.
    fn hand_next(&mut self, to_unserved: bool) -> Option<()> {
        let (copies, seeds) = (|chunk| self.scheduler.availability(chunk), self.is_complete());
        let debtors_wait = !seeds && self.debtors_wait_until() > self.now;
        let turns = self.served().filter_map(|(key, peer)| {
            if to_unserved && peer.uploads.sending().next().is_some() {
                return None;
            }
            let load = if seeds { peer.load() } else { Load::default() };
            let turn = peer.uploads.next(self.now, copies, load)?;
            let in_debt = self.is_in_debt(peer);
            let waits = debtors_wait && in_debt && turn.is_patient();
            (!waits).then_some((in_debt, turn, key))
        });
        let (in_debt, turn, key) = turns.min()?;
        let peer = self.peers.get_mut(key)?;
        let block = peer.uploads.hand(self.now, turn)?;
        peer.spoke_at = self.now;
        if !in_debt {
            self.credit_served_at = self.now;
        }
        self.note_given(key, block.chunk);
        self.actions.push_back(Action::SendBlock { peer: key, block });
        Some(())
    }

    /// Whether the driver could use another block: one is always there, more when they go fast.
    fn uplink_has_room(&self) -> bool {
        let ahead = if self.is_complete() { SEED_AHEAD } else { AHEAD }.as_millis();
        let by_rate = u128::from(self.uploaded.lately(self.now)) * ahead / 1_000;
        let in_time = self.block_time.map_or(0, |time| ahead / time.as_millis().max(1));
        let blocks = u64::try_from(1 + in_time).unwrap_or(u64::MAX).min(BLOCKS_AHEAD_MAX);
        let least = blocks * u64::from(self.layout.block_length());
        let held_up_after = self.held_up_after();
        let counted = self.sending().filter(|&(_, since)| self.now - since < held_up_after);
        let counted: u64 = counted.map(|(length, _)| u64::from(length)).sum();
        u128::from(counted) < by_rate.max(least.into())
    }

    /// Whether less goes out of a seed than did not long ago. A leech's uplink has to send what is rare first, one block
    /// after the other, rather than something to everybody.
    fn uplink_is_slack(&self) -> bool {
        let best = self.best_rate.at(self.now);
        self.is_complete() && self.uploaded.lately(self.now) < best / 10 * 9
    }

    /// Whether nothing is on its way and nothing waits.
    pub(super) fn uplink_is_idle(&self) -> bool {
        self.served().all(|(_, peer)| peer.uploads.is_idle())
    }

    /// Learns what a whole block takes: the least of late, as peers may hold some up.
    pub(super) fn note_block_time(&mut self, took: Duration) {
        let grown = self.block_time.map_or(took, |time| time + time / 8 + Duration::from_millis(1));
        self.block_time = Some(took.min(grown));
    }

    /// How many may ask for something at a time while the uplink is busy. More if we seed: nobody has to be
    /// answered in kind, and among many there is one that can pass on at once what it gets.
    pub(super) fn slot_count(&self) -> usize {
        let times = if self.is_complete() { SEED_TIMES } else { 1 };
        let most = self.config.upload_slots * times;
        let blocks = self.layout.chunk_length().div_ceil(self.layout.block_length());
        let chunk_time = self.block_time.unwrap_or_default() * blocks;
        let bearable = WAIT_MAX.as_millis() / chunk_time.as_millis().max(1);
        usize::try_from(bearable).unwrap_or(most).clamp(SLOTS_MIN.min(most), most)
    }

    /// How many more may ask because the uplink is idle: those that have a slot and do not use it hold
    /// up nobody.
    pub(super) fn extra_slots(&self) -> usize {
        if !self.uplink_is_idle() {
            return 0;
        }
        self.slot_holders().count().min(EXTRA_MAX * self.slot_count())
    }

    fn sending(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        self.served().flat_map(|(_, peer)| peer.uploads.sending())
    }

    /// When another block may go because one stops to count, or because one has waited for long enough.
    fn next_served_at(&self) -> Option<Timestamp> {
        self.served().find(|(_, peer)| peer.uploads.could_hand())?;
        let held_up_after = self.held_up_after();
        let uncounted = self.sending().map(|(_, since)| since + held_up_after);
        let patient = self.served().filter_map(|(_, peer)| peer.uploads.patient_until());
        let due = uncounted.chain(patient).chain([self.debtors_wait_until()]);
        due.filter(|&due| due > self.now).min()
    }

    fn held_up_after(&self) -> Duration {
        HELD_UP_AFTER.max(self.block_time.unwrap_or_default() * 2)
    }

    /// Until when peers in debt are not served, if nobody else is.
    fn debtors_wait_until(&self) -> Timestamp {
        self.credit_served_at + self.block_time.unwrap_or_default() * DEBTORS_WAIT_BLOCKS
    }

    /// Whether a peer has taken more than its share: of a leech, much more than it gave; of a seed,
    /// more new chunks than it has passed on.
    fn is_in_debt(&self, peer: &Peer) -> bool {
        if self.is_complete() {
            return peer.trust.is_used_up();
        }
        let free = DEBT_BLOCKS * u64::from(self.layout.block_length());
        peer.uploaded.total() > 2 * peer.downloaded.total() + free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_rate_fades_until_there_is_a_better_one() {
        let at = |seconds| Timestamp::from_origin(Duration::from_secs(seconds));
        let mut best = BestRate::default();
        best.saw(at(0), 900);
        best.saw(at(1), 300);
        assert_eq!((best.at(at(0)), best.at(at(15)), best.at(at(40))), (900, 450, 0));
        best.saw(at(20), 300);
        assert_eq!(best.at(at(20)), 300, "what was left of the other is less");
    }
}
