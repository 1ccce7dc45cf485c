//! A seed hands every chunk out once before any of them twice.
//!
//! After BEP 16: the seed does not say what it has; it offers each peer it serves a few chunks that
//! nobody else was offered, and more as these are asked for. Unlike BEP 16 it does not wait for the
//! chunks to appear elsewhere, which leaves the uplink idle; that they do, and how soon, decides only who is offered
//! the next ones (see [`Trust`]). Who loses its slot loses its offers: a chunk that waits for a peer which
//! may not ask is one that nobody gets. When every chunk is on its way to somebody all peers are told of all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Swarm;
use super::peers::Peer;
use super::uploads::Load;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::{Block, Layout};
use crate::rng::Rng;
use crate::time::Timestamp;
use crate::wire::Frame;

/// Least number of chunks offered to a peer and not asked for yet: one to ask for, one on its way.
const AHEAD_MIN: u64 = 2;
/// New chunks a peer gets before it has passed one on. With one it waits for the next while long chunks are on their
/// way; of four each, too many are with peers that turn out to be slow.
const TRUST_FIRST: u32 = 2;
/// How long the last offers are kept for those they were made to and who have not asked: they are slow, or
/// gone without a word.
const LAST_OFFERS_KEPT: Duration = Duration::from_secs(2);

/// What a seed has offered for the first time, and to whom.
#[derive(Debug, Default)]
pub(super) struct SuperSeeding {
    stage: Stage,
    /// Chunks that were offered and have not been seen at anybody else.
    offered: BTreeMap<ChunkIndex, Offered>,
    /// Once every chunk was offered: until when those who have not asked for theirs may.
    pub(super) asked_until: Option<Timestamp>,
}

#[derive(Debug, Default)]
enum Stage {
    /// There is no leech yet.
    #[default]
    Waiting,
    /// These are to be offered; in random order.
    Offering(Vec<ChunkIndex>),
    Over,
}

/// To whom a chunk was offered.
#[derive(Clone, Copy, Debug)]
struct Offered {
    to: PeerKey,
    /// Since when it is on its way, or there.
    given: Option<Timestamp>,
}

/// What a peer was offered, and may ask for as long as it was not offered to another since.
#[derive(Debug, Default)]
pub(super) struct Offers {
    all: BTreeSet<ChunkIndex>,
    unasked: BTreeSet<ChunkIndex>,
}

/// How far a peer is trusted to pass on what it gets: with two chunks at first, and one more for
/// each that appeared at another peer. One that passes nothing on is stuck with the first two.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trust {
    pending: u32,
    passed_on: u32,
    /// What it took of late from giving it a chunk to seeing that at another peer.
    takes: Option<Duration>,
}

impl Offers {
    pub(super) fn has_unasked(&self) -> bool {
        !self.unasked.is_empty()
    }
}

impl Trust {
    pub(super) fn is_used_up(self) -> bool {
        self.pending >= TRUST_FIRST + self.passed_on
    }

    /// It has passed a chunk on.
    fn passed_on(&mut self, took: Duration) {
        self.pending -= 1;
        self.passed_on += 1;
        self.takes = Some(self.takes.map_or(took, |takes| (takes * 3 + took) / 4));
    }

    /// 0 for less than a second, then less than two, four and so on: what is alike counts as the same. `unknown` as
    /// long as it has passed nothing on.
    fn slowness(self, unknown: u32) -> u32 {
        let class = |takes: Duration| takes.as_secs().checked_ilog2().map_or(0, |log| log + 1);
        self.takes.map_or(unknown, class)
    }
}

impl Peer {
    /// What a seed has loaded on it.
    pub(super) fn load(&self) -> Load {
        (self.trust.slowness(0), self.trust.pending, self.uploaded.total())
    }
}

impl SuperSeeding {
    /// Whether chunks are offered one by one.
    pub(super) fn is_offering(&self) -> bool {
        matches!(self.stage, Stage::Offering(_))
    }

    /// Whether less than half of the chunks are still to be offered.
    fn is_half_offered(&self, layout: Layout) -> bool {
        matches!(&self.stage, Stage::Offering(fresh) if fresh.len() < layout.chunk_count() as usize / 2)
    }

    /// Whether a peer that comes now is offered chunks one by one; begins when the first one comes.
    fn begin(&mut self, layout: Layout, rng: &mut Rng) -> bool {
        if matches!(self.stage, Stage::Waiting) {
            let mut fresh: Vec<_> = layout.chunks().collect();
            rng.shuffle(&mut fresh);
            self.stage = Stage::Offering(fresh);
        }
        self.is_offering()
    }

    /// Offers anew what was offered to the wrong one.
    fn take_back(&mut self, mut wrong: impl FnMut(ChunkIndex, &Offered) -> bool) {
        let Self { stage, offered, asked_until } = self;
        offered.retain(|&chunk, to| {
            let back = wrong(chunk, to);
            if let (true, Stage::Offering(fresh)) = (back, &mut *stage) {
                fresh.push(chunk);
                *asked_until = None;
            }
            !back
        });
    }
}

impl Swarm {
    /// Tells a peer that takes part what we have; as a seed perhaps not all at once.
    pub(super) fn tell_chunks(&mut self, key: PeerKey) {
        let told = self.news.count();
        let Some(peer) = self.peers.get_mut(key) else { return };
        // What is stored by now it hears of at once or by offers, not as news.
        peer.told = told;
        let offers = self.scheduler.is_complete() && !peer.complete;
        if offers && self.super_seeding.begin(self.layout, &mut self.rng) {
            peer.offers = Some(Offers::default());
            self.offer = true;
        } else {
            self.tell_all_chunks(key);
        }
    }

    /// Offers chunks to the peers that are served, as long as they ask for them.
    pub(super) fn offer_chunks(&mut self) {
        self.offer = false;
        while let Some(key) = self.next_offered() {
            let Some(chunk) = self.next_fresh() else { return self.end_super_seeding_when_asked() };
            self.super_seeding.offered.insert(chunk, Offered { to: key, given: None });
            if let Some(offers) = self.peers.get_mut(key).and_then(|peer| peer.offers.as_mut()) {
                offers.all.insert(chunk);
                offers.unasked.insert(chunk);
            }
            self.send(key, Frame::Have(vec![chunk]));
        }
    }

    /// Who is offered the next chunk: of those that pass them on, or of all if none does, the one with
    /// the fewest left to ask for. Those that pass them on sooner get all that the uplink gives, if they ask for so
    /// much. With an idle uplink anybody is better than nobody.
    fn next_offered(&self) -> Option<PeerKey> {
        if !self.super_seeding.is_offering() {
            return None;
        }
        let all =
            self.uplink_is_idle() || self.slot_holders().all(|(_, peer)| peer.trust.is_used_up());
        // Who is not known yet has its chance while there is time to learn from it.
        let unknown = self.super_seeding.is_half_offered(self.layout).into();
        let trusted = || self.slot_holders().filter(|(_, peer)| all || !peer.trust.is_used_up());
        let soonest = trusted().map(|(_, peer)| peer.trust.slowness(unknown)).min();
        let slowest = if self.needs_requests() { None } else { soonest };
        trusted()
            .filter_map(|(key, peer)| {
                let (slowness, unasked) =
                    (peer.trust.slowness(unknown), peer.offers.as_ref()?.unasked.len());
                let room = unasked < self.offers_ahead(peer);
                let may = room && slowest.is_none_or(|slowest| slowness <= slowest);
                may.then_some((slowness, unasked, peer.trust.pending, key))
            })
            .min()
            .map(|(.., key)| key)
    }

    /// How many chunks a peer shall have to choose from: half a second of what it gets.
    fn offers_ahead(&self, peer: &Peer) -> usize {
        let half = peer.uploaded.lately(self.now) / 2 / u64::from(self.layout.chunk_length());
        usize::try_from(half.max(AHEAD_MIN)).unwrap_or(usize::MAX)
    }

    /// A chunk that nobody else has and that nobody is offered now.
    fn next_fresh(&mut self) -> Option<ChunkIndex> {
        let SuperSeeding { stage, offered, .. } = &mut self.super_seeding;
        let Stage::Offering(fresh) = stage else { return None };
        while let Some(chunk) = fresh.pop() {
            if self.scheduler.availability(chunk) == 0 && !offered.contains_key(&chunk) {
                return Some(chunk);
            }
        }
        None
    }

    /// Every chunk was offered. As long as some are not on their way to those they were offered to, others
    /// would only ask for the same ones.
    fn end_super_seeding_when_asked(&mut self) {
        let until = *self.super_seeding.asked_until.get_or_insert(self.now + LAST_OFFERS_KEPT);
        let may_ask = self.now < until;
        let expects = |peer: &Peer| {
            let unasked = peer.offers.as_ref().is_some_and(Offers::has_unasked);
            peer.uploads.waits() || may_ask && unasked
        };
        if !self.served().any(|(_, peer)| expects(peer)) {
            self.end_super_seeding();
        }
    }

    /// Tells everybody of all chunks.
    fn end_super_seeding(&mut self) {
        self.super_seeding.stage = Stage::Over;
        self.super_seeding.asked_until = None;
        let partly = self.peers.iter().filter(|(_, peer)| peer.offers.is_some());
        for key in partly.map(|(key, _)| key).collect::<Vec<_>>() {
            self.tell_all_chunks(key);
        }
    }

    /// Whether a peer was told that we have a chunk, as far as that is known, and nobody else was offered
    /// it since; notes that it asks.
    pub(super) fn asks_for(&mut self, key: PeerKey, chunk: ChunkIndex) -> bool {
        let Some(offers) = self.peers.get_mut(key).and_then(|peer| peer.offers.as_mut()) else {
            return true;
        };
        self.offer |= offers.unasked.remove(&chunk);
        if !offers.all.contains(&chunk) {
            return false;
        }
        if self.scheduler.availability(chunk) > 0 {
            return true;
        }
        // Taken back with its slot, and not offered to another yet: it is the one's again who asks.
        let again = Offered { to: key, given: None };
        self.super_seeding.offered.entry(chunk).or_insert(again).to == key
    }

    /// A block goes to a peer: a chunk that only this one was offered is entrusted to it.
    pub(super) fn note_given(&mut self, key: PeerKey, chunk: ChunkIndex) {
        let offered = self.super_seeding.offered.get_mut(&chunk);
        let Some(offered) = offered.filter(|offered| offered.to == key && offered.given.is_none())
        else {
            return;
        };
        offered.given = Some(self.now);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.trust.pending += 1;
        }
    }

    /// A peer has a chunk: who was given it may have passed it on.
    pub(super) fn seen_at(&mut self, key: PeerKey, chunk: ChunkIndex) {
        if let Some(offers) = self.peers.get_mut(key).and_then(|peer| peer.offers.as_mut()) {
            self.offer |= offers.unasked.remove(&chunk);
        }
        let Some(&Offered { to, given }) = self.super_seeding.offered.get(&chunk) else { return };
        if to == key {
            return;
        }
        self.super_seeding.offered.remove(&chunk);
        if let (Some(holder), Some(since)) = (self.peers.get_mut(to), given) {
            holder.trust.passed_on(self.now - since);
            self.offer = true;
        }
    }

    /// A peer has lost its slot and the blocks `dropped`: what it was offered and has not got is another's.
    pub(super) fn take_back_ungiven(&mut self, key: PeerKey, dropped: &[Block]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(offers) = &mut peer.offers else { return };
        offers.unasked.clear();
        let lost = |chunk| dropped.iter().any(|block| block.chunk == chunk);
        let mut pending = 0;
        self.super_seeding.take_back(|chunk, offered| {
            let taken = offered.to == key && (offered.given.is_none() || lost(chunk));
            pending += u32::from(taken && offered.given.is_some());
            taken
        });
        peer.trust.pending -= pending;
        self.offer = true;
    }

    /// A peer is gone: what only it was offered is offered again.
    pub(super) fn take_back_offers(&mut self, key: PeerKey) {
        self.super_seeding.take_back(|_, offered| offered.to == key);
        if self.peers.len() == 0 {
            self.super_seeding = SuperSeeding::default();
        }
        self.offer = true;
    }
}
