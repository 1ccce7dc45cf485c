//! A chunk's way from one disk to another: each stage alone, and all of them.
//!
//! One thread, 64 chunks of 1 MiB in blocks of 256 KiB. Files are read from and written to the page cache; nothing is
//! made durable.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

use std::fs;
use std::hint::black_box;
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use futures_lite::future::{block_on, zip};
use peerit_benches::{ALGORITHMS, content, file_manifest};
use peerit_core::hash::HashAlgorithm;
use peerit_core::id::{ChunkIndex, PeerId};
use peerit_core::layout::{Block, Layout};
use peerit_core::manifest::Manifest;
use peerit_core::store::{FileStore, OpenOptions, Store};
use peerit_core::transport::memory::MemoryNetwork;
use peerit_core::transport::{FrameReader, FrameWriter, Transport, framed};
use peerit_core::wire::{Frame, decode_frame, encode_frame};
use tempfile::TempDir;

const CHUNK_LENGTH: u32 = 1 << 20;
const CONTENT_LENGTH: usize = 64 << 20;

/// Content, and the store of a peer that shares it.
struct Source {
    content: Bytes,
    layout: Layout,
    store: FileStore,
    _folder: TempDir,
}

/// The store of a peer that downloads the content; new for every run, as a chunk is written once.
struct Target {
    store: FileStore,
    _folder: TempDir,
}

impl Source {
    fn new() -> Self {
        let content = Bytes::from(content(CONTENT_LENGTH));
        let manifest = file_manifest(&content, CHUNK_LENGTH, HashAlgorithm::Blake3);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(manifest.name()), &content).unwrap();
        let options =
            OpenOptions { folder: folder.path().into(), origin: true, ..OpenOptions::default() };
        let (store, held) = FileStore::open(&manifest, options, &|_| ()).unwrap();
        assert!(held.is_full());
        Self { content, layout: manifest.layout(), store, _folder: folder }
    }

    fn manifest(&self, algorithm: HashAlgorithm) -> Manifest {
        file_manifest(&self.content, CHUNK_LENGTH, algorithm)
    }

    /// All blocks of all chunks.
    fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.layout.chunks().flat_map(|chunk| self.blocks_of(chunk))
    }

    fn blocks_of(&self, chunk: ChunkIndex) -> impl Iterator<Item = Block> + '_ {
        (0..self.layout.block_count(chunk)).map(move |number| self.layout.block(chunk, number))
    }

    /// The payload of a block, without a read or a copy.
    fn payload(&self, block: Block) -> Bytes {
        let start = usize::try_from(self.start(block)).unwrap();
        self.content.slice(start..start + block.length as usize)
    }

    fn chunk(&self, chunk: ChunkIndex) -> Vec<Bytes> {
        self.blocks_of(chunk).map(|block| self.payload(block)).collect()
    }

    fn start(&self, block: Block) -> u64 {
        self.layout.chunk_start(block.chunk) + u64::from(block.offset)
    }

    fn read(&self, block: Block) -> Vec<u8> {
        let mut payload = vec![0; block.length as usize];
        self.store.read(self.start(block), &mut payload).unwrap();
        payload
    }
}

impl Target {
    fn new(manifest: &Manifest) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions { folder: folder.path().into(), ..OpenOptions::default() };
        let (store, held) = FileStore::open(manifest, options, &|_| ()).unwrap();
        assert!(held.is_empty());
        Self { store, _folder: folder }
    }
}

/// What the sender puts on the wire for a block.
fn frame(block: Block, payload: &[u8], wire: &mut BytesMut) {
    encode_frame(&Frame::Data(block), wire);
    wire.extend_from_slice(payload);
}

/// The block at the start of `wire`, in memory of its own.
fn parse(wire: &mut BytesMut) -> (Block, Bytes) {
    let Some(Frame::Data(block)) = decode_frame(wire).unwrap() else { unreachable!() };
    let length = block.length as usize;
    let payload = Bytes::copy_from_slice(&wire[..length]);
    wire.advance(length);
    (block, payload)
}

fn stages(criterion: &mut Criterion) {
    let source = Source::new();
    let mut group = criterion.benchmark_group("chunk_pipeline");
    group.throughput(Throughput::Bytes(CONTENT_LENGTH as u64)).sample_size(20);
    read(&mut group, &source);
    hash(&mut group, &source);
    frame_and_parse(&mut group, &source);
    connection(&mut group, &source);
    verify(&mut group, &source);
    write(&mut group, &source);
    all(&mut group, &source);
}

fn read(group: &mut BenchmarkGroup<'_, WallTime>, source: &Source) {
    group.bench_function("read", |bencher| {
        bencher.iter(|| source.blocks().for_each(|block| drop(black_box(source.read(block)))));
    });
}

/// As when a manifest is made, on one core.
fn hash(group: &mut BenchmarkGroup<'_, WallTime>, source: &Source) {
    for algorithm in ALGORITHMS {
        group.bench_function(format!("hash/{algorithm}"), |bencher| {
            bencher.iter(|| {
                for chunk in source.content.chunks(CHUNK_LENGTH as usize) {
                    black_box(algorithm.digest(chunk));
                }
            });
        });
    }
}

fn frame_and_parse(group: &mut BenchmarkGroup<'_, WallTime>, source: &Source) {
    let mut wire = BytesMut::new();
    group.bench_function("frame", |bencher| {
        bencher.iter(|| {
            for block in source.blocks() {
                wire.clear();
                frame(block, &source.payload(block), black_box(&mut wire));
            }
        });
    });
    group.bench_function("parse", |bencher| {
        let framed = || {
            let mut wire = BytesMut::with_capacity(CONTENT_LENGTH + CONTENT_LENGTH / 64);
            source.blocks().for_each(|block| frame(block, &source.payload(block), &mut wire));
            wire
        };
        let parse_all = |mut wire: BytesMut| {
            source.blocks().for_each(|_| drop(black_box(parse(&mut wire))));
            wire
        };
        bencher.iter_batched(framed, parse_all, BatchSize::PerIteration);
    });
}

/// Framed, passed through the pipe of the memory transport and parsed by the code that does it on a socket.
fn connection(group: &mut BenchmarkGroup<'_, WallTime>, source: &Source) {
    let (mut writer, mut reader) = block_on(connect());
    group.bench_function("connection in memory", |bencher| {
        bencher.iter(|| {
            let send = async {
                for block in source.blocks() {
                    let payload = source.payload(block);
                    writer.send_with_payload(&Frame::Data(block), &payload).await.unwrap();
                }
                writer.flush().await.unwrap();
            };
            let receive = async {
                for _ in source.blocks() {
                    black_box(reader.next().await.unwrap());
                }
            };
            block_on(zip(send, receive));
        });
    });
}

async fn connect() -> (FrameWriter, FrameReader) {
    let network = MemoryNetwork::new();
    let peer = |number: u8| {
        let address = SocketAddr::from(([198, 51, 100, number], 6_881));
        (address, network.transport(PeerId([number; 32]), address).unwrap())
    };
    let ((_, here), (address, there)) = (peer(1), peer(2));
    let (dialled, incoming) = zip(here.dial(address), there.accept()).await;
    let answered = incoming.unwrap().handshake.await.unwrap();
    (framed(dialled.unwrap().stream).1, framed(answered.stream).0)
}

/// As when a chunk has come.
fn verify(group: &mut BenchmarkGroup<'_, WallTime>, source: &Source) {
    for algorithm in ALGORITHMS {
        let manifest = source.manifest(algorithm);
        group.bench_function(format!("verify/{algorithm}"), |bencher| {
            bencher.iter(|| {
                for chunk in source.layout.chunks() {
                    assert!(manifest.matches(chunk, &source.chunk(chunk)));
                }
            });
        });
    }
}

fn write(group: &mut BenchmarkGroup<'_, WallTime>, source: &Source) {
    let manifest = source.manifest(HashAlgorithm::Blake3);
    group.bench_function("write", |bencher| {
        let write_all = |target: Target| {
            for chunk in source.layout.chunks() {
                let start = source.layout.chunk_start(chunk);
                target.store.write_chunk(chunk, start, &source.chunk(chunk)).unwrap();
            }
            // Taken away when the clock has stopped.
            target
        };
        bencher.iter_batched(|| Target::new(&manifest), write_all, BatchSize::PerIteration);
    });
}

fn all(group: &mut BenchmarkGroup<'_, WallTime>, source: &Source) {
    for algorithm in ALGORITHMS {
        let manifest = source.manifest(algorithm);
        group.bench_function(format!("all/{algorithm}"), |bencher| {
            let mut wire = BytesMut::new();
            let transfer = |target: Target| {
                for chunk in source.layout.chunks() {
                    let pass = |block| {
                        frame(block, &source.read(block), &mut wire);
                        parse(&mut wire).1
                    };
                    let blocks: Vec<_> = source.blocks_of(chunk).map(pass).collect();
                    assert!(manifest.matches(chunk, &blocks));
                    let start = source.layout.chunk_start(chunk);
                    target.store.write_chunk(chunk, start, &blocks).unwrap();
                }
                target
            };
            bencher.iter_batched(|| Target::new(&manifest), transfer, BatchSize::PerIteration);
        });
    }
}

criterion::criterion_group!(benches, stages);
criterion::criterion_main!(benches);
