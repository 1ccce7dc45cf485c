//! What a swarm is told and what it wants done.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::id::{ChunkIndex, PeerId, PeerKey};
use crate::layout::Block;
use crate::path::Path;
use crate::wire::Frame;

/// Which side opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We did.
    Dialled,
    /// The peer did.
    Answered,
}

/// What a swarm is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody (tracker, user, another peer) knows where peers may be.
    AddressesFound {
        /// Where.
        addresses: Vec<SocketAddr>,
    },
    /// A dial that was asked for did not lead to a connection.
    DialFailed {
        /// The address.
        address: SocketAddr,
    },
    /// A connection is open and both sides have proved that they know the manifest.
    Connected {
        /// A handle never used before in this swarm.
        peer: PeerKey,
        /// Who it is, proved.
        id: PeerId,
        /// Its address: as dialled, or as seen.
        address: SocketAddr,
        /// Which side opened it.
        direction: Direction,
        /// How it is reached.
        path: Path,
    },
    /// A connection is gone, for whatever reason.
    Disconnected {
        /// The peer.
        peer: PeerKey,
    },
    /// A frame came; for `Data` see [`Event::BlockReceived`].
    Received {
        /// The peer.
        peer: PeerKey,
        /// The frame.
        frame: Frame,
    },
    /// A `Data` frame came with its payload.
    BlockReceived {
        /// The peer.
        peer: PeerKey,
        /// The block as the peer names it.
        block: Block,
        /// `block.length` bytes.
        payload: Bytes,
    },
    /// The answer to [`Action::SendBlock`] is on its way.
    BlockSent {
        /// The peer.
        peer: PeerKey,
        /// The block.
        block: Block,
    },
    /// The answer to [`Action::VerifyChunk`]: it matched its digest and is stored.
    ChunkStored {
        /// The chunk.
        chunk: ChunkIndex,
        /// Its blocks, as they were handed out.
        blocks: Vec<Bytes>,
    },
    /// The answer to [`Action::VerifyChunk`]: it did not match its digest.
    ChunkCorrupt {
        /// The chunk.
        chunk: ChunkIndex,
        /// Its blocks, as they were handed out.
        blocks: Vec<Bytes>,
    },
    /// The answer to [`Action::VerifyChunk`]: it matched, but could not be stored.
    ChunkNotStored {
        /// The chunk.
        chunk: ChunkIndex,
    },
    /// Stop all traffic: every connection is closed.
    Pause,
    /// Take part again.
    Resume,
    /// So much memory may chunks take that are begun and not yet stored, in place of what was said before. Those that
    /// are begun stay; no other is begun until it fits, none at all if nothing fits.
    Memory {
        /// In bytes.
        bytes_max: u64,
    },
}

/// What a swarm wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection.
    Dial {
        /// Where.
        address: SocketAddr,
    },
    /// Close a connection. [`Event::Disconnected`] is not expected any more, but harmless.
    Disconnect {
        /// The peer.
        peer: PeerKey,
        /// Why.
        reason: DisconnectReason,
    },
    /// Send a frame that has no payload.
    Send {
        /// The peer.
        peer: PeerKey,
        /// The frame.
        frame: Frame,
    },
    /// Read a block from the store and send it as `Data`; answered by [`Event::BlockSent`].
    SendBlock {
        /// The peer.
        peer: PeerKey,
        /// The block.
        block: Block,
    },
    /// Send a part of the encoded `Info` as `ManifestData`.
    SendManifest {
        /// The peer.
        peer: PeerKey,
        /// Where the part starts, in bytes; may lie beyond the end.
        offset: u32,
        /// Its length in bytes; may reach beyond the end.
        length: u32,
    },
    /// Check a chunk against its digest and store it.
    VerifyChunk {
        /// The chunk.
        chunk: ChunkIndex,
        /// Its blocks; joined they are the chunk.
        blocks: Vec<Bytes>,
    },
    /// Every chunk is verified and stored. Once.
    Completed,
}

/// Why a swarm closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// It broke the rules.
    Misbehaviour(Misbehaviour),
    /// It is banned.
    Banned,
    /// There is a better connection to the same peer, or the peer is this node.
    Duplicate,
    /// There is no room for more peers.
    Full,
    /// Neither side has what the other wants.
    Useless,
    /// It said nothing for too long.
    Idle,
    /// The swarm is paused.
    Paused,
}

/// What a peer did wrong. Comparable, so that tests and logs can name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// A chunk of which it sent every byte does not match its digest.
    #[error("sent corrupt chunk {}", .0.0)]
    CorruptChunk(ChunkIndex),
    /// A frame that is not due.
    #[error("sent a frame out of order")]
    OutOfOrder,
    /// Its chunk count is not that of the manifest.
    #[error("says the content has {0} chunks")]
    ChunkCount(u32),
    /// A bitfield of the wrong size, or with spare bits set.
    #[error("sent a bitfield of the wrong size")]
    Bitfield,
    /// A chunk or range that does not exist, or that we do not have.
    #[error("named a block that does not exist")]
    NoSuchBlock,
    /// More requests than the limit.
    #[error("sent too many requests")]
    TooManyRequests,
    /// Blocks nobody asked for.
    #[error("sent blocks that nobody asked for")]
    Unrequested,
    /// More messages of a kind than the limit.
    #[error("sent too many messages")]
    Flood,
}
