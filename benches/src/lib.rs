//! What the benches share: content, manifests of it, and the CPU time of what is measured.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

use std::time::Duration;

use peerit_core::hash::HashAlgorithm;
use peerit_core::manifest::{Draft, DraftFile, EnvelopeFields, Manifest};
use peerit_core::rng::Rng;
use rustix::time::{ClockId, clock_gettime};

/// Both algorithms, to measure one after the other.
pub const ALGORITHMS: [HashAlgorithm; 2] = [HashAlgorithm::Blake3, HashAlgorithm::Sha1];

/// `length` bytes that look random and are always the same.
#[must_use]
pub fn content(length: usize) -> Vec<u8> {
    let mut rng = Rng::from_seed(1);
    std::iter::repeat_with(|| rng.next_u64().to_le_bytes()).flatten().take(length).collect()
}

/// The manifest of a single file `content.bin`.
#[must_use]
pub fn file_manifest(content: &[u8], chunk_length: u32, algorithm: HashAlgorithm) -> Manifest {
    let file = DraftFile { path: String::new(), length: content.len() as u64, executable: false };
    manifest("content.bin", vec![file], content, chunk_length, algorithm)
}

/// The manifest of a folder of `count` files of 4 KiB in subfolders of 100.
#[must_use]
pub fn folder_manifest(count: usize) -> Manifest {
    const LENGTH: usize = 4 << 10;
    let path = |file| format!("photographs/{:04}/picture-{file:06}.jpg", file / 100);
    let file = |file| DraftFile { path: path(file), length: LENGTH as u64, executable: false };
    let files = (0..count).map(file).collect();
    manifest("folder", files, &content(count * LENGTH), 64 << 10, HashAlgorithm::Blake3)
}

fn manifest(
    name: &str,
    files: Vec<DraftFile>,
    content: &[u8],
    chunk_length: u32,
    hash_algorithm: HashAlgorithm,
) -> Manifest {
    let empty_folders = Vec::new();
    let draft = Draft { name: name.into(), files, empty_folders, chunk_length, hash_algorithm };
    let chunks = content.chunks(chunk_length as usize);
    let digests: Vec<_> =
        chunks.flat_map(|chunk| hash_algorithm.digest(chunk).as_bytes().to_vec()).collect();
    draft.build(&digests, EnvelopeFields::default()).unwrap()
}

/// CPU time of this process for what it moved: less noisy than time where others use the machine too.
#[derive(Default)]
pub struct CpuPerGib {
    spent: Duration,
    moved: u64,
}

impl CpuPerGib {
    /// Adds the CPU time of `work`, which moves `length` bytes.
    pub fn measure<T>(&mut self, length: u64, work: impl FnOnce() -> T) -> T {
        let before = cpu_time();
        let output = work();
        self.spent += cpu_time() - before;
        self.moved += length;
        output
    }

    /// Prints the mean of all that was measured, if anything was.
    pub fn print(&self, name: &str) {
        if self.moved > 0 {
            let gib = self.moved as f64 / f64::from(1 << 30);
            println!("{name}: {:.2} CPU-seconds for each GiB", self.spent.as_secs_f64() / gib);
        }
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}
