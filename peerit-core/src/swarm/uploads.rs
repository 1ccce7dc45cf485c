//! What a peer has asked of us.

use std::collections::VecDeque;

use crate::layout::Block;

/// Most requests of a peer that wait. Twice what our own scheduler asks of one peer, because requests
/// sent before a choke can arrive after the next unchoke. At 12 bytes each, 12 KiB a peer; what they
/// ask for takes no memory before it is handed to the driver.
pub(super) const REQUESTS_MAX: usize = 1_024;
/// Most blocks of a peer with the driver at a time: one being read, one being sent, one between. At
/// 256 KiB each, 768 KiB a peer; whatever waits behind them can still be cancelled.
pub(super) const BLOCKS_SENDING_MAX: usize = 3;

/// What a peer has asked of us.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    waiting: VecDeque<Block>,
    /// With the driver.
    sending: Vec<Block>,
}

impl Uploads {
    /// Puts a request behind the others; false when there are too many.
    pub(super) fn request(&mut self, block: Block) -> bool {
        let room = self.waiting.len() < REQUESTS_MAX;
        if room {
            self.waiting.push_back(block);
        }
        room
    }

    /// Forgets a request that is not with the driver yet.
    pub(super) fn cancel(&mut self, block: Block) {
        if let Some(index) = self.waiting.iter().position(|&waiting| waiting == block) {
            self.waiting.remove(index);
        }
    }

    /// Forgets all requests that are not with the driver yet.
    pub(super) fn drop_waiting(&mut self) {
        self.waiting.clear();
    }

    /// The next block to hand to the driver, if it has not enough already.
    pub(super) fn next(&mut self) -> Option<Block> {
        if self.sending.len() >= BLOCKS_SENDING_MAX {
            return None;
        }
        let block = self.waiting.pop_front()?;
        self.sending.push(block);
        Some(block)
    }

    /// The driver has sent a block; false when it was not asked to.
    pub(super) fn sent(&mut self, block: Block) -> bool {
        let found = self.sending.iter().position(|&sending| sending == block);
        found.map(|index| self.sending.remove(index)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChunkIndex;

    fn block(chunk: u32) -> Block {
        Block { chunk: ChunkIndex(chunk), offset: 0, length: 1 }
    }

    #[test]
    fn blocks_go_to_the_driver_in_order_a_few_at_a_time() {
        let mut uploads = Uploads::default();
        assert!((0..5).all(|chunk| uploads.request(block(chunk))));
        let handed: Vec<_> = std::iter::from_fn(|| uploads.next()).collect();
        assert_eq!(handed, [block(0), block(1), block(2)]);
        assert!(uploads.sent(block(1)));
        assert!(!uploads.sent(block(1)));
        uploads.cancel(block(3));
        assert_eq!(uploads.next(), Some(block(4)));
        assert_eq!(uploads.next(), None);
    }

    #[test]
    fn the_queue_is_bounded_and_can_be_dropped() {
        let mut uploads = Uploads::default();
        assert!((0..1_024).all(|chunk| uploads.request(block(chunk))));
        assert!(!uploads.request(block(2_000)));
        assert!(uploads.next().is_some());
        uploads.drop_waiting();
        assert_eq!(uploads.next(), None);
        assert!(uploads.sent(block(0)));
    }
}
