//! Tests of the whole scheduler.

mod cost;
mod invariants;
mod pictures;
mod random;
mod replay;
mod run;
mod single_source;
mod timeouts;

use std::time::Duration;

use bytes::Bytes;

use super::{Action, Config, Event, Scheduler};
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::{BLOCK_LENGTH_MAX, Block, Layout};
use crate::time::Timestamp;

const A: PeerKey = PeerKey(0);
const B: PeerKey = PeerKey(1);
const C: PeerKey = PeerKey(2);

/// Two requests to a peer before it has delivered anything, so that the tests tell apart what a peer goes on
/// with and what it begins.
fn config() -> Config {
    Config { pipeline_first_blocks: 2, ..Config::default() }
}

/// A content of `chunks` chunks with `blocks` blocks (a power of two) each.
fn layout(chunks: u32, blocks: u32) -> Layout {
    let chunk_length = blocks * BLOCK_LENGTH_MAX;
    Layout::new(u64::from(chunks) * u64::from(chunk_length), chunk_length).unwrap()
}

/// `#` marks the chunks of the set.
fn bits(picture: &str) -> Bitfield {
    let mut set = Bitfield::empty(picture.len() as u32);
    for (index, _) in picture.char_indices().filter(|&(_, mark)| mark == '#') {
        set.insert(ChunkIndex(index as u32));
    }
    set
}

fn payload(block: Block) -> Bytes {
    Bytes::from(vec![0; block.length as usize])
}

/// A scheduler, its clock, and everything it asked for that did not come yet.
struct Driver {
    scheduler: Scheduler,
    now: Timestamp,
    asked: Vec<(PeerKey, Block)>,
    /// Peers that answer when a request is taken back, and do so at once.
    obliging: bool,
}

impl Driver {
    fn new(layout: Layout) -> Self {
        Self::with(config(), layout, 1)
    }

    fn with(config: Config, layout: Layout, seed: u64) -> Self {
        let have = Bitfield::empty(layout.chunk_count());
        let scheduler = Scheduler::new(config, layout, have, seed);
        Self { scheduler, now: Timestamp::ZERO, asked: Vec::new(), obliging: true }
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.scheduler.handle_event(self.now, event);
        self.drain()
    }

    /// The peer serves us no more, and rejects what it was asked for.
    fn choke(&mut self, peer: PeerKey) {
        self.tell(Event::Choked { peer });
        while let Some(block) = { self.scheduler.requests.of_peer(peer).next() } {
            self.tell(Event::Rejected { peer, block });
        }
        self.asked.retain(|&(of, _)| of != peer);
    }

    fn wait(&mut self, ms: u64) -> Vec<Action> {
        self.now = self.now + Duration::from_millis(ms);
        self.scheduler.handle_timeout(self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(action) = self.scheduler.poll() {
            match action {
                Action::Request { peer, block } => self.asked.push((peer, block)),
                Action::Cancel { peer, block } => self.cancel(peer, block),
                _ => {}
            }
            actions.push(action);
        }
        actions
    }

    fn cancel(&mut self, peer: PeerKey, block: Block) {
        let recalled = self.scheduler.requests.holders(block).any(|holder| holder == peer);
        if !recalled || self.obliging {
            self.asked.retain(|&it| it != (peer, block));
        }
        if recalled && self.obliging {
            self.scheduler.handle_event(self.now, Event::Rejected { peer, block });
        }
    }

    /// A peer that has these chunks and serves us.
    fn join(&mut self, peer: PeerKey, has: &str) -> Vec<Action> {
        let mut actions = self.tell(Event::PeerJoined { peer });
        actions.extend(self.tell(Event::HasChunks { peer, chunks: bits(has) }));
        actions.extend(self.tell(Event::Unchoked { peer }));
        actions
    }

    /// A peer that only has these chunks.
    fn know(&mut self, peer: PeerKey, has: &str) {
        self.tell(Event::PeerJoined { peer });
        self.tell(Event::HasChunks { peer, chunks: bits(has) });
    }

    fn arrive(&mut self, peer: PeerKey, block: Block) -> Vec<Action> {
        self.asked.retain(|&it| it != (peer, block));
        self.tell(Event::BlockArrived { peer, block, payload: payload(block) })
    }

    /// The blocks a peer is to send, in the order asked.
    fn asked_of(&self, peer: PeerKey) -> Vec<Block> {
        self.asked.iter().filter(|&&(of, _)| of == peer).map(|&(_, block)| block).collect()
    }

    /// A picture of a content: for each block the peer asked for it in lower case (`*` if several),
    /// `#` when it came, `.` when neither; chunks parted by spaces.
    fn picture(&self) -> String {
        let layout = self.scheduler.layout;
        let chunk = |chunk| {
            let block = |number| self.mark(layout.block(chunk, number));
            (0..layout.block_count(chunk)).map(block).collect::<String>()
        };
        layout.chunks().map(chunk).collect::<Vec<_>>().join(" ")
    }

    fn mark(&self, block: Block) -> char {
        let holders: Vec<_> = self.asked.iter().filter(|&&(_, asked)| asked == block).collect();
        let begun = self.scheduler.partials.get(block.chunk);
        let came = begun.is_some_and(|partial| partial.has(block))
            || begun.is_none() && !self.scheduler.rarity.contains(block.chunk);
        match holders.as_slice() {
            _ if came => '#',
            [] => '.',
            [(peer, _)] => char::from(b'a' + peer.0 as u8),
            _ => '*',
        }
    }
}
