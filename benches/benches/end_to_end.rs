//! Whole transfers: two nodes in this process, over loopback, from disk to disk.
//!
//! Files, TLS, verification and scheduling as in the program; only tracker and daemon are left out. From the moment of
//! the call until all content is verified and in place. Prints the CPU time of both nodes for each GiB beside criterion's figures.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use futures_lite::future::block_on;
use peerit_benches::{CpuPerGib, content};
use peerit_core::manifest::Manifest;
use peerit_core::node::{DownloadOptions, Node, ShareOptions};
use tempfile::TempDir;

const FILE_LENGTH: usize = 256 << 20;
const FILE_COUNT: usize = 2_000;
const SMALL_LENGTH: usize = 4 << 10;

/// A node that seeds, and what others need to have the content from it.
struct Seed {
    node: Node,
    manifest: Manifest,
    _folder: TempDir,
}

impl Seed {
    fn new(write: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("content");
        write(&path);
        let node = start();
        let share = block_on(node.share(&path, ShareOptions::default())).unwrap();
        let manifest = share.manifest().unwrap().clone();
        Self { node, manifest, _folder: folder }
    }

    /// A node that has nothing yet downloads everything.
    fn download(&self, leech: Leech) -> Leech {
        let peers = vec![([127, 0, 0, 1], self.node.listen_port()).into()];
        let options = DownloadOptions { peers, ..DownloadOptions::default() };
        block_on(async {
            let download = leech
                .node
                .download(self.manifest.clone(), leech.folder.path(), options)
                .await
                .unwrap();
            download.completed().await.unwrap();
        });
        // Ended when the clock has stopped.
        leech
    }
}

/// A node that downloads into a folder of its own.
struct Leech {
    node: Node,
    folder: TempDir,
}

impl Drop for Leech {
    fn drop(&mut self) {
        // Without that it goes on, as one more peer for those after it.
        block_on(self.node.shutdown());
    }
}

fn start() -> Node {
    block_on(Node::builder().listen(([127, 0, 0, 1], 0).into()).start()).unwrap()
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, seed: &Seed) {
    let length = seed.manifest.layout().length();
    group.throughput(Throughput::Bytes(length));
    let mut cpu = CpuPerGib::default();
    group.bench_function(name, |bencher| {
        let leech = || Leech { node: start(), folder: tempfile::tempdir().unwrap() };
        let download = |leech| cpu.measure(length, || seed.download(leech));
        bencher.iter_batched(leech, download, BatchSize::PerIteration);
    });
    cpu.print(name);
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("end_to_end");
    group.sample_size(10).measurement_time(Duration::from_secs(15));
    let file = Seed::new(|path| fs::write(path, content(FILE_LENGTH)).unwrap());
    measure(&mut group, "one file of 256 MiB", &file);
    let folder = Seed::new(|path| {
        fs::create_dir(path).unwrap();
        for (index, bytes) in content(FILE_COUNT * SMALL_LENGTH).chunks(SMALL_LENGTH).enumerate() {
            fs::write(path.join(format!("{index:06}")), bytes).unwrap();
        }
    });
    measure(&mut group, "2,000 files of 4 KiB", &folder);
    group.finish();
    criterion.final_summary();
}
