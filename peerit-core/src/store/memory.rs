//! Content in memory: for tests, simulations and benches.

use std::sync::{PoisonError, RwLock};

use bytes::Bytes;

use crate::id::ChunkIndex;
use crate::layout::Layout;

use super::{Store, StoreError};

/// Keeps content in memory, all of it, from the start.
#[derive(Debug)]
pub struct MemoryStore(RwLock<Vec<u8>>);

impl MemoryStore {
    /// Room for a content, filled with zeros.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        // More than the address space holds cannot be allocated in any case.
        Self(RwLock::new(vec![0; usize::try_from(layout.length()).unwrap_or(usize::MAX)]))
    }

    /// Complete content.
    #[must_use]
    pub fn with_content(content: Vec<u8>) -> Self {
        Self(RwLock::new(content))
    }

    /// A copy of the content as it is now.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The part of `content` that starts at `offset` and is `length` long.
fn range(content: &[u8], offset: u64, length: usize) -> Result<std::ops::Range<usize>, StoreError> {
    let start = usize::try_from(offset).ok();
    let range = start.and_then(|start| Some(start..start.checked_add(length)?));
    range
        .filter(|range| range.end <= content.len())
        .ok_or(StoreError::Range { offset, length: length as u64 })
}

impl Store for MemoryStore {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let content = self.0.read().unwrap_or_else(PoisonError::into_inner);
        buffer.copy_from_slice(&content[range(&content, offset, buffer.len())?]);
        Ok(())
    }

    fn write_chunk(
        &self,
        _chunk: ChunkIndex,
        offset: u64,
        blocks: &[Bytes],
    ) -> Result<(), StoreError> {
        let mut content = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let range = range(&content, offset, blocks.iter().map(Bytes::len).sum())?;
        let mut rest = &mut content[range];
        for block in blocks {
            let (part, after) = rest.split_at_mut(block.len());
            part.copy_from_slice(block);
            rest = after;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let store = MemoryStore::new(Layout::new(100_000, 65_536).unwrap());
        let blocks = [Bytes::from_static(b"ab"), Bytes::from_static(b"cde")];
        store.write_chunk(ChunkIndex(1), 65_536, &blocks).unwrap();
        let mut buffer = [0; 7];
        store.read(65_535, &mut buffer).unwrap();
        assert_eq!(&buffer, b"\0abcde\0");
    }

    #[test]
    fn ranges_outside_are_refused() {
        let store = MemoryStore::with_content(vec![1; 10]);
        assert!(store.read(8, &mut [0; 2]).is_ok());
        assert!(matches!(store.read(8, &mut [0; 3]), Err(StoreError::Range { .. })));
        assert!(matches!(store.read(u64::MAX, &mut [0; 3]), Err(StoreError::Range { .. })));
        let block = [Bytes::from_static(b"abc")];
        let written = store.write_chunk(ChunkIndex(0), 8, &block);
        assert!(matches!(written, Err(StoreError::Range { .. })));
        assert_eq!(store.content(), [1; 10]);
    }
}
