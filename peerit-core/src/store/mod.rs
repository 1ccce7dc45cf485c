//! Where content lives.

use bytes::Bytes;

/// Where the content of one manifest lives.
///
/// All calls block: the node makes them on blocking threads, several at a time.
pub trait Store: Send + Sync {
    /// Fills `buffer` from `offset` (bytes from the start of the content).
    ///
    /// # Errors
    /// When a file is gone, shorter than the manifest says, or unreadable.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError>;

    /// Writes a verified chunk: `blocks`, joined, from `offset` (bytes from the start of the content), then remembers `chunk`
    /// as held, so that a restart finds it.
    ///
    /// # Errors
    /// When the disk is full or a file cannot be written. The chunk is then not held.
    fn write_chunk(
        &self,
        chunk: crate::id::ChunkIndex,
        offset: u64,
        blocks: &[Bytes],
    ) -> Result<(), StoreError>;

    /// All chunks are written: makes files final and durable, and takes the partial marker away. Idempotent.
    ///
    /// # Errors
    /// Those of the file system.
    fn finish(&self) -> Result<(), StoreError>;

    /// Makes what was written durable, so that not even a power cut loses it.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync(&self) -> Result<(), StoreError>;
}

/// Why content cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
