//! Behaviour of the store as a whole.

#![allow(clippy::cast_possible_truncation, reason = "the contents are small")]

mod concurrency;
mod create;
mod existing;
mod faults;
mod links;
mod origin;
mod resume;
mod transfer;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::TempDir;

use crate::bitfield::Bitfield;
use crate::hash::HashAlgorithm;
use crate::id::ChunkIndex;
use crate::layout::CHUNK_LENGTH_MIN;
use crate::manifest::{Draft, DraftFile, EnvelopeFields, Manifest};

use super::record::BootId;
use super::{FileStore, OpenOptions, Store, StoreError};

const BOOT: Option<BootId> = Some([1; 16]);
const OTHER_BOOT: Option<BootId> = Some([2; 16]);
const CHUNK: usize = CHUNK_LENGTH_MIN as usize;

/// The manifest of a folder with these files, in chunks of 64 KiB. A file is a program when it is
/// named so.
pub(in crate::store) fn manifest_of(name: &str, files: &[(&str, &[u8])]) -> Manifest {
    let content: Vec<u8> = files.iter().flat_map(|(_, content)| content.to_vec()).collect();
    let digests = content
        .chunks(CHUNK)
        .flat_map(|chunk| HashAlgorithm::Blake3.digest(chunk).as_bytes().to_vec())
        .collect::<Vec<_>>();
    let lengths: Vec<_> =
        files.iter().map(|&(path, content)| (path, content.len() as u64)).collect();
    draft_of(name, &lengths).build(&digests, EnvelopeFields::default()).unwrap()
}

fn draft_of(name: &str, files: &[(&str, u64)]) -> Draft {
    let file = |&(path, length): &(&str, u64)| DraftFile {
        path: path.into(),
        length,
        executable: path.ends_with(".sh"),
    };
    Draft {
        name: name.into(),
        files: files.iter().map(file).collect(),
        empty_folders: Vec::new(),
        chunk_length: CHUNK_LENGTH_MIN,
        hash_algorithm: HashAlgorithm::Blake3,
    }
}

/// Bytes that no part of repeats.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    let mut reader = blake3::Hasher::new();
    reader.update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}

/// A content and a folder to download it to.
struct Fixture {
    manifest: Manifest,
    content: Vec<u8>,
    folder: TempDir,
}

impl Fixture {
    /// Content called "name" with files of these lengths, filled with noise.
    fn new(files: &[(&str, usize)]) -> Self {
        let files: Vec<(&str, Vec<u8>)> =
            (0..).zip(files).map(|(seed, &(path, length))| (path, noise(seed, length))).collect();
        let slices: Vec<_> =
            files.iter().map(|(path, content)| (*path, content.as_slice())).collect();
        Self {
            manifest: manifest_of("name", &slices),
            content: files.iter().flat_map(|(_, content)| content.clone()).collect(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn marker(&self) -> PathBuf {
        self.path("name.peerit-partial")
    }

    fn options(&self) -> OpenOptions {
        OpenOptions { folder: self.folder.path().into(), ..OpenOptions::default() }
    }

    fn stamped(&self) -> OpenOptions {
        OpenOptions { stamp_path: Some(self.path("stamp")), ..self.options() }
    }

    /// Opens in the usual boot; returns the store, the chunks held and how many bytes were hashed
    /// for that.
    fn open(&self) -> (FileStore, Vec<u32>, u64) {
        self.open_with(self.options(), BOOT).unwrap()
    }

    fn open_with(
        &self,
        options: OpenOptions,
        boot: Option<BootId>,
    ) -> Result<(FileStore, Vec<u32>, u64), StoreError> {
        let hashed = std::cell::Cell::new(0);
        let (store, held) =
            FileStore::open_in_boot(&self.manifest, options, boot, &|bytes| hashed.set(bytes))?;
        Ok((store, indices(&held), hashed.get()))
    }

    /// Writes these chunks, in blocks of odd lengths.
    fn write(&self, store: &FileStore, chunks: impl IntoIterator<Item = u32>) {
        for chunk in chunks {
            self.try_write(store, chunk).unwrap();
        }
    }

    fn try_write(&self, store: &FileStore, chunk: u32) -> Result<(), StoreError> {
        let layout = self.manifest.layout();
        let chunk = ChunkIndex(chunk);
        let start = layout.chunk_start(chunk) as usize;
        let content = &self.content[start..start + layout.length_of(chunk) as usize];
        let blocks: Vec<Bytes> = content.chunks(10_007).map(Bytes::copy_from_slice).collect();
        store.write_chunk(chunk, start as u64, &blocks)
    }

    fn all(&self) -> std::ops::Range<u32> {
        0..self.manifest.layout().chunk_count()
    }

    /// Downloads everything at once.
    fn fill(&self) {
        let (store, _, _) = self.open_with(self.stamped(), BOOT).unwrap();
        self.write(&store, self.all());
        store.finish().unwrap();
    }

    /// Puts the complete content into the folder, as a user would.
    fn put(&self) {
        for file in self.manifest.files() {
            let path = self.path("name").join(&file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let start = file.offset as usize;
            fs::write(path, &self.content[start..start + file.length as usize]).unwrap();
        }
    }

    /// Every file of the folder is as it must be.
    fn assert_complete(&self) {
        for file in self.manifest.files() {
            let start = file.offset as usize;
            let found = fs::read(self.path("name").join(&file.path)).unwrap();
            assert!(found == self.content[start..start + file.length as usize], "{}", file.path);
        }
        assert!(!self.marker().exists());
    }
}

fn indices(held: &Bitfield) -> Vec<u32> {
    held.iter().map(|chunk| chunk.0).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Sets when a file was last written to, so that tests need not wait for clocks.
fn set_mtime(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Changes one byte in a file.
fn flip(path: &Path, position: usize) {
    let mut content = fs::read(path).unwrap();
    content[position] ^= 1;
    fs::write(path, content).unwrap();
}
