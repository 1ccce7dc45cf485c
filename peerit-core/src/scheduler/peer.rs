//! What the scheduler knows of one peer.

use std::collections::VecDeque;

use super::config::Config;
use super::pipeline::Pipeline;
use crate::bitfield::Bitfield;
use crate::id::ChunkIndex;
use crate::layout::{Block, Layout};
use crate::time::Timestamp;

/// How many requests that were taken back are remembered of a peer: twice what it is ever asked
/// for at a time, so all that can be on its way. 12 bytes each, so 12 KiB.
const WITHDRAWN_MAX: usize = 1_024;

/// One peer; at 65,536 chunks about 16 KiB and what is remembered in `withdrawn`.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) has: Bitfield,
    /// Counted in the seeds of the rarity, not chunk by chunk.
    pub(super) seed: bool,
    /// What it would not serve when asked; it is asked again when it says so.
    pub(super) refused: Bitfield,
    /// How many chunks it has that are not stored here.
    pub(super) missing: u32,
    /// How many chunks are stored here that it has not.
    pub(super) lacks: u32,
    pub(super) interested: bool,
    pub(super) choking: bool,
    /// The chunk it was asked for last.
    pub(super) current: Option<ChunkIndex>,
    pub(super) pipeline: Pipeline,
    /// Requests not answered yet.
    pub(super) outstanding: u32,
    /// The same in bytes.
    pub(super) outstanding_bytes: u64,
    /// Bytes that others were asked for and that are recalled so that this peer may send them.
    pub(super) recalling_bytes: u64,
    /// In the queue of peers to be looked at.
    pub(super) queued: bool,
    withdrawn: VecDeque<Block>,
}

impl Peer {
    /// One that has just joined; it `lacks` what we have.
    pub(super) fn new(layout: Layout, now: Timestamp, lacks: u32, config: &Config) -> Self {
        let chunk_count = layout.chunk_count();
        Self {
            has: Bitfield::empty(chunk_count),
            seed: false,
            refused: Bitfield::empty(chunk_count),
            missing: 0,
            lacks,
            interested: false,
            choking: true,
            current: None,
            pipeline: Pipeline::new(now, layout.block_length(), config),
            outstanding: 0,
            outstanding_bytes: 0,
            recalling_bytes: 0,
            queued: false,
            withdrawn: VecDeque::new(),
        }
    }

    /// Whether the peer has the chunk and has not refused it.
    pub(super) fn serves(&self, chunk: ChunkIndex) -> bool {
        self.has.contains(chunk) && !self.refused.contains(chunk)
    }

    /// A request was taken back, but its block may be on its way.
    pub(super) fn remember_withdrawn(&mut self, block: Block) {
        if self.withdrawn.len() == WITHDRAWN_MAX {
            self.withdrawn.pop_front();
        }
        self.withdrawn.push_back(block);
    }

    /// Whether the block was asked for and taken back; each such request excuses one answer.
    pub(super) fn forget_withdrawn(&mut self, block: Block) -> bool {
        let place = self.withdrawn.iter().position(|&withdrawn| withdrawn == block);
        place.and_then(|place| self.withdrawn.remove(place)).is_some()
    }
}
