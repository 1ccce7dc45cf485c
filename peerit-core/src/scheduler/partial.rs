//! Chunks that are begun: their blocks, and the memory they may take.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::id::{ChunkIndex, PeerKey};
use crate::layout::{BLOCK_LENGTH_MAX, Block, CHUNK_LENGTH_MAX, Layout};
use crate::time::Timestamp;

// The free blocks of a chunk are the bits of one word.
const _: () = assert!(CHUNK_LENGTH_MAX / BLOCK_LENGTH_MAX <= u64::BITS);

/// One chunk that is begun.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) begun: Timestamp,
    /// The only peer that may send it; set when an earlier try was corrupt.
    pub(super) source: Option<PeerKey>,
    /// One bit for each block that is neither here nor asked for, block 0 the lowest.
    free: u64,
    blocks: Vec<Option<(PeerKey, Bytes)>>,
}

/// What became of a block that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is here already, or its chunk is not open to this peer.
    Unneeded,
    /// Kept.
    Kept,
    /// Kept; it was the last one. The blocks in order, and who sent them.
    Complete(Vec<Bytes>, Vec<PeerKey>),
}

/// All chunks that are begun.
#[derive(Debug)]
pub(super) struct Partials {
    layout: Layout,
    open: BTreeMap<ChunkIndex, Partial>,
    /// Those of `open` with free blocks.
    with_free: BTreeSet<ChunkIndex>,
    bytes: u64,
    bytes_max: u64,
}

impl Partials {
    pub(super) fn new(layout: Layout, bytes_max: u64) -> Self {
        let bytes_max = bytes_max.max(2 * u64::from(layout.chunk_length()));
        let (open, with_free) = (BTreeMap::new(), BTreeSet::new());
        Self { layout, open, with_free, bytes: 0, bytes_max }
    }

    pub(super) fn get(&self, chunk: ChunkIndex) -> Option<&Partial> {
        self.open.get(&chunk)
    }

    /// Whether another chunk of full length may be begun.
    pub(super) fn has_room(&self) -> bool {
        self.bytes + u64::from(self.layout.chunk_length()) <= self.bytes_max
    }

    /// So much may be begun from now on; what is begun stays.
    pub(super) fn allow(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    pub(super) fn begin(&mut self, chunk: ChunkIndex, begun: Timestamp, source: Option<PeerKey>) {
        let count = self.layout.block_count(chunk);
        let free = u64::MAX.checked_shr(u64::BITS - count).unwrap_or(0);
        let partial = Partial { begun, source, free, blocks: vec![None; count as usize] };
        self.open.insert(chunk, partial);
        self.with_free.insert(chunk);
        self.bytes += u64::from(self.layout.length_of(chunk));
    }

    /// Forgets a begun chunk and its blocks.
    pub(super) fn discard(&mut self, chunk: ChunkIndex) {
        if self.open.remove(&chunk).is_some() {
            self.with_free.remove(&chunk);
            self.settle(chunk);
        }
    }

    /// A complete chunk is no longer in memory.
    pub(super) fn settle(&mut self, chunk: ChunkIndex) {
        self.bytes -= u64::from(self.layout.length_of(chunk));
    }

    /// Takes the first free block of a chunk for a request of `peer`.
    pub(super) fn take_free(&mut self, chunk: ChunkIndex, peer: PeerKey) -> Option<Block> {
        let partial = self.open.get_mut(&chunk)?;
        if partial.free == 0 || !partial.is_open_to(peer) {
            return None;
        }
        let number = partial.free.trailing_zeros();
        partial.free &= !(1 << number);
        if partial.free == 0 {
            self.with_free.remove(&chunk);
        }
        Some(self.layout.block(chunk, number))
    }

    /// A block is not asked for any more.
    pub(super) fn give_back(&mut self, block: Block) {
        let Some(partial) = self.open.get_mut(&block.chunk) else { return };
        let number = block.offset / BLOCK_LENGTH_MAX;
        if partial.blocks[number as usize].is_none() {
            partial.free |= 1 << number;
            self.with_free.insert(block.chunk);
        }
    }

    /// Keeps a block that was asked of `peer` at some time.
    pub(super) fn arrived(&mut self, peer: PeerKey, block: Block, payload: Bytes) -> Arrival {
        let number = block.offset / BLOCK_LENGTH_MAX;
        let Some(partial) = self.open.get_mut(&block.chunk) else { return Arrival::Unneeded };
        let place = &mut partial.blocks[number as usize];
        if place.is_some() || partial.source.is_some_and(|source| source != peer) {
            return Arrival::Unneeded;
        }
        *place = Some((peer, payload));
        partial.free &= !(1 << number);
        if partial.free == 0 {
            self.with_free.remove(&block.chunk);
        }
        if partial.blocks.iter().any(Option::is_none) {
            return Arrival::Kept;
        }
        let blocks = self.open.remove(&block.chunk).map(|partial| partial.blocks);
        let (sources, blocks) = blocks.into_iter().flatten().flatten().unzip();
        Arrival::Complete(blocks, sources)
    }

    /// Chunks with free blocks that `peer` may ask for, from a random `start` on.
    pub(super) fn with_free(
        &self,
        peer: PeerKey,
        start: ChunkIndex,
    ) -> impl Iterator<Item = (ChunkIndex, &Partial)> {
        let order = self.with_free.range(start..).chain(self.with_free.range(..start));
        order
            .filter_map(|&chunk| Some((chunk, self.open.get(&chunk)?)))
            .filter(move |(_, partial)| partial.is_open_to(peer))
    }

    /// Chunks with free blocks, in the order of the content.
    pub(super) fn unasked(&self) -> impl Iterator<Item = ChunkIndex> + '_ {
        self.with_free.iter().copied()
    }

    /// All begun chunks, in the order of the content.
    pub(super) fn begun(&self) -> impl Iterator<Item = (ChunkIndex, &Partial)> {
        self.open.iter().map(|(&chunk, partial)| (chunk, partial))
    }

    /// Chunks that only `peer` may send.
    pub(super) fn exclusive_to(&self, peer: PeerKey) -> Vec<ChunkIndex> {
        let of_peer = self.open.iter().filter(|(_, partial)| partial.source == Some(peer));
        of_peer.map(|(&chunk, _)| chunk).collect()
    }

    /// Bytes of chunks begun and not settled.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Partial {
    /// Whether the chunk may come from `peer`.
    pub(super) fn is_open_to(&self, peer: PeerKey) -> bool {
        self.source.is_none_or(|source| source == peer)
    }

    #[cfg(test)]
    pub(super) fn has(&self, block: Block) -> bool {
        self.blocks[(block.offset / BLOCK_LENGTH_MAX) as usize].is_some()
    }

    #[cfg(test)]
    pub(super) fn is_free(&self, block: Block) -> bool {
        self.free & 1 << (block.offset / BLOCK_LENGTH_MAX) != 0
    }

    /// How many blocks are neither here nor asked for.
    pub(super) fn free_count(&self) -> u32 {
        self.free.count_ones()
    }
}
