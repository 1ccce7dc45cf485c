//! Frames to bytes and back.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

use std::hint::black_box;
use std::net::SocketAddr;

use bytes::BytesMut;
use criterion::{Criterion, Throughput};
use peerit_core::id::ChunkIndex;
use peerit_core::layout::{BLOCK_LENGTH_MAX, Block, CHUNK_COUNT_MAX};
use peerit_core::wire::{Frame, encode_frame, peek_frame};

/// The frames of a transfer, from the commonest.
fn frames() -> [(&'static str, Frame); 5] {
    let block = Block { chunk: ChunkIndex(40_000), offset: 768 << 10, length: BLOCK_LENGTH_MAX };
    let address = |host| SocketAddr::from(([198, 51, 100, host], 6_881));
    [
        ("data header", Frame::Data(block)),
        ("request", Frame::Request(block)),
        ("have", Frame::Have(vec![block.chunk])),
        ("bitfield of 8 KiB", Frame::Bitfield(vec![0xa5; CHUNK_COUNT_MAX as usize / 8].into())),
        ("50 addresses", Frame::PeerExchange((0..50).map(address).collect())),
    ]
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire/encode");
    for (name, frame) in frames() {
        let mut buffer = BytesMut::new();
        encode_frame(&frame, &mut buffer);
        group.throughput(Throughput::Bytes(buffer.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                buffer.clear();
                encode_frame(black_box(&frame), &mut buffer);
            });
        });
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire/decode");
    for (name, frame) in frames() {
        let mut buffer = BytesMut::new();
        encode_frame(&frame, &mut buffer);
        group.throughput(Throughput::Bytes(buffer.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| peek_frame(black_box(&buffer)).unwrap());
        });
    }
}

criterion::criterion_group!(benches, encode, decode);
criterion::criterion_main!(benches);
