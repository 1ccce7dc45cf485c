//! Our uplink: which request goes out next, and how many are on their way.
//!
//! A chunk is of use to others only when it is whole, so the uplink sends a few blocks at a time and
//! each of them fast, instead of one for everybody at a fraction of the rate. What waits is served
//! in this order:
//!
//! 1. peers that are not in debt to us before those that are (tit for tat, block by block);
//! 2. chunks of which we know no other copy before the rest: whoever gets one can pass it on;
//! 3. first come, first served.

use std::time::Duration;

use super::peers::Peer;
use super::super_seeding::Offers;
use super::{Action, Swarm};
use crate::id::ChunkIndex;
use crate::time::Timestamp;

/// Blocks with the driver shall last for so long: the time to read the next one from a disk, and
/// for the driver to learn that one is sent.
const AHEAD: Duration = Duration::from_millis(50);
/// A slot that nothing was asked through for so long is given to another who waits: who has something
/// to ask for asks before the last block is sent.
const SLOT_UNUSED: Duration = Duration::from_millis(100);
/// The same for a slot just given: our word and the answer take a round trip, and queues are long.
const SLOT_NEW: Duration = Duration::from_secs(1);
/// A block that takes longer is held up by its peer and not by our uplink: it no longer counts.
const HELD_UP_AFTER: Duration = Duration::from_secs(1);
/// A chunk with fewer copies among our peers is urgent.
const COPIES_URGENT: u32 = 1;
/// How much more than it gave a peer gets before it is in debt: an eighth more, and so many blocks.
const DEBT_BLOCKS: u64 = 8;

impl Peer {
    /// When its slot counts as unused, if it has one and nothing is asked through it.
    pub(super) fn idle_from(&self) -> Option<Timestamp> {
        let offered = self.offers.as_ref().is_some_and(Offers::has_unasked);
        let unused = self.slot.is_some() && self.uploads.is_idle() && !offered;
        let kept = if self.slot_used { SLOT_UNUSED } else { SLOT_NEW };
        unused.then(|| self.served_at + kept)
    }
}

impl Swarm {
    /// Hands blocks to the driver, as many as the uplink can use.
    pub(super) fn serve(&mut self) {
        while self.uplink_has_room() && self.hand_next().is_some() {}
        self.serve_at = self.next_held_up();
    }

    /// Hands the next request to the driver, if there is one.
    fn hand_next(&mut self) -> Option<()> {
        let urgent = |chunk: ChunkIndex| self.scheduler.availability(chunk) < COPIES_URGENT;
        let (_, turn, key) = self
            .peers
            .iter()
            .filter_map(|(key, peer)| {
                let turn = peer.uploads.next(urgent)?;
                Some((self.is_in_debt(peer), turn, key))
            })
            .min()?;
        let peer = self.peers.get_mut(key)?;
        let block = peer.uploads.hand(self.now, turn)?;
        peer.spoke_at = self.now;
        self.actions.push_back(Action::SendBlock { peer: key, block });
        Some(())
    }

    /// Whether the driver could use another block: two of them are always there, more when they go
    /// fast.
    fn uplink_has_room(&self) -> bool {
        let ahead = self.uploaded.lately(self.now) * u64::try_from(AHEAD.as_millis()).unwrap_or(0);
        let least = 2 * u64::from(self.layout.block_length());
        let counted = self.sending().filter(|&(_, since)| self.now - since < HELD_UP_AFTER);
        counted.map(|(length, _)| u64::from(length)).sum::<u64>() < least.max(ahead / 1_000)
    }

    /// Whether nothing is on its way and nothing waits.
    pub(super) fn uplink_is_idle(&self) -> bool {
        self.peers.iter().all(|(_, peer)| peer.uploads.is_idle())
    }

    fn sending(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        self.peers.iter().flat_map(|(_, peer)| peer.uploads.sending())
    }

    /// When the next block stops to count, if that lets another one go.
    fn next_held_up(&self) -> Option<Timestamp> {
        self.peers.iter().find(|(_, peer)| peer.uploads.next(|_| false).is_some())?;
        let due = self.sending().map(|(_, since)| since + HELD_UP_AFTER);
        due.filter(|&due| due > self.now).min()
    }

    /// Whether a peer has taken more than its share: of a leech, much more than it gave; of a seed,
    /// more new chunks than it has passed on.
    fn is_in_debt(&self, peer: &Peer) -> bool {
        if self.is_complete() {
            return peer.trust.is_used_up();
        }
        let gave = peer.downloaded.total();
        let free = DEBT_BLOCKS * u64::from(self.layout.block_length());
        peer.uploaded.total() > gave + gave / 8 + free
    }
}
