//! Content in files: one big one, and many small ones. Everything is in the page cache and nothing is made durable.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

use std::path::Path;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use peerit_benches::{content, file_manifest, folder_manifest};
use peerit_core::hash::HashAlgorithm;
use peerit_core::manifest::Manifest;
use peerit_core::store::{FileStore, OpenOptions, Store};
use tempfile::TempDir;

const FILE_LENGTH: usize = 64 << 20;
const FILE_COUNT: usize = 20_000;

/// What a download does with the disk, from nothing to all in place.
fn write_all(manifest: &Manifest, chunks: &[Bytes], folder: &Path) {
    let store = open(manifest, folder, false);
    for (chunk, bytes) in manifest.layout().chunks().zip(chunks) {
        let start = manifest.layout().chunk_start(chunk);
        store.write_chunk(chunk, start, std::slice::from_ref(bytes)).unwrap();
    }
    store.finish().unwrap();
}

fn open(manifest: &Manifest, folder: &Path, origin: bool) -> FileStore {
    let options = OpenOptions { folder: folder.into(), origin, ..OpenOptions::default() };
    FileStore::open(manifest, options, &|_| ()).unwrap().0
}

/// What a seed does with the disk: all of it, in blocks.
fn read_all(store: &FileStore, manifest: &Manifest, buffer: &mut [u8]) {
    for chunk in manifest.layout().chunks() {
        let block = manifest.layout().block(chunk, 0);
        store
            .read(manifest.layout().chunk_start(chunk), &mut buffer[..block.length as usize])
            .unwrap();
    }
}

fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    manifest: &Manifest,
    bytes: Vec<u8>,
) {
    let chunk_length = manifest.layout().chunk_length() as usize;
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    let bytes = Bytes::from(bytes);
    let chunks = (0..bytes.len()).step_by(chunk_length);
    let chunks: Vec<Bytes> =
        chunks.map(|start| bytes.slice(start..bytes.len().min(start + chunk_length))).collect();
    group.bench_function(format!("write/{name}"), |bencher| {
        let write = |folder: TempDir| {
            write_all(manifest, &chunks, folder.path());
            // Taken away when the clock has stopped.
            folder
        };
        bencher.iter_batched(|| tempfile::tempdir().unwrap(), write, BatchSize::PerIteration);
    });

    let folder = tempfile::tempdir().unwrap();
    write_all(manifest, &chunks, folder.path());
    group.bench_function(format!("open and check/{name}"), |bencher| {
        bencher.iter(|| open(manifest, folder.path(), true));
    });
    let (store, mut buffer) = (open(manifest, folder.path(), true), vec![0; chunk_length]);
    group.bench_function(format!("read/{name}"), |bencher| {
        bencher.iter(|| read_all(&store, manifest, &mut buffer));
    });
}

fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    let file = content(FILE_LENGTH);
    let manifest = file_manifest(&file, 256 << 10, HashAlgorithm::Blake3);
    measure(&mut group, "one file of 64 MiB", &manifest, file);
    let manifest = folder_manifest(FILE_COUNT);
    let length = usize::try_from(manifest.layout().length()).unwrap();
    measure(&mut group, "20,000 files of 4 KiB", &manifest, content(length));
    group.finish();
}

criterion::criterion_group!(benches, store);
criterion::criterion_main!(benches);
