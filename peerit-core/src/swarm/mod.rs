//! One swarm as one peer sees it: whom to be connected to, whom to serve, whom to believe.
//!
//! Pure: [`Swarm`] is told what happened and says what to do; the driver owns sockets, clock and store.
//! Which block to ask of which peer is decided by the [`crate::scheduler`] inside.
//!
//! Where to look: `connections` (dials, one connection per peer, pause), `address_book`, `frames` (what
//! a peer may say when), `serving` with `choker` and `uploads` (tit for tat),
//! `uplink` (which request goes out next), `telling` (who hears of a chunk, and when), `super_seeding` (a seed's first copies), `chunks` with `blame`
//! (verification and liars), `exchange` (peers tell of peers), `upkeep` (silence, keep-alive),
//! `report` (what people see). Nothing in here grows without a bound; each is named where it is kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

mod address_book;
mod blame;
mod choker;
mod chunks;
mod config;
mod connections;
mod event;
mod exchange;
mod frames;
mod peers;
mod rate;
mod report;
mod serving;
mod super_seeding;
mod telling;
pub mod twin;
mod upkeep;
mod uplink;
mod uploads;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "the numbers of tests are small")]
mod tests;

pub use crate::path::Path;
pub use config::{Config, PEERS_MAX};
pub use event::{Action, Direction, DisconnectReason, Event, Misbehaviour};
pub use report::PeerReport;

use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerId, PeerKey};
use crate::layout::Layout;
use crate::rng::Rng;
use crate::scheduler::{self, Scheduler};
use crate::time::Timestamp;
use crate::wire::Frame;
use blame::Source;
use uplink::BestRate;

/// One swarm as one peer sees it.
///
/// After each call of [`Swarm::handle_event`] or [`Swarm::handle_timeout`] the driver calls
/// [`Swarm::poll`] until it returns `None`, then [`Swarm::poll_timeout`] to learn how long it may wait
/// for the next event.
///
/// Memory: a peer costs about 35 KiB at most besides what the scheduler keeps (its queue of requests
/// is 32 KiB of it), an address 120 bytes, a chunk 4 bytes; see the constants beside each table. Actions that are not
/// polled pile up.
#[derive(Debug)]
pub struct Swarm {
    config: Config,
    layout: Layout,
    own_id: PeerId,
    rng: Rng,
    /// The latest time we were told; it never goes back.
    now: Timestamp,
    paused: bool,

    scheduler: Scheduler,
    peers: peers::Peers,
    bans: report::Bans,
    book: address_book::AddressBook,
    choker: choker::Choker,
    /// Chunks with the driver for verification and who sent each block. The scheduler bounds the
    /// bytes of unverified chunks, and with them this.
    checking: BTreeMap<ChunkIndex, Vec<Option<Source>>>,
    blame: blame::Blame,
    downloaded: rate::Rate,
    uploaded: rate::Rate,
    /// How many addresses of peers have become known, see [`exchange::Exchange`].
    listeners: u64,
    super_seeding: super_seeding::SuperSeeding,
    news: telling::News,
    /// Peers with a slot, or with blocks on their way.
    serving: BTreeSet<PeerKey>,
    /// What a block takes to go out when nothing holds it up.
    block_time: Option<Duration>,
    /// What the uplink gave at best.
    best_rate: BestRate,
    /// When a block last went to a peer that is not in debt.
    credit_served_at: Timestamp,

    /// When to look for addresses to dial.
    dial_at: Option<Timestamp>,
    /// When some peer needs upkeep.
    upkeep_at: Option<Timestamp>,
    /// When to give all slots anew.
    round_at: Option<Timestamp>,
    /// When that was done last.
    rounds_from: Timestamp,
    /// Whether a slot may be free that somebody wants.
    fill_slots: bool,
    /// When a slot becomes free that nobody uses.
    fill_at: Option<Timestamp>,
    /// Whether somebody wants a slot and has none.
    somebody_waits: bool,
    /// When a block that is held up lets another one go.
    serve_at: Option<Timestamp>,
    /// Whether a chunk may be offered to somebody.
    offer: bool,

    actions: VecDeque<Action>,
}

impl Swarm {
    /// A swarm without connections that has the chunks `have`.
    ///
    /// `rng_seed` must not be guessable by peers where it matters whom we serve; the same seed and the
    /// same events give the same actions. Values of `config` outside their ranges are brought inside.
    #[must_use]
    pub fn new(
        config: Config,
        layout: Layout,
        have: Bitfield,
        own_id: PeerId,
        rng_seed: u64,
    ) -> Self {
        let config = config.within_ranges();
        let mut rng = Rng::from_seed(rng_seed);
        let scheduler_seed = rng.next_u64();
        Self {
            choker: choker::Choker::new(&config),
            scheduler: Scheduler::new(scheduler::Config::default(), layout, have, scheduler_seed),
            config,
            layout,
            own_id,
            rng,
            now: Timestamp::ZERO,
            paused: false,
            peers: peers::Peers::default(),
            bans: report::Bans::default(),
            book: address_book::AddressBook::default(),
            checking: BTreeMap::new(),
            blame: blame::Blame::default(),
            downloaded: rate::Rate::default(),
            uploaded: rate::Rate::default(),
            listeners: 0,
            super_seeding: super_seeding::SuperSeeding::default(),
            news: telling::News::default(),
            serving: BTreeSet::new(),
            block_time: None,
            best_rate: BestRate::default(),
            credit_served_at: Timestamp::ZERO,
            dial_at: None,
            upkeep_at: None,
            round_at: None,
            rounds_from: Timestamp::ZERO,
            fill_slots: false,
            fill_at: None,
            somebody_waits: false,
            serve_at: None,
            offer: false,
            actions: VecDeque::new(),
        }
    }

    /// Takes note of what happened at `now`.
    ///
    /// Never fails: a peer that breaks the rules is disconnected by an action. Events of peers that are
    /// not connected (any more) and answers to what was not asked are ignored, so events that cross an
    /// action do no harm. A `now` before an earlier one counts as that one.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        self.now = self.now.max(now);
        match event {
            Event::AddressesFound { addresses } => {
                for address in addresses {
                    self.book.add(self.now, address, &mut self.rng);
                }
                self.dial_at = Some(self.now);
            }
            Event::DialFailed { address } => {
                if self.book.is_dialling(address) {
                    self.book.failed(self.now, address, &mut self.rng);
                    self.dial_at = Some(self.now);
                }
            }
            Event::Connected { peer, id, address, direction, path } => {
                self.connected(peer, Source { id, address, path }, direction);
            }
            Event::Disconnected { peer } => {
                self.forget(peer, None);
            }
            Event::Received { peer, frame } => {
                let judged = self.received(peer, frame);
                self.judge(peer, judged);
            }
            Event::BlockReceived { peer, block, payload } => {
                let judged = self.block_received(peer, block, payload);
                self.judge(peer, judged);
            }
            Event::BlockSent { peer, block } => self.block_sent(peer, block),
            Event::ChunkStored { chunk, blocks } => self.chunk_stored(chunk, &blocks),
            Event::ChunkCorrupt { chunk, blocks } => self.chunk_corrupt(chunk, &blocks),
            Event::ChunkNotStored { chunk } => self.chunk_not_stored(chunk),
            Event::Pause => self.pause(),
            Event::Resume => self.resume(),
            Event::Memory { bytes_max } => self.tell(scheduler::Event::Memory { bytes_max }),
        }
        self.settle();
    }

    /// Does what is due at `now`. To be called when [`Swarm::poll_timeout`] has come; at any other
    /// time it does nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.scheduler.handle_timeout(self.now);
        self.settle();
    }

    /// What to do next; `None` when there is nothing until the next event or timeout.
    ///
    /// The order matters: actions for one peer are to be carried out as they come, except that a
    /// block being read does not hold up the frames after it. [`Action::Completed`] comes once, when
    /// the last chunk is stored, and never in a swarm that was complete from the start.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Swarm::handle_timeout`], if no event comes before; `None`: not at all.
    ///
    /// May be in the past: then at once. Changes with every event and timeout, and only then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let own = [
            self.dial_at,
            self.upkeep_at,
            self.round_at,
            self.serve_at,
            self.fill_at,
            self.news.due_at,
            self.super_seeding.asked_until.filter(|&until| until > self.now),
        ];
        own.into_iter().flatten().chain(self.scheduler.poll_timeout()).min()
    }

    /// Does what has become due. Each step may cause what a later one does.
    fn settle(&mut self) {
        let due = |at: Option<Timestamp>, now| at.is_some_and(|at| at <= now);
        self.drain_scheduler();
        if due(self.upkeep_at, self.now) {
            self.upkeep();
        }
        if due(self.round_at, self.now) {
            self.choke_round();
        }
        if due(self.serve_at, self.now) {
            self.serve();
        }
        if due(self.news.due_at, self.now) {
            self.tell_news_to_all();
        }
        if self.fill_slots || due(self.fill_at, self.now) {
            self.fill_free_slots();
        }
        if self.offer || due(self.super_seeding.asked_until, self.now) {
            self.offer_chunks();
        }
        if due(self.dial_at, self.now) {
            self.dial();
        }
        self.drain_scheduler();
    }

    fn judge(&mut self, peer: PeerKey, judged: Result<(), Misbehaviour>) {
        if let Err(misbehaviour) = judged {
            self.disconnect(peer, DisconnectReason::Misbehaviour(misbehaviour));
        }
    }

    fn send(&mut self, peer: PeerKey, frame: Frame) {
        if let Some(there) = self.peers.get_mut(peer) {
            there.spoke_at = self.now;
            self.actions.push_back(Action::Send { peer, frame });
        }
    }

    fn tell(&mut self, event: scheduler::Event) {
        self.scheduler.handle_event(self.now, event);
    }
}
