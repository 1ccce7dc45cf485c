//! Comparing what lies on disk with a manifest.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bitfield::Bitfield;
use crate::id::ChunkIndex;
use crate::layout::Layout;
use crate::manifest::{FileEntry, Manifest};

use super::beneath::{Beneath, Found};
use super::check::{chunks_of, digest_chunks};
use super::content::ContentFiles;
use super::error::StoreError;
use super::locate::locate;
use super::resume::{Evidence, plan};
use super::survey::{Survey, path_inside};

/// What of a content is on disk.
#[derive(Debug)]
pub struct VerifyReport {
    /// The chunks that match.
    pub held: Bitfield,
    /// Files and empty folders that are not as the manifest says, files first, in its order.
    pub bad_files: Vec<BadFile>,
}

impl VerifyReport {
    /// Whether everything is as the manifest says.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.held.is_full() && self.bad_files.is_empty()
    }
}

/// A file, or an empty folder, that is not as the manifest says.
#[derive(Debug)]
pub struct BadFile {
    /// Where it is, or should be.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: BadReason,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum BadReason {
    /// It is not there.
    Missing,
    /// It has another length than it must have.
    Length {
        /// The length it must have, in bytes.
        expected: u64,
        /// The length it has, in bytes.
        actual: u64,
    },
    /// Something else is in its place.
    Unfit(StoreError),
    /// It cannot be read, or changes while it is.
    Unreadable(StoreError),
    /// This many chunks that it is in do not match. A chunk can be in several files, of which then
    /// any may be the cause.
    Differs {
        /// How many.
        chunks: usize,
    },
    /// It shares chunks with files that are bad, so that its own part of them cannot be checked;
    /// all others match.
    Unknown,
}

impl fmt::Display for BadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Length { expected, actual } => write!(f, "{actual} bytes instead of {expected}"),
            Self::Unfit(error) | Self::Unreadable(error) => error.fmt(f),
            Self::Differs { chunks: 1 } => f.write_str("differs in 1 chunk"),
            Self::Differs { chunks } => write!(f, "differs in {chunks} chunks"),
            Self::Unknown => f.write_str("cannot be checked without its neighbours"),
        }
    }
}

/// Hashes the file or folder at `path`, whatever its name, on all cores, and compares. `progress`
/// is told, on this thread, how many bytes are hashed so far. Memory as in
/// [`create`](super::create::create).
///
/// # Errors
/// When the folder that `path` is in cannot be opened, or no thread be started. What is wrong with
/// files is in the report.
pub fn verify(
    manifest: &Manifest,
    path: &Path,
    progress: &dyn Fn(u64),
) -> Result<VerifyReport, StoreError> {
    let (folder, name) = locate(path)?;
    let root = Beneath::open(&folder)?;
    let survey = Survey::of(manifest, &root, &name);
    let chunks = plan(manifest, &survey, Evidence::Nothing).doubtful;
    let content = ContentFiles::new(manifest, root, name, &survey, Arc::default());
    let mut hashed = hash(&content, &chunks, progress)?;
    let files = manifest.files().iter().zip(survey.into_found()).enumerate();
    let bad = files.filter_map(|(index, (file, found))| {
        let path = content.path(index);
        let reason = why_bad(file, found, content.layout(), &mut hashed, &path)?;
        Some(BadFile { path, reason })
    });
    let bad_folders = manifest.empty_folders().iter().filter_map(|folder| {
        let path = path_inside(content.name(), folder);
        let reason = match content.root().has_folder(&path) {
            Ok(true) => return None,
            Ok(false) => BadReason::Missing,
            Err(error) => BadReason::Unfit(error),
        };
        Some(BadFile { path: content.root().full(&path), reason })
    });
    let bad_files = bad.chain(bad_folders).collect();
    Ok(VerifyReport { held: hashed.held, bad_files })
}

/// What came of hashing chunks.
struct Hashed {
    held: Bitfield,
    differing: Bitfield,
    /// Why files could not be read, by their paths.
    errors: BTreeMap<PathBuf, StoreError>,
}

fn hash(
    content: &ContentFiles,
    chunks: &[ChunkIndex],
    progress: &dyn Fn(u64),
) -> Result<Hashed, StoreError> {
    let (manifest, layout) = (content.manifest(), content.layout());
    let none = Bitfield::empty(layout.chunk_count());
    let mut hashed = Hashed { held: none.clone(), differing: none, errors: BTreeMap::new() };
    let mut done = 0;
    digest_chunks(content, manifest.hash_algorithm(), chunks, |chunk, digest| {
        match digest {
            Ok(digest) if digest.as_bytes() == manifest.digest(chunk) => {
                hashed.held.insert(chunk);
            }
            Ok(_) => {
                hashed.differing.insert(chunk);
            }
            Err(error) => {
                let path = error.path().map(Path::to_owned).unwrap_or_default();
                hashed.errors.insert(path, error);
            }
        }
        done += u64::from(layout.length_of(chunk));
        progress(done);
        Ok(())
    })?;
    Ok(hashed)
}

fn why_bad(
    file: &FileEntry,
    found: Found,
    layout: Layout,
    hashed: &mut Hashed,
    path: &Path,
) -> Option<BadReason> {
    let facts = match found {
        Found::File(facts) => facts,
        Found::Unfit(error) => return Some(BadReason::Unfit(*error)),
        Found::Missing | Found::Folder => return Some(BadReason::Missing),
    };
    if facts.length != file.length {
        return Some(BadReason::Length { expected: file.length, actual: facts.length });
    }
    if let Some(error) = hashed.errors.remove(path) {
        return Some(BadReason::Unreadable(error));
    }
    let chunks = || chunks_of(layout, file.offset, file.length);
    let differing = chunks().filter(|&chunk| hashed.differing.contains(chunk)).count();
    if differing > 0 {
        return Some(BadReason::Differs { chunks: differing });
    }
    let all_held = chunks().all(|chunk| hashed.held.contains(chunk));
    (!all_held).then_some(BadReason::Unknown)
}
