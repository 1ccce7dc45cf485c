//! The `.p2p` file: made from content, read, written.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

use std::fs;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use peerit_benches::{ALGORITHMS, content, folder_manifest};
use peerit_core::manifest::Manifest;
use peerit_core::store::create::{CreateOptions, create_manifest};

const CONTENT_LENGTH: usize = 256 << 20;
const FILE_COUNT: usize = 20_000;

/// The file was just written, so it is read from the page cache.
fn create(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content.bin");
    fs::write(&path, content(CONTENT_LENGTH)).unwrap();
    let mut group = criterion.benchmark_group("manifest/create 256 MiB on all cores");
    group.throughput(Throughput::Bytes(CONTENT_LENGTH as u64)).sample_size(20);
    for hash_algorithm in ALGORITHMS {
        let options = CreateOptions { hash_algorithm, ..CreateOptions::default() };
        group.bench_function(hash_algorithm.to_string(), |bencher| {
            bencher.iter(|| create_manifest(&path, &options, &|_, _| ()).unwrap());
        });
    }
}

fn parse_and_encode(criterion: &mut Criterion) {
    let manifest = folder_manifest(FILE_COUNT);
    let bytes = manifest.encode();
    let mut group = criterion.benchmark_group("manifest/of 20,000 files");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Manifest::parse(black_box(&bytes)).unwrap());
    });
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(&manifest).encode()));
}

criterion::criterion_group!(benches, create, parse_and_encode);
criterion::criterion_main!(benches);
