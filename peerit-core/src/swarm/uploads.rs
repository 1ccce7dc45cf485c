//! What a peer has asked of us.

use std::collections::VecDeque;
use std::time::Duration;

use crate::id::ChunkIndex;
use crate::layout::Block;
use crate::time::Timestamp;

/// Most requests of a peer that wait. Twice what our own scheduler asks of one peer, because requests
/// sent before a choke can arrive after the next unchoke. At 32 bytes each, 32 KiB a peer; what they
/// ask for takes no memory before it is handed to the driver.
pub(super) const REQUESTS_MAX: usize = 1_024;
/// Most blocks of a peer with the driver at a time: one being read, one being sent, one between. At
/// 256 KiB each, 768 KiB a peer; whatever waits behind them can still be cancelled.
pub(super) const BLOCKS_SENDING_MAX: usize = 3;
/// A request that has waited for so long is served before others, however common its chunk: peers give us
/// up after 5 s.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many of the requests that wait are looked at.
const LOOKED_AT: usize = 8;

/// What a peer has asked of us.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    waiting: VecDeque<Request>,
    /// With the driver, and since when.
    sending: Vec<(Block, Timestamp)>,
    /// The chunk of what the driver was handed last.
    begun: Option<ChunkIndex>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    block: Block,
    since: Timestamp,
}

/// How slowly a peer passes chunks on, how many it has to pass on, and bytes that it got.
pub(super) type Load = (u32, u32, u64);

/// Which of the requests of a peer is next, and how it ranks among those of other peers: less is
/// sooner. Of equally rare chunks one that is begun goes on before another begins: half of it is of use to nobody.
/// The copies count as one more than they are. Those that have waited too long rank by their age alone: their copies count
/// as none, and they are all as one that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    copies: u32,
    begins: bool,
    load: Load,
    since: Timestamp,
    index: usize,
}

impl Turn {
    /// Whether it has not waited too long for that what ranks it counts.
    pub(super) fn is_patient(self) -> bool {
        self.copies > 0
    }
}

impl Uploads {
    /// Puts a request behind the others; false when there are too many.
    pub(super) fn request(&mut self, now: Timestamp, block: Block) -> bool {
        let room = self.waiting.len() < REQUESTS_MAX;
        if room {
            self.waiting.push_back(Request { block, since: now });
        }
        room
    }

    /// Forgets a request that is not with the driver yet; false when there is none.
    pub(super) fn cancel(&mut self, block: Block) -> bool {
        let index = self.waiting.iter().position(|waiting| waiting.block == block);
        index.and_then(|index| self.waiting.remove(index)).is_some()
    }

    /// Takes all requests that are not with the driver yet.
    pub(super) fn drop_waiting(&mut self) -> Vec<Block> {
        self.waiting.drain(..).map(|request| request.block).collect()
    }

    /// Whether a request waits that the driver has not been given.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The same, and the driver has not enough of this peer yet.
    pub(super) fn could_hand(&self) -> bool {
        self.waits() && self.sending.len() < BLOCKS_SENDING_MAX
    }

    /// Until when the copies of what has waited for longest count.
    pub(super) fn patient_until(&self) -> Option<Timestamp> {
        self.waiting.front().map(|request| request.since + PATIENCE)
    }

    /// How many requests are not answered yet.
    pub(super) fn count(&self) -> usize {
        self.waiting.len() + self.sending.len()
    }

    /// Whether it waits for nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.sending.is_empty()
    }

    /// The request to serve next, if the driver has not enough of this peer already: the one that has
    /// waited too long, else the one whose chunk has the fewest `copies`; of these one of the chunk that was
    /// served last, else the oldest. Looks at eight. Among equal ones of several peers the one with less `load` is
    /// first.
    pub(super) fn next(
        &self,
        now: Timestamp,
        copies: impl Fn(ChunkIndex) -> u32,
        load: Load,
    ) -> Option<Turn> {
        if !self.could_hand() {
            return None;
        }
        let turn = |(index, request): (usize, &Request)| {
            let patient = now - request.since < PATIENCE;
            let copies = if patient { copies(request.block.chunk) + 1 } else { 0 };
            let load = if patient { load } else { Load::default() };
            let begins = patient && self.begun != Some(request.block.chunk);
            Turn { copies, begins, load, since: request.since, index }
        };
        self.waiting.iter().take(LOOKED_AT).enumerate().map(turn).min()
    }

    /// Hands a request to the driver.
    pub(super) fn hand(&mut self, now: Timestamp, turn: Turn) -> Option<Block> {
        let block = self.waiting.remove(turn.index)?.block;
        self.sending.push((block, now));
        self.begun = Some(block.chunk);
        Some(block)
    }

    /// The driver has sent a block: since when it had it; none when it was not asked to.
    pub(super) fn sent(&mut self, block: Block) -> Option<Timestamp> {
        let found = self.sending.iter().position(|&(sending, _)| sending == block);
        found.map(|index| self.sending.remove(index).1)
    }

    /// What is with the driver: bytes, and since when.
    pub(super) fn sending(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        self.sending.iter().map(|&(block, since)| (block.length, since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u32 = 256 << 10;

    fn block(chunk: u32, offset: u32) -> Block {
        Block { chunk: ChunkIndex(chunk), offset, length: BLOCK }
    }

    /// A peer that asked for blocks, of which the first is with the driver.
    fn uploads(asked: &[(u64, Block)]) -> Uploads {
        let mut uploads = Uploads::default();
        for &(at, block) in asked {
            assert!(uploads.request(seconds(at), block));
        }
        let first = next(&uploads, asked[0].0);
        assert_eq!(uploads.hand(seconds(asked[0].0), first), Some(asked[0].1));
        uploads
    }

    fn seconds(at: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(at)
    }

    fn next(uploads: &Uploads, at: u64) -> Turn {
        uploads.next(seconds(at), |_| 1, Load::default()).unwrap()
    }

    #[test]
    fn a_begun_chunk_goes_on() {
        let mut one = uploads(&[(0, block(7, 0)), (0, block(8, 0)), (1, block(7, BLOCK))]);
        let turn = next(&one, 1);
        assert_eq!(one.hand(seconds(1), turn), Some(block(7, BLOCK)));
    }

    #[test]
    fn what_has_waited_too_long_goes_before_what_has_waited_less_long_though_that_one_is_begun() {
        let mut one = uploads(&[(0, block(7, 0)), (0, block(8, 0)), (6, block(7, BLOCK))]);
        let turn = next(&one, 9);
        assert_eq!(one.hand(seconds(9), turn), Some(block(8, 0)));

        let begun = uploads(&[(0, block(7, 0)), (6, block(7, BLOCK))]);
        let other = uploads(&[(0, block(9, 0)), (0, block(8, 0))]);
        assert!(next(&other, 9) < next(&begun, 9), "so do those of two peers");
    }
}
