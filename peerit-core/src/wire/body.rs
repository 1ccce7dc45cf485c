//! Frames as messages of the schema, with every limit checked on the way in.

use std::net::SocketAddr;

use peerit_proto::wire::v1::{self as proto, frame::Body};

use super::address::{decode_ip, encode_address};
use super::{Frame, Hello, WireError};
use crate::id::{ChunkIndex, Topic};
use crate::layout::{BLOCK_LENGTH_MAX, Block, CHUNK_COUNT_MAX, CHUNK_LENGTH_MAX};

/// Greatest length of [`Hello::agent`] in bytes.
pub const AGENT_LENGTH_MAX: usize = 64;
/// Most addresses of a [`Frame::PeerExchange`].
pub const PEER_EXCHANGE_MAX: usize = 50;

/// Most chunks of a [`Frame::Have`].
pub const HAVE_MAX: usize = 1_024;

/// Greatest length of a bitfield in bytes: one bit for each chunk a content can have.
const BITFIELD_LENGTH_MAX: usize = CHUNK_COUNT_MAX as usize / 8;
/// Greatest length of the encoded `Info` in bytes.
const MANIFEST_LENGTH_MAX: u32 = 64 << 20;
const _: () = assert!(MANIFEST_LENGTH_MAX as usize == crate::manifest::MANIFEST_LENGTH_MAX);

/// The schema's three fields of a block, in each of the messages that have them.
macro_rules! block_message {
    ($message:ident, $block:expr) => {{
        let Block { chunk, offset, length } = *$block;
        Body::$message(proto::$message {
            chunk: chunk.0,
            offset_bytes: offset,
            length_bytes: length,
        })
    }};
}

pub(super) fn encode(frame: &Frame) -> Option<Body> {
    Some(match frame {
        Frame::Knock { topic, proof } => Body::Knock(proto::Knock {
            topic: topic.0.to_vec().into(),
            proof: proof.to_vec().into(),
        }),
        Frame::Welcome { proof } => Body::Welcome(proto::Welcome { proof: proof.to_vec().into() }),
        Frame::Hello(hello) => Body::Hello(proto::Hello {
            agent: hello.agent.clone(),
            listen_port: hello.listen_port.into(),
            chunk_count: hello.chunk_count,
            complete: hello.complete,
        }),
        Frame::Bitfield(bits) => Body::Bitfield(proto::Bitfield { bits: bits.clone() }),
        Frame::Have(chunks) => {
            Body::Have(proto::Have { chunks: chunks.iter().map(|chunk| chunk.0).collect() })
        }
        &Frame::Interest(interested) => Body::Interest(proto::Interest { interested }),
        &Frame::Choke(choked) => Body::Choke(proto::Choke { choked }),
        Frame::Request(block) => block_message!(Request, block),
        Frame::Data(block) => block_message!(Data, block),
        Frame::Cancel(block) => block_message!(Cancel, block),
        Frame::Reject(block) => block_message!(Reject, block),
        Frame::PeerExchange(addresses) => Body::PeerExchange(proto::PeerExchange {
            addresses: addresses.iter().copied().map(encode_address).collect(),
        }),
        &Frame::ManifestRequest { offset, length } => {
            Body::ManifestRequest(proto::ManifestRequest {
                offset_bytes: offset,
                length_bytes: length,
            })
        }
        &Frame::ManifestData { offset, length, total_length } => {
            Body::ManifestData(proto::ManifestData {
                offset_bytes: offset,
                length_bytes: length,
                total_length_bytes: total_length,
            })
        }
        Frame::Unknown => return None,
    })
}

pub(super) fn decode(body: Option<Body>) -> Result<Frame, WireError> {
    let Some(body) = body else { return Ok(Frame::Unknown) };
    Ok(match body {
        Body::Knock(knock) => Frame::Knock {
            topic: Topic(array("length of knock.topic", &knock.topic)?),
            proof: array("length of knock.proof", &knock.proof)?,
        },
        Body::Welcome(welcome) => {
            Frame::Welcome { proof: array("length of welcome.proof", &welcome.proof)? }
        }
        Body::Hello(hello) => Frame::Hello(decode_hello(hello)?),
        Body::Bitfield(bitfield) => {
            check_length("length of bitfield.bits", bitfield.bits.len(), BITFIELD_LENGTH_MAX)?;
            Frame::Bitfield(bitfield.bits)
        }
        Body::Have(have) => decode_have(&have.chunks)?,
        Body::Interest(interest) => Frame::Interest(interest.interested),
        Body::Choke(choke) => Frame::Choke(choke.choked),
        Body::Request(r) => Frame::Request(block(r.chunk, r.offset_bytes, r.length_bytes)?),
        Body::Data(d) => Frame::Data(block(d.chunk, d.offset_bytes, d.length_bytes)?),
        Body::Cancel(c) => Frame::Cancel(block(c.chunk, c.offset_bytes, c.length_bytes)?),
        Body::Reject(r) => Frame::Reject(block(r.chunk, r.offset_bytes, r.length_bytes)?),
        Body::PeerExchange(exchange) => decode_peer_exchange(&exchange)?,
        Body::ManifestRequest(request) => decode_manifest_request(request)?,
        Body::ManifestData(data) => decode_manifest_data(data)?,
    })
}

fn decode_hello(hello: proto::Hello) -> Result<Hello, WireError> {
    check_length("length of hello.agent", hello.agent.len(), AGENT_LENGTH_MAX)?;
    check("hello.chunk_count", hello.chunk_count, 0, CHUNK_COUNT_MAX)?;
    Ok(Hello {
        agent: hello.agent,
        listen_port: port("hello.listen_port", hello.listen_port, 0)?,
        chunk_count: hello.chunk_count,
        complete: hello.complete,
    })
}

fn decode_have(chunks: &[u32]) -> Result<Frame, WireError> {
    check_length("count of have.chunks", chunks.len(), HAVE_MAX)?;
    let chunks = chunks.iter().map(|&chunk| decode_chunk("have.chunks", chunk));
    Ok(Frame::Have(chunks.collect::<Result<_, _>>()?))
}

fn decode_chunk(field: &'static str, chunk: u32) -> Result<ChunkIndex, WireError> {
    check(field, chunk, 0, CHUNK_COUNT_MAX - 1)?;
    Ok(ChunkIndex(chunk))
}

/// A block that can be in some content; whether it is in this one, the swarm knows.
fn block(chunk: u32, offset: u32, length: u32) -> Result<Block, WireError> {
    let chunk = decode_chunk("block.chunk", chunk)?;
    check("block.length_bytes", length, 1, BLOCK_LENGTH_MAX)?;
    check("block.offset_bytes", offset, 0, CHUNK_LENGTH_MAX - length)?;
    Ok(Block { chunk, offset, length })
}

fn decode_manifest_request(request: proto::ManifestRequest) -> Result<Frame, WireError> {
    let (offset, length) = (request.offset_bytes, request.length_bytes);
    check("manifest_request.length_bytes", length, 1, BLOCK_LENGTH_MAX)?;
    check("manifest_request.offset_bytes", offset, 0, MANIFEST_LENGTH_MAX - length)?;
    Ok(Frame::ManifestRequest { offset, length })
}

fn decode_manifest_data(data: proto::ManifestData) -> Result<Frame, WireError> {
    let (offset, length) = (data.offset_bytes, data.length_bytes);
    let total_length = data.total_length_bytes;
    check("manifest_data.length_bytes", length, 1, BLOCK_LENGTH_MAX)?;
    check("manifest_data.total_length_bytes", total_length, length, MANIFEST_LENGTH_MAX)?;
    check("manifest_data.offset_bytes", offset, 0, total_length - length)?;
    Ok(Frame::ManifestData { offset, length, total_length })
}

fn decode_peer_exchange(exchange: &proto::PeerExchange) -> Result<Frame, WireError> {
    let addresses = &exchange.addresses;
    check_length("count of peer_exchange.addresses", addresses.len(), PEER_EXCHANGE_MAX)?;
    Ok(Frame::PeerExchange(addresses.iter().map(decode_address).collect::<Result<_, _>>()?))
}

fn decode_address(address: &proto::SocketAddress) -> Result<SocketAddr, WireError> {
    let ip = match decode_ip(&address.ip) {
        Some(ip) => ip,
        None => array::<16>("length of address.ip", &address.ip)?.into(),
    };
    Ok(SocketAddr::new(ip, port("address.port", address.port, 1)?))
}

#[expect(clippy::cast_possible_truncation, reason = "checked the line before")]
fn port(field: &'static str, value: u32, min: u16) -> Result<u16, WireError> {
    check(field, value, min.into(), u16::MAX.into())?;
    Ok(value as u16)
}

fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], WireError> {
    let (value, length) = (bytes.len() as u64, N as u64);
    bytes.try_into().map_err(|_| WireError::OutOfRange { field, value, min: length, max: length })
}

fn check_length(field: &'static str, length: usize, max: usize) -> Result<(), WireError> {
    if length <= max {
        return Ok(());
    }
    Err(WireError::OutOfRange { field, value: length as u64, min: 0, max: max as u64 })
}

fn check(field: &'static str, value: u32, min: u32, max: u32) -> Result<(), WireError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let (value, min, max) = (value.into(), min.into(), max.into());
    Err(WireError::OutOfRange { field, value, min, max })
}
