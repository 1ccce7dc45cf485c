//! Chunk arithmetic: where chunks and blocks lie in the content.

use crate::id::ChunkIndex;

/// Smallest chunk length: below it headers and bookkeeping cost more than they save.
pub const CHUNK_LENGTH_MIN: u32 = 64 << 10;
/// Greatest chunk length: more would keep too much unverified data in memory.
pub const CHUNK_LENGTH_MAX: u32 = 16 << 20;
/// Most chunks of a content: a bitfield stays within 8 KiB.
pub const CHUNK_COUNT_MAX: u32 = 65_536;
/// Greatest content: `CHUNK_COUNT_MAX` chunks of `CHUNK_LENGTH_MAX`, 1 TiB.
pub const CONTENT_LENGTH_MAX: u64 = CHUNK_COUNT_MAX as u64 * CHUNK_LENGTH_MAX as u64;
/// Greatest length of a block. At 10 Mbit/s one takes 0.2 s: a frame behind it does not wait long.
pub const BLOCK_LENGTH_MAX: u32 = 256 << 10;

/// Why a layout cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The chunk length is not a power of two in the range.
    #[error("chunk length {0} is not a power of two from {CHUNK_LENGTH_MIN} to {CHUNK_LENGTH_MAX}")]
    ChunkLength(u32),
    /// The content would have more chunks than a swarm handles.
    #[error("{0} chunks are more than {CHUNK_COUNT_MAX}: choose longer chunks")]
    ChunkCount(u64),
}

/// A content cut into chunks of one length, the last one shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    length: u64,
    chunk_length: u32,
}

/// A range inside a chunk: what one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The chunk.
    pub chunk: ChunkIndex,
    /// Where it starts inside the chunk, in bytes.
    pub offset: u32,
    /// Length in bytes, at most [`BLOCK_LENGTH_MAX`].
    pub length: u32,
}

impl Layout {
    /// Cuts `length` bytes into chunks of `chunk_length`.
    ///
    /// # Errors
    /// When the chunk length is not a power of two in the range, or there would be too many chunks.
    pub fn new(length: u64, chunk_length: u32) -> Result<Self, LayoutError> {
        let in_range = (CHUNK_LENGTH_MIN..=CHUNK_LENGTH_MAX).contains(&chunk_length);
        if !in_range || !chunk_length.is_power_of_two() {
            return Err(LayoutError::ChunkLength(chunk_length));
        }
        let chunks = length.div_ceil(u64::from(chunk_length));
        if chunks > u64::from(CHUNK_COUNT_MAX) {
            return Err(LayoutError::ChunkCount(chunks));
        }
        Ok(Self { length, chunk_length })
    }

    /// A chunk length for a content: the power of two next above 8 times the square root of its
    /// length, so that chunk count and chunk length grow together (1 GiB: 256 KiB, 4,096 chunks).
    #[must_use]
    pub fn suggested_chunk_length(length: u64) -> u32 {
        let wanted = length.isqrt().saturating_mul(8).next_power_of_two();
        let needed = length.div_ceil(u64::from(CHUNK_COUNT_MAX)).next_power_of_two();
        let kept = wanted.max(needed).clamp(CHUNK_LENGTH_MIN.into(), CHUNK_LENGTH_MAX.into());
        u32::try_from(kept).unwrap_or(CHUNK_LENGTH_MAX)
    }

    /// Length of the content in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Length of every chunk but the last, in bytes.
    #[must_use]
    pub fn chunk_length(&self) -> u32 {
        self.chunk_length
    }

    /// How many chunks there are; at most [`CHUNK_COUNT_MAX`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "`new` has checked that it fits")]
    pub fn chunk_count(&self) -> u32 {
        self.length.div_ceil(u64::from(self.chunk_length)) as u32
    }

    /// All chunks in order.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkIndex> + use<> {
        (0..self.chunk_count()).map(ChunkIndex)
    }

    /// Where a chunk starts in the content, in bytes.
    #[must_use]
    pub fn chunk_start(&self, chunk: ChunkIndex) -> u64 {
        u64::from(chunk.0) * u64::from(self.chunk_length)
    }

    /// Length of a chunk in bytes; 0 beyond the end of the content.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "no more than a chunk length")]
    pub fn length_of(&self, chunk: ChunkIndex) -> u32 {
        let left = self.length.saturating_sub(self.chunk_start(chunk));
        left.min(u64::from(self.chunk_length)) as u32
    }

    /// Length of every block but the last of the content, in bytes.
    #[must_use]
    pub fn block_length(&self) -> u32 {
        self.chunk_length.min(BLOCK_LENGTH_MAX)
    }

    /// How many blocks a chunk has.
    #[must_use]
    pub fn block_count(&self, chunk: ChunkIndex) -> u32 {
        self.length_of(chunk).div_ceil(BLOCK_LENGTH_MAX)
    }

    /// The block of this number (from 0) in a chunk: as our own requests ask for it.
    #[must_use]
    pub fn block(&self, chunk: ChunkIndex, number: u32) -> Block {
        let offset = number * BLOCK_LENGTH_MAX;
        let length = self.length_of(chunk).saturating_sub(offset).min(BLOCK_LENGTH_MAX);
        Block { chunk, offset, length }
    }

    /// Whether a peer may ask for this block.
    #[must_use]
    pub fn contains(&self, block: Block) -> bool {
        let end = u64::from(block.offset) + u64::from(block.length);
        (1..=BLOCK_LENGTH_MAX).contains(&block.length)
            && end <= u64::from(self.length_of(block.chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_chunk_is_shorter() {
        let layout = Layout::new(200_000, 65_536).unwrap();
        let lengths: Vec<_> = layout.chunks().map(|chunk| layout.length_of(chunk)).collect();
        assert_eq!(lengths, [65_536, 65_536, 65_536, 3_392]);
        assert_eq!(layout.length_of(ChunkIndex(4)), 0);
    }

    #[test]
    fn no_content_has_no_chunks() {
        assert_eq!(Layout::new(0, CHUNK_LENGTH_MIN).unwrap().chunk_count(), 0);
    }

    #[test]
    fn chunk_lengths_grow_with_the_square_root() {
        let lengths = [0, 48 << 20, 1 << 30, 100 << 30, CONTENT_LENGTH_MAX];
        let suggested = lengths.map(Layout::suggested_chunk_length);
        assert_eq!(suggested, [64 << 10, 64 << 10, 256 << 10, 4 << 20, 16 << 20]);
        for length in lengths {
            assert!(Layout::new(length, Layout::suggested_chunk_length(length)).is_ok());
        }
    }

    #[test]
    fn blocks_cover_a_chunk() {
        let layout = Layout::new(700_000, 1 << 20).unwrap();
        let chunk = ChunkIndex(0);
        let blocks: Vec<_> =
            (0..layout.block_count(chunk)).map(|number| layout.block(chunk, number)).collect();
        assert_eq!(blocks.iter().map(|block| block.length).sum::<u32>(), 700_000);
        assert!(blocks.iter().all(|&block| layout.contains(block)));
    }

    #[test]
    fn ranges_outside_a_chunk_are_refused() {
        let layout = Layout::new(100_000, 65_536).unwrap();
        let block = |chunk, offset, length| Block { chunk: ChunkIndex(chunk), offset, length };
        assert!(layout.contains(block(1, 0, 34_464)));
        assert!(!layout.contains(block(1, 0, 34_465)));
        assert!(!layout.contains(block(0, 0, 0)));
        assert!(!layout.contains(block(0, u32::MAX, u32::MAX)));
        assert!(!layout.contains(block(2, 0, 1)));
    }

    #[test]
    fn odd_layouts_are_refused() {
        assert_eq!(Layout::new(1, 65_537), Err(LayoutError::ChunkLength(65_537)));
        assert_eq!(Layout::new(1, 32 << 10), Err(LayoutError::ChunkLength(32 << 10)));
        assert_eq!(Layout::new(1 << 40, 1 << 20), Err(LayoutError::ChunkCount(1 << 20)));
    }
}
