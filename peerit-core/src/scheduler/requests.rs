//! What is asked of whom.

use std::collections::{BTreeMap, BTreeSet};

use super::pipeline::Sent;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::Block;
use crate::time::Timestamp;

/// One request that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) sent: Sent,
    /// When the peer should deliver, by its rate and what was asked of it before.
    pub(super) expected: Timestamp,
    /// When the peer is given up.
    pub(super) deadline: Timestamp,
    /// It is taken back once the peer says that it does not send it.
    pub(super) recalled: Option<Recall>,
}

/// A request is to go to another peer, if the one that has it has not begun to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recall {
    pub(super) at: Timestamp,
    pub(super) by: PeerKey,
}

/// All requests that are not answered yet; every change is O(log requests).
///
/// A request takes about 200 bytes; 500 peers with 512 requests each take about 50 MiB, which
/// their pipelines, bounded by the bytes of begun chunks, do not reach.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_block: BTreeMap<(Block, PeerKey), Request>,
    by_peer: BTreeSet<(PeerKey, Block)>,
    by_deadline: BTreeSet<(Timestamp, PeerKey, Block)>,
    by_expected: BTreeSet<(Timestamp, PeerKey, Block)>,
}

impl Requests {
    pub(super) fn is_empty(&self) -> bool {
        self.by_block.is_empty()
    }

    pub(super) fn insert(&mut self, peer: PeerKey, block: Block, request: Request) {
        self.by_block.insert((block, peer), request);
        self.by_peer.insert((peer, block));
        self.by_deadline.insert((request.deadline, peer, block));
        self.by_expected.insert((request.expected, peer, block));
    }

    pub(super) fn remove(&mut self, peer: PeerKey, block: Block) -> Option<Request> {
        let request = self.by_block.remove(&(block, peer))?;
        self.by_peer.remove(&(peer, block));
        self.by_deadline.remove(&(request.deadline, peer, block));
        self.by_expected.remove(&(request.expected, peer, block));
        Some(request)
    }

    /// Notes that a request is recalled.
    pub(super) fn recall(&mut self, peer: PeerKey, block: Block, recall: Recall) {
        if let Some(request) = self.by_block.get_mut(&(block, peer)) {
            request.recalled = Some(recall);
        }
    }

    /// Who was asked for a block.
    pub(super) fn holders(&self, block: Block) -> impl Iterator<Item = PeerKey> + '_ {
        let all = (block, PeerKey(0))..=(block, PeerKey(u32::MAX));
        self.by_block.range(all).map(|(&(_, peer), _)| peer)
    }

    /// What was asked of a peer.
    pub(super) fn of_peer(&self, peer: PeerKey) -> impl Iterator<Item = Block> + '_ {
        self.by_peer
            .range((peer, first_of(ChunkIndex(0)))..)
            .map_while(move |&(holder, block)| (holder == peer).then_some(block))
    }

    /// What was asked for of a chunk, and of whom.
    pub(super) fn of_chunk(&self, chunk: ChunkIndex) -> impl Iterator<Item = (PeerKey, Block)> {
        let from = (first_of(chunk), PeerKey(0));
        self.by_block
            .range(from..)
            .map_while(move |(&(block, peer), _)| (block.chunk == chunk).then_some((peer, block)))
    }

    /// The next deadline, and whose it is.
    pub(super) fn next_deadline(&self) -> Option<(Timestamp, PeerKey)> {
        self.by_deadline.first().map(|&(deadline, peer, _)| (deadline, peer))
    }

    /// Requests from both ends of the order of expected arrival, `scan` of them: the most overdue
    /// and those expected last. Some may come twice.
    pub(super) fn slowest(
        &self,
        scan: usize,
    ) -> impl Iterator<Item = (PeerKey, Block, &Request)> + '_ {
        let overdue = self.by_expected.iter().take(scan / 2);
        let both = overdue.chain(self.by_expected.iter().rev().take(scan / 2));
        both.filter_map(|&(_, peer, block)| Some((peer, block, self.by_block.get(&(block, peer))?)))
    }
}

/// Before all blocks of the chunk in their order.
fn first_of(chunk: ChunkIndex) -> Block {
    Block { chunk, offset: 0, length: 0 }
}
