//! Frames there and back, cut anywhere, and bytes that are none.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use peerit_proto::{Message, wire::v1 as proto};
use proptest::prelude::*;

use super::*;
use crate::id::{ChunkIndex, Topic};
use crate::layout::Block;

const BLOCK: Block = Block { chunk: ChunkIndex(65_535), offset: 16_515_072, length: 262_144 };

fn one_of_each() -> Vec<Frame> {
    let addresses: [SocketAddr; 2] =
        ["1.2.3.4:5".parse().unwrap(), "[2001:db8::1]:65535".parse().unwrap()];
    vec![
        Frame::Knock { topic: Topic([1; 32]), proof: [2; 32] },
        Frame::Welcome { proof: [3; 32] },
        Frame::Hello(Hello {
            agent: "a".repeat(64),
            listen_port: 65_535,
            chunk_count: 65_536,
            complete: true,
        }),
        Frame::Bitfield(Bytes::from(vec![0xff; 8_192])),
        Frame::Have(vec![ChunkIndex(65_535); HAVE_MAX]),
        Frame::Interest(true),
        Frame::Interest(false),
        Frame::Choke(true),
        Frame::Request(BLOCK),
        Frame::Data(BLOCK),
        Frame::Cancel(BLOCK),
        Frame::Reject(BLOCK),
        Frame::PeerExchange(addresses.repeat(25)),
        Frame::ManifestRequest { offset: (64 << 20) - 262_144, length: 262_144 },
        Frame::ManifestData { offset: 7, length: 1, total_length: 8 },
        Frame::Unknown,
    ]
}

fn encoded(frames: &[Frame]) -> BytesMut {
    let mut buffer = BytesMut::new();
    frames.iter().for_each(|frame| encode_frame(frame, &mut buffer));
    buffer
}

/// A message of the schema as a frame on the wire, whatever its limits.
fn on_the_wire(body: proto::frame::Body) -> Vec<u8> {
    proto::Frame { body: Some(body) }.encode_length_delimited_to_vec()
}

fn refusal(bytes: &[u8]) -> String {
    peek_frame(bytes).unwrap_err().to_string()
}

#[test]
fn every_frame_survives_the_wire() {
    let frames = one_of_each();
    let mut buffer = encoded(&frames);
    let decoded: Vec<_> =
        std::iter::from_fn(|| decode_frame(&mut buffer).unwrap()).take(frames.len()).collect();
    assert_eq!(decoded, frames);
    assert!(buffer.is_empty());
}

#[test]
fn a_frame_split_anywhere_is_one_frame() {
    for frame in one_of_each() {
        let whole = encoded(std::slice::from_ref(&frame));
        for split in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..split]);
            assert_eq!(decode_frame(&mut buffer), Ok(None));
            assert_eq!(buffer, whole[..split], "an incomplete frame stays");
            buffer.extend_from_slice(&whole[split..]);
            assert_eq!(decode_frame(&mut buffer), Ok(Some(frame.clone())));
        }
    }
}

#[test]
fn only_data_has_a_payload() {
    let lengths: Vec<_> = one_of_each().iter().map(Frame::payload_length).collect();
    assert_eq!(lengths, [0, 0, 0, 0, 0, 0, 0, 0, 0, 262_144, 0, 0, 0, 0, 1, 0]);
}

#[test]
fn a_hostile_length_is_refused_before_its_body() {
    assert_eq!(peek_frame(&[0x81, 0x80, 0x04]), Err(WireError::FrameTooLong(65_537)));
    assert_eq!(peek_frame(&[0xff, 0xff, 0x7f]), Err(WireError::FrameTooLong(2_097_151)));
    assert_eq!(peek_frame(&[0xff, 0xff, 0xff]), Err(WireError::LengthPrefix));
    assert_eq!(peek_frame(&[0x80, 0x80, 0x04]), Ok(None), "65,536 bytes are allowed");
    assert_eq!(peek_frame(&[0xff, 0xff]), Ok(None));
}

#[test]
fn an_unknown_body_is_told_from_a_broken_one() {
    // Field 1000, a string; then a lone tag without its value.
    assert_eq!(peek_frame(&[5, 0xc2, 0x3e, 2, b'h', b'i', 9]), Ok(Some((Frame::Unknown, 6))));
    assert_eq!(peek_frame(&[1, 0x0a]), Err(WireError::Malformed));
}

#[test]
fn limits_are_named() {
    use proto::frame::Body;
    let request = |chunk, offset_bytes, length_bytes| {
        refusal(&on_the_wire(Body::Request(proto::Request { chunk, offset_bytes, length_bytes })))
    };
    assert_eq!(request(65_536, 0, 1), "block.chunk is 65536, not 0 to 65535");
    assert_eq!(request(0, 0, 0), "block.length_bytes is 0, not 1 to 262144");
    assert_eq!(request(0, 0, 262_145), "block.length_bytes is 262145, not 1 to 262144");
    assert_eq!(request(0, 16 << 20, 1), "block.offset_bytes is 16777216, not 0 to 16777215");
    assert_eq!(request(0, u32::MAX, 1), "block.offset_bytes is 4294967295, not 0 to 16777215");

    let hello = |agent: String, listen_port, chunk_count| {
        let complete = false;
        let hello = proto::Hello { agent, listen_port, chunk_count, complete };
        refusal(&on_the_wire(Body::Hello(hello)))
    };
    assert_eq!(hello("a".repeat(65), 0, 0), "length of hello.agent is 65, not 0 to 64");
    assert_eq!(hello(String::new(), 65_536, 0), "hello.listen_port is 65536, not 0 to 65535");
    assert_eq!(hello(String::new(), 0, 65_537), "hello.chunk_count is 65537, not 0 to 65536");

    let bits = Bytes::from(vec![0; 8_193]);
    let bitfield = on_the_wire(Body::Bitfield(proto::Bitfield { bits }));
    assert_eq!(refusal(&bitfield), "length of bitfield.bits is 8193, not 0 to 8192");
    let have = on_the_wire(Body::Have(proto::Have { chunks: vec![0, 65_536] }));
    assert_eq!(refusal(&have), "have.chunks is 65536, not 0 to 65535");
    let have = on_the_wire(Body::Have(proto::Have { chunks: vec![0; 1_025] }));
    assert_eq!(refusal(&have), "count of have.chunks is 1025, not 0 to 1024");
    let welcome = on_the_wire(Body::Welcome(proto::Welcome { proof: Bytes::from_static(b"31") }));
    assert_eq!(refusal(&welcome), "length of welcome.proof is 2, not 32 to 32");
}

#[test]
fn limits_of_addresses_and_manifests_are_named() {
    use proto::frame::Body;
    let exchange = |ip_length: usize, port, count| {
        let address = proto::SocketAddress { ip: vec![1; ip_length].into(), port };
        let addresses = vec![address; count];
        refusal(&on_the_wire(Body::PeerExchange(proto::PeerExchange { addresses })))
    };
    assert_eq!(exchange(4, 1, 51), "count of peer_exchange.addresses is 51, not 0 to 50");
    assert_eq!(exchange(5, 1, 1), "length of address.ip is 5, not 16 to 16");
    assert_eq!(exchange(4, 0, 1), "address.port is 0, not 1 to 65535");
    assert_eq!(exchange(16, 65_536, 1), "address.port is 65536, not 1 to 65535");

    let ask = |offset_bytes, length_bytes| {
        let body = Body::ManifestRequest(proto::ManifestRequest { offset_bytes, length_bytes });
        refusal(&on_the_wire(body))
    };
    assert_eq!(ask(0, 262_145), "manifest_request.length_bytes is 262145, not 1 to 262144");
    assert_eq!(ask(64 << 20, 1), "manifest_request.offset_bytes is 67108864, not 0 to 67108863");

    let data = |offset_bytes, length_bytes, total_length_bytes| {
        let data = proto::ManifestData { offset_bytes, length_bytes, total_length_bytes };
        refusal(&on_the_wire(Body::ManifestData(data)))
    };
    assert_eq!(data(0, 0, 9), "manifest_data.length_bytes is 0, not 1 to 262144");
    assert_eq!(data(0, 9, 8), "manifest_data.total_length_bytes is 8, not 9 to 67108864");
    assert_eq!(data(1, 8, 8), "manifest_data.offset_bytes is 1, not 0 to 0");
    assert_eq!(
        data(0, 1, (64 << 20) + 1),
        "manifest_data.total_length_bytes is 67108865, not 1 to 67108864"
    );
}

fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    // Half the time a correct prefix, so that the bodies are reached as well.
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    (any::<bool>(), body).prop_map(|(framed, mut body)| {
        if framed {
            let mut bytes = Vec::new();
            put_length(body.len(), &mut bytes);
            bytes.append(&mut body);
            bytes
        } else {
            body
        }
    })
}

fn put_length(length: usize, bytes: &mut Vec<u8>) {
    bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
    bytes.push(u8::try_from(length >> 7).unwrap());
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_or_refused(bytes in hostile_bytes()) {
        let mut buffer = BytesMut::from(bytes.as_slice());
        while let Ok(Some(frame)) = decode_frame(&mut buffer) {
            prop_assert!(frame.payload_length() <= crate::layout::BLOCK_LENGTH_MAX);
            // What was taken in is within the limits, so it goes out and in again.
            let mut again = encoded(std::slice::from_ref(&frame));
            prop_assert_eq!(decode_frame(&mut again), Ok(Some(frame)));
        }
        prop_assert!(buffer.len() <= bytes.len());
    }

    #[test]
    fn a_damaged_frame_never_waits_for_more_than_the_limit(
        index in 0usize..16, at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let mut bytes = encoded(&one_of_each()[index..=index]);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        bytes.resize(LENGTH_PREFIX_MAX + FRAME_LENGTH_MAX, 0);
        prop_assert!(!matches!(peek_frame(&bytes), Ok(None)));
    }
}
