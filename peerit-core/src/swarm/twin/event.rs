//! Events and their twins.

use peerit_proto::swarm::v1 as twin;
use twin::event::Body;

use super::super::{Direction, Event, Path};
use super::{
    TwinError, address, block, encode_address, frame, frame_twin, payload, payload_twin, payloads,
    peer_id,
};
use crate::id::{ChunkIndex, PeerKey};

impl From<&Event> for twin::Event {
    fn from(event: &Event) -> Self {
        let body = match event {
            Event::AddressesFound { addresses } => Body::AddressesFound(twin::AddressesFound {
                addresses: addresses.iter().copied().map(encode_address).collect(),
            }),
            Event::DialFailed { address } => {
                Body::DialFailed(twin::DialFailed { address: Some(encode_address(*address)) })
            }
            Event::Connected { peer, id, address, direction, path } => {
                Body::Connected(twin::Connected {
                    peer: peer.0,
                    id: id.0.to_vec().into(),
                    address: Some(encode_address(*address)),
                    direction: twin::Direction::from(*direction).into(),
                    path: twin::Path::from(*path).into(),
                })
            }
            Event::Disconnected { peer } => Body::Disconnected(twin::Disconnected { peer: peer.0 }),
            Event::Received { peer, frame } => {
                Body::Received(twin::Received { peer: peer.0, frame: frame_twin(frame) })
            }
            Event::BlockReceived { peer, block, payload } => {
                let (block, payload) = (Some((*block).into()), Some(payload_twin(payload)));
                Body::BlockReceived(twin::BlockReceived { peer: peer.0, block, payload })
            }
            Event::BlockSent { peer, block } => {
                Body::BlockSent(twin::BlockSent { peer: peer.0, block: Some((*block).into()) })
            }
            Event::ChunkStored { chunk, blocks } => {
                let blocks = blocks.iter().map(payload_twin).collect();
                Body::ChunkStored(twin::ChunkStored { chunk: chunk.0, blocks })
            }
            Event::ChunkCorrupt { chunk, blocks } => {
                let blocks = blocks.iter().map(payload_twin).collect();
                Body::ChunkCorrupt(twin::ChunkCorrupt { chunk: chunk.0, blocks })
            }
            Event::ChunkNotStored { chunk } => {
                Body::ChunkNotStored(twin::ChunkNotStored { chunk: chunk.0 })
            }
            Event::Pause => Body::Pause(twin::Pause {}),
            Event::Resume => Body::Resume(twin::Resume {}),
            Event::Memory { bytes_max } => Body::Memory(twin::Memory { bytes_max: *bytes_max }),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<twin::Event> for Event {
    type Error = TwinError;

    fn try_from(event: twin::Event) -> Result<Self, TwinError> {
        Ok(match event.body.ok_or(TwinError::Missing("body"))? {
            Body::AddressesFound(of) => Self::AddressesFound {
                addresses: of
                    .addresses
                    .into_iter()
                    .map(|one| address(Some(one)))
                    .collect::<Result<_, _>>()?,
            },
            Body::DialFailed(of) => Self::DialFailed { address: address(of.address)? },
            Body::Connected(of) => Self::Connected {
                peer: PeerKey(of.peer),
                id: peer_id(&of.id)?,
                direction: of.direction().try_into()?,
                path: of.path().try_into()?,
                address: address(of.address)?,
            },
            Body::Disconnected(of) => Self::Disconnected { peer: PeerKey(of.peer) },
            Body::Received(of) => {
                Self::Received { peer: PeerKey(of.peer), frame: frame(of.frame)? }
            }
            Body::BlockReceived(of) => Self::BlockReceived {
                peer: PeerKey(of.peer),
                block: block(of.block)?,
                payload: payload(of.payload)?,
            },
            Body::BlockSent(of) => {
                Self::BlockSent { peer: PeerKey(of.peer), block: block(of.block)? }
            }
            Body::ChunkStored(of) => {
                Self::ChunkStored { chunk: ChunkIndex(of.chunk), blocks: payloads(of.blocks)? }
            }
            Body::ChunkCorrupt(of) => {
                Self::ChunkCorrupt { chunk: ChunkIndex(of.chunk), blocks: payloads(of.blocks)? }
            }
            Body::ChunkNotStored(of) => Self::ChunkNotStored { chunk: ChunkIndex(of.chunk) },
            Body::Pause(_) => Self::Pause,
            Body::Resume(_) => Self::Resume,
            Body::Memory(of) => Self::Memory { bytes_max: of.bytes_max },
        })
    }
}

impl From<Direction> for twin::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Dialled => Self::Dialled,
            Direction::Answered => Self::Answered,
        }
    }
}

impl TryFrom<twin::Direction> for Direction {
    type Error = TwinError;

    fn try_from(direction: twin::Direction) -> Result<Self, TwinError> {
        match direction {
            twin::Direction::Unspecified => Err(TwinError::OutOfRange("direction")),
            twin::Direction::Dialled => Ok(Self::Dialled),
            twin::Direction::Answered => Ok(Self::Answered),
        }
    }
}

impl From<Path> for twin::Path {
    fn from(path: Path) -> Self {
        match path {
            Path::Direct => Self::Direct,
            Path::Mapped => Self::Mapped,
            Path::Punched => Self::Punched,
            Path::Relayed => Self::Relayed,
        }
    }
}

impl TryFrom<twin::Path> for Path {
    type Error = TwinError;

    fn try_from(path: twin::Path) -> Result<Self, TwinError> {
        match path {
            twin::Path::Unspecified => Err(TwinError::OutOfRange("path")),
            twin::Path::Direct => Ok(Self::Direct),
            twin::Path::Mapped => Ok(Self::Mapped),
            twin::Path::Punched => Ok(Self::Punched),
            twin::Path::Relayed => Ok(Self::Relayed),
        }
    }
}
