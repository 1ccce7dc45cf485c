//! Where content lives.
//!
//! [`FileStore`] keeps it in files under their final names and survives `kill -9` and power cuts;
//! [`MemoryStore`] keeps it in memory. [`create`] makes a manifest of what lies on disk, [`verify`]
//! compares the two. All of it blocks and belongs on blocking threads.

mod beneath;
mod check;
mod claim;
mod content;
pub mod create;
mod error;
mod files;
mod gather;
mod handles;
mod locate;
mod marker;
mod memory;
mod open;
mod record;
mod replace;
mod resume;
mod scan;
mod stamp;
mod survey;
pub mod verify;

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::id::ChunkIndex;

pub use error::StoreError;
pub use files::FileStore;
pub use handles::{HANDLE_COUNT_DEFAULT, HandleCache};
pub use locate::locate;
pub use memory::MemoryStore;
pub use open::OpenOptions;
pub use stamp::Stamp;

/// Where the content of one manifest lives.
///
/// All calls block: the node makes them on blocking threads, several at a time.
pub trait Store: Send + Sync {
    /// Fills `buffer` from `offset` (bytes from the start of the content).
    ///
    /// # Errors
    /// When a file is gone, shorter than the manifest says, written to by another program since it was
    /// verified, or unreadable.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError>;

    /// Writes a verified chunk: `blocks`, joined, from `offset` (bytes from the start of the
    /// content), then remembers `chunk` as held, so that a restart finds it. A chunk that is held
    /// already is left as it is.
    ///
    /// # Errors
    /// When the disk is full or a file cannot be written. The chunk is then not held.
    fn write_chunk(
        &self,
        chunk: ChunkIndex,
        offset: u64,
        blocks: &[Bytes],
    ) -> Result<(), StoreError>;

    /// All chunks are written: makes files final and takes the partial marker away. Idempotent. As
    /// durable as what other programs write: see [`Store::sync`], which takes a second per 500 MB.
    ///
    /// # Errors
    /// Those of the file system.
    fn finish(&self) -> Result<(), StoreError>;

    /// Whether complete content still looks as it did when it was verified; none of it is read. Of
    /// what is not complete nothing is said.
    ///
    /// # Errors
    /// [`StoreError::Modified`], [`StoreError::Length`] and the like: only a check tells what is left.
    fn check(&self) -> Result<(), StoreError>;

    /// Makes what was written durable, so that not even a power cut loses it. Idempotent.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync(&self) -> Result<(), StoreError>;
}
