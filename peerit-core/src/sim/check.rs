//! What must hold whatever happens.

use std::time::Duration;

use super::engine::Simulation;
use crate::id::ChunkIndex;
use crate::layout::{Block, CHUNK_COUNT_MAX, LayoutError};

/// Frames that may wait for one connection; the node drops one that has more.
const FRAMES_WAITING_MAX: usize = CHUNK_COUNT_MAX as usize + 8_192;
/// Blocks that may wait for one connection: a few, so that what waits can still be cancelled.
const BLOCKS_WAITING_MAX: usize = 64;
/// How many peers an error names.
const NAMED_MAX: usize = 16;

/// A run that went as no run may go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "seed {seed}, at {at:?}: {violation}; to see it again, run the same scenario with `seed: {seed}`"
)]
pub struct SimError {
    /// [`super::Scenario::seed`].
    pub seed: u64,
    /// Since the start of the run.
    pub at: Duration,
    /// What happened.
    pub violation: Violation,
}

/// What must not happen. Peers are named by their place in the scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The scenario's chunk length does not suit its content.
    #[error("the scenario's content cannot be cut: {0}")]
    Layout(LayoutError),
    /// It would serve what it has not verified.
    #[error("peer {peer} serves chunk {}, which it has not verified", .chunk.0)]
    UnverifiedServed {
        /// The peer.
        peer: u32,
        /// The chunk.
        chunk: ChunkIndex,
    },
    /// It asks for what the other has not announced, or what it has itself.
    #[error("peer {peer} asks peer {of} for chunk {}, which that has not announced", .chunk.0)]
    NeedlessRequest {
        /// The peer that asks.
        peer: u32,
        /// The peer that is asked.
        of: u32,
        /// The chunk.
        chunk: ChunkIndex,
    },
    /// It says it is complete, or counts chunks as its own, and is wrong.
    #[error("peer {peer} says it has {says} chunks and has stored {stored}")]
    Untrue {
        /// The peer.
        peer: u32,
        /// What its swarm says.
        says: u32,
        /// What is stored.
        stored: u32,
    },
    /// More waits for one connection than may.
    #[error("{waiting} frames or blocks of peer {peer} wait for one connection")]
    QueueTooLong {
        /// The peer.
        peer: u32,
        /// How many.
        waiting: usize,
    },
    /// Its timeout is due again and again in the same moment.
    #[error("the swarm of peer {peer} does not rest")]
    Restless {
        /// The peer.
        peer: u32,
    },
    /// Peers that had to finish have not, by the deadline or because nothing happens any more.
    #[error("{count} peers have not finished, among them {peers:?}")]
    Unfinished {
        /// How many.
        count: usize,
        /// The first of them.
        peers: Vec<u32>,
    },
}

impl Simulation {
    /// Keeps the first violation; the run ends with it.
    pub(super) fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    pub(super) fn check_served(&mut self, peer: u32, block: Block) {
        let chunk = block.chunk;
        if !self.hosts[peer as usize].stored.contains(chunk) {
            self.violate(Violation::UnverifiedServed { peer, chunk });
        }
    }

    pub(super) fn check_request(&mut self, peer: u32, end: u32, block: Block) {
        let other = &self.ends[(end ^ 1) as usize];
        let (of, chunk) = (other.host, block.chunk);
        let announced = other.announced.as_ref().is_none_or(|chunks| chunks.contains(chunk));
        // One that has closed its end announces nothing any more.
        if (!announced && other.open) || self.hosts[peer as usize].stored.contains(chunk) {
            self.violate(Violation::NeedlessRequest { peer, of, chunk });
        }
    }

    pub(super) fn check_frames(&mut self, end: u32) {
        let end = &self.ends[end as usize];
        let (peer, waiting) = (end.host, end.frames.len());
        if waiting > FRAMES_WAITING_MAX {
            self.violate(Violation::QueueTooLong { peer, waiting });
        }
    }

    pub(super) fn check_blocks(&mut self, end: u32) {
        let end = &self.ends[end as usize];
        let (peer, waiting) = (end.host, end.blocks.len());
        if waiting > BLOCKS_WAITING_MAX {
            self.violate(Violation::QueueTooLong { peer, waiting });
        }
    }

    pub(super) fn check_completed(&mut self, peer: u32) {
        let host = &self.hosts[peer as usize];
        let stored = host.stored.count();
        let says = self.content.layout.chunk_count();
        if stored != says || host.completed_at.is_some() {
            self.violate(Violation::Untrue { peer, says, stored });
        }
    }

    /// Everybody's swarm must count as its own what is stored, no more and no less.
    pub(super) fn check_at_end(&mut self) {
        let differs = |&peer: &u32| {
            let host = &self.hosts[peer as usize];
            host.swarm.have() != &host.stored
        };
        let count = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        if let Some(peer) = (0..count).find(differs) {
            let host = &self.hosts[peer as usize];
            let (says, stored) = (host.swarm.have().count(), host.stored.count());
            self.violate(Violation::Untrue { peer, says, stored });
        }
    }

    pub(super) fn note_unfinished(&mut self) {
        let unfinished = (0..)
            .zip(&self.hosts)
            .filter(|(_, host)| host.spec.is_to_finish() && host.completed_at.is_none());
        let peers = unfinished.map(|(peer, _)| peer).take(NAMED_MAX).collect();
        self.violate(Violation::Unfinished { count: self.waiting_for, peers });
    }
}
