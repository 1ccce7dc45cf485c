//! A download from the greatest swarm there can be.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use peerit_core::bitfield::Bitfield;
use peerit_core::id::{ChunkIndex, PeerKey};
use peerit_core::layout::{BLOCK_LENGTH_MAX, Block, CHUNK_COUNT_MAX, Layout};
use peerit_core::rng::Rng;
use peerit_core::scheduler::{Action, Config, Event, Scheduler};
use peerit_core::time::Timestamp;

/// Peers that have every chunk.
const SEEDS: Range<u32> = 0..20;
/// Peers that have every second chunk, at random.
const HALF_FULL: Range<u32> = 20..300;
/// Peers that have one chunk of a hundred, at random.
pub(crate) const NEWCOMERS: Range<u32> = 300..500;

/// Payload comes at 625 MiB/s, whatever the length of a block.
const BYTES_PER_MS: u32 = 640 << 10;

/// A scheduler with [`CHUNK_COUNT_MAX`] chunks to get from 500 peers, and those peers.
pub(crate) struct Crowd {
    scheduler: Scheduler,
    now: Timestamp,
    asked: VecDeque<(PeerKey, Block)>,
    complete: VecDeque<ChunkIndex>,
    payload: Bytes,
    requests: u64,
}

impl Crowd {
    /// All peers are there and have been asked for their first blocks. `memory` is
    /// [`Config::partial_bytes_max`].
    pub(crate) fn new(chunk_length: u32, memory: u64) -> Self {
        let length = u64::from(CHUNK_COUNT_MAX) * u64::from(chunk_length);
        let layout = Layout::new(length, chunk_length).unwrap();
        let have = Bitfield::empty(CHUNK_COUNT_MAX);
        let config = Config { partial_bytes_max: memory, ..Config::default() };
        let mut crowd = Self {
            scheduler: Scheduler::new(config, layout, have, 1),
            now: Timestamp::ZERO,
            asked: VecDeque::new(),
            complete: VecDeque::new(),
            payload: vec![0; BLOCK_LENGTH_MAX as usize].into(),
            requests: 0,
        };
        let mut rng = Rng::from_seed(2);
        for peer in (SEEDS.start..NEWCOMERS.end).map(PeerKey) {
            let one_of = match peer.0 {
                peer if SEEDS.contains(&peer) => 1,
                peer if HALF_FULL.contains(&peer) => 2,
                _ => 100,
            };
            crowd.tell(Event::PeerJoined { peer });
            crowd.tell(Event::HasChunks { peer, chunks: one_chunk_of(one_of, &mut rng) });
        }
        // Only now, so that all of them are known before anything is decided.
        for peer in (SEEDS.start..NEWCOMERS.end).map(PeerKey) {
            crowd.tell(Event::Unchoked { peer });
            crowd.drain();
        }
        crowd
    }

    /// Something happens. Its actions are left for [`Crowd::drain`].
    pub(crate) fn tell(&mut self, event: Event) {
        self.scheduler.handle_event(self.now, event);
    }

    /// Takes note of all actions.
    pub(crate) fn drain(&mut self) {
        while let Some(action) = self.scheduler.poll() {
            match action {
                Action::Request { peer, block } => {
                    self.requests += 1;
                    self.asked.push_back((peer, block));
                }
                Action::Cancel { peer, block } => {
                    self.asked.retain(|&it| it != (peer, block));
                    self.tell(Event::Rejected { peer, block });
                }
                Action::ChunkComplete { chunk, .. } => self.complete.push_back(chunk),
                Action::Interest { .. } | Action::Unrequested { .. } | Action::Snubbed { .. } => {}
            }
        }
    }

    /// The oldest request is answered.
    pub(crate) fn answer(&mut self) {
        let (peer, block) = self.asked.pop_front().unwrap();
        self.now = self.now + Duration::from_millis(1) * block.length / BYTES_PER_MS;
        let payload = self.payload.slice(..block.length as usize);
        self.tell(Event::BlockArrived { peer, block, payload });
        self.drain();
        if self.scheduler.poll_timeout().is_some_and(|due| due <= self.now) {
            self.scheduler.handle_timeout(self.now);
            self.drain();
        }
    }

    /// A chunk that waits to be stored.
    pub(crate) fn complete_chunk(&mut self) -> Option<ChunkIndex> {
        self.complete.pop_front()
    }

    /// How many requests were made so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether the end is near, where decisions are of another kind.
    pub(crate) fn is_nearly_done(&self) -> bool {
        self.scheduler.have().count() > CHUNK_COUNT_MAX / 8 * 7
    }
}

/// Each chunk with a chance of one to `count`.
pub(crate) fn one_chunk_of(count: usize, rng: &mut Rng) -> Bitfield {
    let mut chunks = Bitfield::empty(CHUNK_COUNT_MAX);
    for chunk in (0..CHUNK_COUNT_MAX).filter(|_| rng.below(count) == 0) {
        chunks.insert(ChunkIndex(chunk));
    }
    chunks
}
