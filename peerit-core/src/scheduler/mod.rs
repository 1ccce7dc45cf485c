//! Decides which block to ask of which peer.
//!
//! Pure: no clock, no socket, no thread; see [`Scheduler`]. Where the policy lives:
//!
//! | file | question it answers |
//! |---|---|
//! | `picking` | what is a peer asked for next? |
//! | `rarity` | which untouched chunk is rarest? |
//! | `partial` | which chunks are begun, and how much memory do they take? |
//! | `pipeline` | how much may be asked of a peer at a time? |
//! | `endgame` | what does a peer do when nothing is left to ask for, or no memory for it? |
//! | `late` | when is a peer given up, when a chunk? |
//! | `config` | the numbers in all of these |
//!
//! # Costs
//!
//! n chunks (at most 65,536), p peers, r requests outstanding; all scans are bounded in [`Config`].
//!
//! | event | cost |
//! |---|---|
//! | a decision (one block) | O(n / 64 + log r) |
//! | `PeerJoined` | O(n / 64) memory |
//! | `HasChunks`, `PeerLeft` | O(n); the availability part is O(1) for a seed |
//! | `HasChunk` | O(log n) |
//! | `BlockArrived` | O(log r) |
//! | `Choked` | O(begun chunks) |
//! | a deadline | O(log r) for each request of the peer |
//! | `ChunkStored` | O(p + log n) |
//! | `ChunkLost` | O(log n) |
//!
//! A block that returns to the pool wakes the peers that had nothing to do, one decision each; a
//! chunk that is stored, and so makes room for another, wakes a few of them.

mod arrival;
mod config;
mod endgame;
mod event;
mod late;
mod partial;
mod peer;
mod peering;
mod picking;
mod pipeline;
mod rarity;
mod requests;
pub mod twin;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "the numbers of tests are small")]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use config::Config;
pub use event::{Action, Event};

use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::Layout;
use crate::rng::Rng;
use crate::time::Timestamp;
use partial::Partials;
use peer::Peer;
use rarity::Rarity;
use requests::Requests;

/// Decides which block to ask of which peer, for one content.
///
/// Drive it like this: hand in what happens with [`handle_event`](Self::handle_event), and
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says so; after
/// each of them call [`poll`](Self::poll) until it returns `None`, then ask `poll_timeout` again.
///
/// Every chunk is in one of four states: untouched (in the rarity order), begun (in the partial
/// chunks), complete (handed out for verification) or stored (in [`have`](Self::have)).
///
/// The same seed and the same calls give the same actions.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    layout: Layout,
    rng: Rng,
    now: Timestamp,
    paused: bool,
    have: Bitfield,
    peers: BTreeMap<PeerKey, Peer>,
    rarity: Rarity,
    partials: Partials,
    requests: Requests,
    /// Chunks that were corrupt when they came from several peers; at most one entry a chunk.
    single_source: BTreeSet<ChunkIndex>,
    /// Peers to be asked for more, each once.
    ready: VecDeque<PeerKey>,
    /// The same for snubbed peers: they get what all others leave.
    ready_last: VecDeque<PeerKey>,
    /// Peers with room in the pipeline and nothing to ask for, though they have what we lack.
    idle: BTreeSet<PeerKey>,
    /// Whose turn it is when a few of them look again.
    next_to_wake: PeerKey,
    look_again_at: Option<Timestamp>,
    actions: VecDeque<Action>,
    scanned: u64,
}

impl Scheduler {
    /// A scheduler for a content of this layout, of which the chunks in `have` are stored.
    ///
    /// Memory: 24 bytes a chunk, about 16 KiB a peer at 65,536 chunks, the payload of begun chunks
    /// ([`Config::partial_bytes_max`]), and about 200 bytes a request.
    #[must_use]
    pub fn new(config: Config, layout: Layout, have: Bitfield, rng_seed: u64) -> Self {
        let mut rng = Rng::from_seed(rng_seed);
        let mut rarity = Rarity::new(layout.chunk_count());
        for chunk in layout.chunks().filter(|&chunk| !have.contains(chunk)) {
            rarity.insert(chunk, &mut rng);
        }
        Self {
            partials: Partials::new(layout, config.partial_bytes_max),
            config,
            layout,
            rng,
            now: Timestamp::ZERO,
            paused: false,
            have,
            peers: BTreeMap::new(),
            rarity,
            requests: Requests::default(),
            single_source: BTreeSet::new(),
            ready: VecDeque::new(),
            ready_last: VecDeque::new(),
            idle: BTreeSet::new(),
            next_to_wake: PeerKey(0),
            look_again_at: None,
            actions: VecDeque::new(),
            scanned: 0,
        }
    }

    /// Takes in what happened at `now`. Never fails: what makes no sense (a peer that never
    /// joined, a chunk that does not exist) changes nothing. Drain [`poll`](Self::poll) afterwards.
    ///
    /// A `now` before an earlier one is taken as that one.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        self.now = self.now.max(now);
        match event {
            Event::PeerJoined { peer } => self.peer_joined(peer),
            Event::PeerLeft { peer } => self.peer_left(peer),
            Event::HasChunks { peer, chunks } => self.has_chunks(peer, chunks),
            Event::HasChunk { peer, chunk } => self.has_chunk(peer, chunk),
            Event::Unchoked { peer } => self.unchoked(peer),
            Event::Choked { peer } => self.choked(peer),
            Event::BlockArrived { peer, block, payload } => self.arrived(peer, block, payload),
            Event::Rejected { peer, block } => self.rejected(peer, block),
            Event::ChunkStored { chunk } => self.stored(chunk),
            Event::ChunkLost { chunk, single_source } => self.lost(chunk, single_source),
            Event::Pause => self.pause(),
            Event::Resume => self.resume(),
            Event::Memory { bytes_max } => self.allow_memory(bytes_max),
        }
    }

    /// Does what is due at `now`: gives up peers whose requests are late, and lets idle peers look
    /// again. Calling it early is harmless. Drain [`poll`](Self::poll) afterwards.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.give_up_late_peers();
        if self.look_again_at.is_some_and(|due| due <= self.now) {
            self.wake_idle();
        }
    }

    /// The next thing to be done, in order; `None` when there is nothing more until the next
    /// event or timeout.
    ///
    /// Requests are decided here, with the time of the latest `handle_event` or `handle_timeout`,
    /// so several events handed in before a drain cost one decision.
    pub fn poll(&mut self) -> Option<Action> {
        while self.actions.is_empty() {
            let peer = self.ready.pop_front().or_else(|| self.ready_last.pop_front())?;
            self.fill(peer);
        }
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` when there is nothing
    /// to wait for. It can change with every event, so ask again after each drain.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let deadline = self.requests.next_deadline().map(|(deadline, _)| deadline);
        let crowded = !self.requests.is_empty() || !self.partials.has_room();
        let look_again = self.look_again_at.filter(|_| crowded && !self.idle.is_empty());
        deadline.into_iter().chain(look_again).min()
    }

    /// The chunks that are stored.
    #[must_use]
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// What chunks take in bytes that are begun and not yet stored.
    #[must_use]
    pub fn begun_bytes(&self) -> u64 {
        self.partials.bytes()
    }

    /// Whether every chunk is stored.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// How many requests to a peer are not answered yet; at most [`Config::requests_max`].
    #[must_use]
    pub fn outstanding(&self, peer: PeerKey) -> u32 {
        self.peers.get(&peer).map_or(0, |peer| peer.outstanding)
    }

    /// How many connected peers have a chunk.
    #[must_use]
    pub fn availability(&self, chunk: ChunkIndex) -> u32 {
        self.rarity.availability(chunk)
    }

    /// The chunks a peer has, as it said; `None` when it is not connected.
    #[must_use]
    pub fn peer_chunks(&self, peer: PeerKey) -> Option<&Bitfield> {
        self.peers.get(&peer).map(|peer| &peer.has)
    }

    /// How many chunks are stored here that a peer has not.
    #[must_use]
    pub fn lacks(&self, peer: PeerKey) -> u32 {
        self.peers.get(&peer).map_or(0, |peer| peer.lacks)
    }

    /// How many entries all decisions so far have looked at: the cost that does not depend on the
    /// machine.
    #[must_use]
    pub fn scanned(&self) -> u64 {
        self.scanned
    }
}
