//! Events and actions as protobuf messages, so that a run is a file, and back.

use peerit_proto::scheduler::v1 as twin;

use super::{Action, Event};
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerKey};
use crate::layout::Block;

/// Why a protobuf message is not an event or action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    /// A field that must be there is not.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// The bits do not have the form of the wire for the chunk count.
    #[error("the bits do not fit {0} chunks")]
    Bits(u32),
}

impl From<Event> for twin::Event {
    fn from(event: Event) -> Self {
        use twin::event::Body;
        let body = match event {
            Event::PeerJoined { peer } => Body::PeerJoined(twin::PeerJoined { peer: peer.0 }),
            Event::PeerLeft { peer } => Body::PeerLeft(twin::PeerLeft { peer: peer.0 }),
            Event::HasChunks { peer, chunks } => Body::HasChunks(twin::HasChunks {
                peer: peer.0,
                chunk_count: chunks.len(),
                bits: chunks.to_bytes().into(),
            }),
            Event::HasChunk { peer, chunk } => {
                Body::HasChunk(twin::HasChunk { peer: peer.0, chunk: chunk.0 })
            }
            Event::Unchoked { peer } => Body::Unchoked(twin::Unchoked { peer: peer.0 }),
            Event::Choked { peer } => Body::Choked(twin::Choked { peer: peer.0 }),
            Event::BlockArrived { peer, block, payload } => {
                let block = Some(block.into());
                Body::BlockArrived(twin::BlockArrived { peer: peer.0, block, payload })
            }
            Event::Rejected { peer, block } => {
                Body::Rejected(twin::Rejected { peer: peer.0, block: Some(block.into()) })
            }
            Event::ChunkStored { chunk } => Body::ChunkStored(twin::ChunkStored { chunk: chunk.0 }),
            Event::ChunkLost { chunk, single_source } => {
                Body::ChunkLost(twin::ChunkLost { chunk: chunk.0, single_source })
            }
            Event::Pause => Body::Pause(twin::Pause {}),
            Event::Resume => Body::Resume(twin::Resume {}),
            Event::Memory { bytes_max } => Body::Memory(twin::Memory { bytes_max }),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<twin::Event> for Event {
    type Error = TwinError;

    fn try_from(event: twin::Event) -> Result<Self, TwinError> {
        use twin::event::Body;
        Ok(match event.body.ok_or(TwinError::Missing("body"))? {
            Body::PeerJoined(of) => Self::PeerJoined { peer: PeerKey(of.peer) },
            Body::PeerLeft(of) => Self::PeerLeft { peer: PeerKey(of.peer) },
            Body::HasChunks(of) => Self::HasChunks {
                peer: PeerKey(of.peer),
                chunks: Bitfield::from_bytes(&of.bits, of.chunk_count)
                    .ok_or(TwinError::Bits(of.chunk_count))?,
            },
            Body::HasChunk(of) => {
                Self::HasChunk { peer: PeerKey(of.peer), chunk: ChunkIndex(of.chunk) }
            }
            Body::Unchoked(of) => Self::Unchoked { peer: PeerKey(of.peer) },
            Body::Choked(of) => Self::Choked { peer: PeerKey(of.peer) },
            Body::BlockArrived(of) => Self::BlockArrived {
                peer: PeerKey(of.peer),
                block: block(of.block)?,
                payload: of.payload,
            },
            Body::Rejected(of) => {
                Self::Rejected { peer: PeerKey(of.peer), block: block(of.block)? }
            }
            Body::ChunkStored(of) => Self::ChunkStored { chunk: ChunkIndex(of.chunk) },
            Body::ChunkLost(of) => {
                Self::ChunkLost { chunk: ChunkIndex(of.chunk), single_source: of.single_source }
            }
            Body::Pause(_) => Self::Pause,
            Body::Resume(_) => Self::Resume,
            Body::Memory(of) => Self::Memory { bytes_max: of.bytes_max },
        })
    }
}

impl From<Action> for twin::Action {
    fn from(action: Action) -> Self {
        use twin::action::Body;
        let body = match action {
            Action::Request { peer, block } => {
                Body::Request(twin::Request { peer: peer.0, block: Some(block.into()) })
            }
            Action::Cancel { peer, block } => {
                Body::Cancel(twin::Cancel { peer: peer.0, block: Some(block.into()) })
            }
            Action::Interest { peer, interested } => {
                Body::Interest(twin::Interest { peer: peer.0, interested })
            }
            Action::ChunkComplete { chunk, blocks, sources } => {
                let sources = sources.into_iter().map(|source| source.0).collect();
                Body::ChunkComplete(twin::ChunkComplete { chunk: chunk.0, blocks, sources })
            }
            Action::Unrequested { peer } => Body::Unrequested(twin::Unrequested { peer: peer.0 }),
            Action::Snubbed { peer } => Body::Snubbed(twin::Snubbed { peer: peer.0 }),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<twin::Action> for Action {
    type Error = TwinError;

    fn try_from(action: twin::Action) -> Result<Self, TwinError> {
        use twin::action::Body;
        Ok(match action.body.ok_or(TwinError::Missing("body"))? {
            Body::Request(of) => Self::Request { peer: PeerKey(of.peer), block: block(of.block)? },
            Body::Cancel(of) => Self::Cancel { peer: PeerKey(of.peer), block: block(of.block)? },
            Body::Interest(of) => {
                Self::Interest { peer: PeerKey(of.peer), interested: of.interested }
            }
            Body::ChunkComplete(of) => Self::ChunkComplete {
                chunk: ChunkIndex(of.chunk),
                blocks: of.blocks,
                sources: of.sources.into_iter().map(PeerKey).collect(),
            },
            Body::Unrequested(of) => Self::Unrequested { peer: PeerKey(of.peer) },
            Body::Snubbed(of) => Self::Snubbed { peer: PeerKey(of.peer) },
        })
    }
}

impl From<Block> for twin::Block {
    fn from(block: Block) -> Self {
        Self { chunk: block.chunk.0, offset_bytes: block.offset, length_bytes: block.length }
    }
}

impl From<twin::Block> for Block {
    fn from(block: twin::Block) -> Self {
        Self {
            chunk: ChunkIndex(block.chunk),
            offset: block.offset_bytes,
            length: block.length_bytes,
        }
    }
}

fn block(block: Option<twin::Block>) -> Result<Block, TwinError> {
    block.map(Block::from).ok_or(TwinError::Missing("block"))
}
