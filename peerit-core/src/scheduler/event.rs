//! What the scheduler is told and what it wants done.

use bytes::Bytes;

use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::Block;

/// What the scheduler is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer is connected: choking us, with no chunk.
    PeerJoined {
        /// The peer.
        peer: PeerKey,
    },
    /// A peer is gone: what was asked of it returns to the pool.
    PeerLeft {
        /// The peer.
        peer: PeerKey,
    },
    /// All chunks a peer has; replaces what was known.
    HasChunks {
        /// The peer.
        peer: PeerKey,
        /// As many chunks as the content has.
        chunks: Bitfield,
    },
    /// One more chunk a peer has.
    HasChunk {
        /// The peer.
        peer: PeerKey,
        /// The chunk.
        chunk: ChunkIndex,
    },
    /// A peer serves us from now on.
    Unchoked {
        /// The peer.
        peer: PeerKey,
    },
    /// A peer no longer serves us: nothing more is asked of it. What was asked still comes, or is rejected.
    Choked {
        /// The peer.
        peer: PeerKey,
    },
    /// A block came from a peer.
    BlockArrived {
        /// The peer.
        peer: PeerKey,
        /// The block as the peer names it.
        block: Block,
        /// `block.length` bytes.
        payload: Bytes,
    },
    /// A peer will not serve a request.
    Rejected {
        /// The peer.
        peer: PeerKey,
        /// The request.
        block: Block,
    },
    /// A complete chunk matched its digest and is stored.
    ChunkStored {
        /// The chunk.
        chunk: ChunkIndex,
    },
    /// A complete chunk did not match its digest, or could not be stored: it is wanted again.
    ChunkLost {
        /// The chunk.
        chunk: ChunkIndex,
        /// Fetch it from one peer alone this time, so that a second failure names the culprit.
        single_source: bool,
    },
    /// Fetch nothing until resumed; what was asked is cancelled.
    Pause,
    /// Fetch again.
    Resume,
    /// So much memory may chunks take that are begun and not yet stored, in place of what was said before. Those that
    /// are begun stay; no other is begun until it fits, none at all if nothing fits.
    Memory {
        /// In bytes.
        bytes_max: u64,
    },
}

/// What the scheduler wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer for a block.
    Request {
        /// The peer.
        peer: PeerKey,
        /// The block.
        block: Block,
    },
    /// Take a request back.
    Cancel {
        /// The peer.
        peer: PeerKey,
        /// The block.
        block: Block,
    },
    /// Tell a peer whether it has anything we want.
    Interest {
        /// The peer.
        peer: PeerKey,
        /// Whether it has.
        interested: bool,
    },
    /// All blocks of a chunk are here.
    ChunkComplete {
        /// The chunk.
        chunk: ChunkIndex,
        /// Its blocks in order; joined they are the chunk.
        blocks: Vec<Bytes>,
        /// Who sent each of them.
        sources: Vec<PeerKey>,
    },
    /// A peer sent a block that was never asked of it.
    Unrequested {
        /// The peer.
        peer: PeerKey,
    },
    /// A peer let a request run into its deadline; its blocks are back in the pool.
    Snubbed {
        /// The peer.
        peer: PeerKey,
    },
}
