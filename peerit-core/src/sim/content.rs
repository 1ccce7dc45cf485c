//! The content: one short buffer of pseudo-random bytes, of which every chunk is another window.
//!
//! Nothing is copied and nothing hashed: a block is a slice, and a chunk is right when its blocks are
//! the very slices, or equal bytes.

use bytes::Bytes;

use crate::id::ChunkIndex;
use crate::layout::{Block, CHUNK_COUNT_MAX, Layout};

/// Between the windows of two chunks: 65,536 chunks then need 1 MiB more than one chunk has.
const STEP: usize = 16;

/// The bytes of a content of any length, in at most 17 MiB.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) layout: Layout,
    buffer: Bytes,
}

impl Content {
    pub(super) fn new(layout: Layout) -> Self {
        let windows = layout.chunk_count().min(CHUNK_COUNT_MAX) as usize * STEP;
        let mut bytes = vec![0; layout.chunk_length() as usize + windows];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        Self { layout, buffer: bytes.into() }
    }

    /// A block of the content.
    pub(super) fn block(&self, block: Block) -> Bytes {
        let start = block.chunk.as_usize() * STEP + block.offset as usize;
        self.buffer.slice(start..start + block.length as usize)
    }

    /// The same with a wrong first byte.
    pub(super) fn lie(&self, block: Block) -> Bytes {
        let mut bytes = self.block(block).to_vec();
        if let Some(first) = bytes.first_mut() {
            *first ^= 1;
        }
        bytes.into()
    }

    /// Whether the blocks, joined, are the chunk.
    pub(super) fn matches(&self, chunk: ChunkIndex, blocks: &[Bytes]) -> bool {
        let start = chunk.as_usize() * STEP;
        let length = self.layout.length_of(chunk) as usize;
        let mut rest = &self.buffer[start..start + length];
        blocks.iter().all(|block| {
            let Some((expected, behind)) = rest.split_at_checked(block.len()) else { return false };
            rest = behind;
            expected.as_ptr() == block.as_ptr() || expected == block
        }) && rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_told_from_another_and_from_a_lie() {
        let content = Content::new(Layout::new(5 * 65_536 - 9, 65_536).unwrap());
        let block = |chunk, offset, length| Block { chunk: ChunkIndex(chunk), offset, length };
        let halves = |chunk| [block(chunk, 0, 30_000), block(chunk, 30_000, 35_536)];
        let good = halves(1).map(|block| content.block(block));
        assert!(content.matches(ChunkIndex(1), &good));
        assert!(content.matches(ChunkIndex(1), &[good.concat().into()]));
        assert!(!content.matches(ChunkIndex(2), &good));
        assert!(!content.matches(ChunkIndex(1), &good[..1]));
        assert!(!content.matches(ChunkIndex(4), &good));
        let [first, second] = halves(1);
        assert!(!content.matches(ChunkIndex(1), &[content.lie(first), content.block(second)]));
        assert!(content.matches(ChunkIndex(4), &[content.block(block(4, 0, 65_527))]));
    }
}
