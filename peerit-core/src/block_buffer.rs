//! Memory for blocks on their way between disk and network, used again and again.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::layout::BLOCK_LENGTH_MAX;

/// Most buffers of a process that wait for their next use, 4 MiB: as many as the network, the hashing
/// threads and the disk have in hand at a moment.
const SPARE_MAX: usize = 16;
/// What a buffer holds that is kept.
const KEPT_LENGTH: usize = BLOCK_LENGTH_MAX as usize;

/// Those that wait, each of [`KEPT_LENGTH`].
static SPARE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// The bytes of one block. Full blocks, which is nearly all, take memory that was in use before: to take
/// it from the system, and to clear it, costs as much as a copy.
///
/// A new one holds zeros or the bytes of an old one: whoever takes it fills it or drops it. How many are
/// in use is bounded by their users; what comes back beyond 4 MiB is freed.
pub(crate) struct BlockBuffer(Box<[u8]>);

impl BlockBuffer {
    /// A buffer of exactly `length` bytes.
    pub(crate) fn new(length: usize) -> Self {
        let kept = if length == KEPT_LENGTH { spare().pop() } else { None };
        Self(kept.unwrap_or_else(|| vec![0; length].into_boxed_slice()))
    }
}

fn spare() -> MutexGuard<'static, Vec<Box<[u8]>>> {
    // No code that runs under the lock panics.
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for BlockBuffer {
    fn drop(&mut self) {
        if self.0.len() == KEPT_LENGTH {
            let mut spare = spare();
            if spare.len() < SPARE_MAX {
                spare.push(std::mem::take(&mut self.0));
            }
        }
    }
}

impl Deref for BlockBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for BlockBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for BlockBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<BlockBuffer> for Bytes {
    /// Without a copy; the memory comes back when the last clone is dropped.
    fn from(buffer: BlockBuffer) -> Self {
        Self::from_owner(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_have_the_length_that_was_asked_for_whatever_came_back() {
        for length in [0, 1, KEPT_LENGTH - 1, KEPT_LENGTH, KEPT_LENGTH + 1] {
            drop(Bytes::from(BlockBuffer::new(length)));
            assert_eq!(BlockBuffer::new(length).len(), length);
        }
    }

    #[test]
    fn no_more_than_a_few_are_kept() {
        let many: Vec<Bytes> =
            (0..4 * SPARE_MAX).map(|_| BlockBuffer::new(KEPT_LENGTH).into()).collect();
        drop(many);
        assert!(spare().len() <= SPARE_MAX);
    }
}
