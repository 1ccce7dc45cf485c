//! What the benches share: content, and manifests of it.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

use peerit_core::hash::HashAlgorithm;
use peerit_core::manifest::{Draft, DraftFile, EnvelopeFields, Manifest};
use peerit_core::rng::Rng;

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
