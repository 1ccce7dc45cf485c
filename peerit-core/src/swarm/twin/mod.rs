//! Events and actions as protobuf messages, so that a run is a file, and back.
//!
//! Payload is recorded as its length and fingerprint: a recording of a terabyte stays small. What
//! comes back is a stand-in of the same length that repeats the fingerprint: two stand-ins are equal
//! when what they stand for was, and that is all a swarm looks at. So a replay is exact.

mod action;
mod event;

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use peerit_proto::swarm::v1 as twin;
use peerit_proto::{Message, scheduler, wire};

use super::blame::fingerprint;
use super::{Config, Misbehaviour};
use crate::id::{ChunkIndex, PeerId};
use crate::layout::{BLOCK_LENGTH_MAX, Block};
use crate::wire::address::{decode_address, encode_address};
use crate::wire::{Frame, WireError, decode_frame, encode_frame};

/// Why a protobuf message is not an event, an action or a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    /// A field that must be there is not.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("{0} is out of its range")]
    OutOfRange(&'static str),
    /// A frame is not one.
    #[error("frame: {0}")]
    Frame(#[from] WireError),
}

impl From<&Config> for twin::Config {
    fn from(config: &Config) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            agent: config.agent.clone(),
            listen_port: config.listen_port.into(),
            peers_max: count(config.peers_max),
            dials_max: count(config.dials_max),
            upload_slots: count(config.upload_slots),
            optimistic_slots: count(config.optimistic_slots),
        }
    }
}

impl TryFrom<twin::Config> for Config {
    type Error = TwinError;

    fn try_from(config: twin::Config) -> Result<Self, TwinError> {
        let port = u16::try_from(config.listen_port);
        Ok(Self {
            agent: config.agent,
            listen_port: port.map_err(|_| TwinError::OutOfRange("listen_port"))?,
            peers_max: config.peers_max as usize,
            dials_max: config.dials_max as usize,
            upload_slots: config.upload_slots as usize,
            optimistic_slots: config.optimistic_slots as usize,
        })
    }
}

fn block(block: Option<scheduler::v1::Block>) -> Result<Block, TwinError> {
    block.map(Block::from).ok_or(TwinError::Missing("block"))
}

/// Through the bytes of the wire, which have one form only.
fn frame_twin(frame: &Frame) -> Option<wire::v1::Frame> {
    let mut buffer = BytesMut::new();
    encode_frame(frame, &mut buffer);
    wire::v1::Frame::decode_length_delimited(buffer.freeze()).ok()
}

fn frame(frame: Option<wire::v1::Frame>) -> Result<Frame, TwinError> {
    let frame = frame.ok_or(TwinError::Missing("frame"))?;
    let mut buffer = BytesMut::from(frame.encode_length_delimited_to_vec().as_slice());
    decode_frame(&mut buffer)?.ok_or(TwinError::Missing("frame"))
}

fn address(address: Option<wire::v1::SocketAddress>) -> Result<SocketAddr, TwinError> {
    let address = address.ok_or(TwinError::Missing("address"))?;
    decode_address(&address).map_err(TwinError::OutOfRange)
}

fn peer_id(id: &[u8]) -> Result<PeerId, TwinError> {
    PeerId::try_from(id).map_err(|_| TwinError::OutOfRange("length of id"))
}

fn payload_twin(payload: &Bytes) -> twin::Payload {
    let length_bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    twin::Payload { length_bytes, fingerprint: fingerprint(payload).to_vec().into() }
}

fn payload(payload: Option<twin::Payload>) -> Result<Bytes, TwinError> {
    let payload = payload.ok_or(TwinError::Missing("payload"))?;
    if payload.length_bytes > BLOCK_LENGTH_MAX {
        return Err(TwinError::OutOfRange("length_bytes"));
    }
    if payload.fingerprint.len() != 16 {
        return Err(TwinError::OutOfRange("length of fingerprint"));
    }
    let repeated = payload.fingerprint.iter().copied().cycle();
    Ok(repeated.take(payload.length_bytes as usize).collect())
}

fn payloads(blocks: Vec<twin::Payload>) -> Result<Vec<Bytes>, TwinError> {
    blocks.into_iter().map(|block| payload(Some(block))).collect()
}

impl From<Misbehaviour> for twin::Misbehaviour {
    fn from(misbehaviour: Misbehaviour) -> Self {
        use twin::MisbehaviourKind as Kind;
        let (kind, number) = match misbehaviour {
            Misbehaviour::CorruptChunk(chunk) => (Kind::CorruptChunk, chunk.0),
            Misbehaviour::OutOfOrder => (Kind::OutOfOrder, 0),
            Misbehaviour::ChunkCount(count) => (Kind::ChunkCount, count),
            Misbehaviour::Bitfield => (Kind::Bitfield, 0),
            Misbehaviour::NoSuchBlock => (Kind::NoSuchBlock, 0),
            Misbehaviour::TooManyRequests => (Kind::TooManyRequests, 0),
            Misbehaviour::Unrequested => (Kind::Unrequested, 0),
            Misbehaviour::Flood => (Kind::Flood, 0),
        };
        Self { kind: kind.into(), number }
    }
}

impl TryFrom<twin::Misbehaviour> for Misbehaviour {
    type Error = TwinError;

    fn try_from(misbehaviour: twin::Misbehaviour) -> Result<Self, TwinError> {
        use twin::MisbehaviourKind as Kind;
        Ok(match misbehaviour.kind() {
            Kind::Unspecified => return Err(TwinError::OutOfRange("misbehaviour.kind")),
            Kind::CorruptChunk => Self::CorruptChunk(ChunkIndex(misbehaviour.number)),
            Kind::OutOfOrder => Self::OutOfOrder,
            Kind::ChunkCount => Self::ChunkCount(misbehaviour.number),
            Kind::Bitfield => Self::Bitfield,
            Kind::NoSuchBlock => Self::NoSuchBlock,
            Kind::TooManyRequests => Self::TooManyRequests,
            Kind::Unrequested => Self::Unrequested,
            Kind::Flood => Self::Flood,
        })
    }
}
