//! Making the manifest of what lies on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::hash::HashAlgorithm;
use crate::id::ChunkIndex;
use crate::layout::Layout;
use crate::manifest::{Draft, EnvelopeFields, Manifest, ManifestError};

use super::beneath::Beneath;
use super::check::digest_chunks;
use super::content::ContentFiles;
use super::error::StoreError;
use super::locate::locate;
use super::marker;
use super::scan::{Scan, scan};
use super::stamp::Stamp;
use super::survey::Survey;

/// What a new manifest says beyond the content.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// Length of every chunk but the last in bytes. Default: [`Layout::suggested_chunk_length`].
    pub chunk_length: Option<u32>,
    /// What the digests are made with. Default: BLAKE3.
    pub hash_algorithm: HashAlgorithm,
    /// Trackers as "host:port".
    pub trackers: Vec<String>,
    /// Free text for people.
    pub comment: String,
    /// When the manifest is made, in seconds since the Unix epoch; 0: not said.
    pub created_unix_s: u64,
    /// When it becomes true, hashing ends with [`StoreError::Cancelled`], within the time of a
    /// chunk.
    pub cancelled: Arc<AtomicBool>,
}

/// A new manifest, and what vouches for the content it was made of.
#[derive(Clone, Debug)]
pub struct Created {
    /// The manifest.
    pub manifest: Manifest,
    /// Given to [`FileStore::open`](super::FileStore::open), the content is not hashed a second
    /// time.
    pub stamp: Stamp,
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The content cannot be read, or is not what it was when it was listed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifest would not be valid: a name that some systems cannot have, say.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Something that is neither file nor folder.
    #[error("{path}: is {kind}; only files and folders can be shared", path = path.display())]
    Unfit {
        /// Where it is.
        path: PathBuf,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// A name that is not UTF-8.
    #[error("{path}: its name is not UTF-8", path = path.display())]
    NotUtf8 {
        /// Where it is.
        path: PathBuf,
    },
    /// The content is, or holds, a download that goes on.
    #[error("{path}: marks a download that is not finished", path = path.display())]
    Unfinished {
        /// The download's marker.
        path: PathBuf,
    },
}

/// As [`create`], for those who need the manifest alone.
///
/// # Errors
/// Those of [`create`].
pub fn create_manifest(
    path: &Path,
    options: &CreateOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<Manifest, CreateError> {
    create(path, options, progress).map(|created| created.manifest)
}

/// Makes the manifest of the file or folder at `path`, named by the path's last component. The
/// files come in the order of their paths, so one content has one content id.
///
/// Every byte is read once and hashed on all cores; whatever the manifest may not contain is
/// refused before that. `progress` is told, on this thread, how many bytes of how many are hashed.
/// Memory: that of the manifest three times, and 256 KiB per thread, of which there are two more
/// than cores (at most 64).
///
/// # Errors
/// When something in the folder cannot be shared or read, or changes meanwhile.
pub fn create(
    path: &Path,
    options: &CreateOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<Created, CreateError> {
    let Sketch { folder, draft, survey } = Sketch::of(path, options)?;
    let hash_algorithm = draft.hash_algorithm;
    // Stands for the content while its digests are not known; nothing is hashed for what it
    // refuses.
    let digest_length = hash_algorithm.digest_length();
    let mut digests = vec![0; draft.layout()?.chunk_count() as usize * digest_length];
    let unhashed = draft.build(&digests, envelope(options))?;

    let root = Beneath::open(&folder)?;
    let content = ContentFiles::new(&unhashed, root, draft.name.clone(), &survey, Arc::default());
    hash(&content, options, progress, &mut digests)?;
    // Reading has seen changes of what was still to be read; this sees those of what was read
    // before.
    content.survey_unchanged()?;

    let manifest = draft.build(&digests, envelope(options))?;
    let stamp = Stamp::new(manifest.content_id(), None, survey.all());
    let stamp = stamp.ok_or_else(|| StoreError::Missing { path: path.into() })?;
    Ok(Created { manifest, stamp })
}

/// Whether [`create`] may make this content's manifest of `path`: all is the same but the bytes, which are not read.
///
/// # Errors
/// When [`create`] would fail before it reads them.
pub fn may_be_of(
    manifest: &Manifest,
    path: &Path,
    options: &CreateOptions,
) -> Result<bool, CreateError> {
    let Sketch { draft, .. } = Sketch::of(path, options)?;
    let (layout, hash_algorithm) = (manifest.layout(), manifest.hash_algorithm());
    if (draft.layout()?, draft.hash_algorithm) != (layout, hash_algorithm) {
        return Ok(false);
    }
    let digests: Vec<u8> =
        layout.chunks().flat_map(|chunk| manifest.digest(chunk)).copied().collect();
    let same_bytes = draft.build(&digests, EnvelopeFields::default())?;
    Ok(same_bytes.content_id() == manifest.content_id())
}

/// What is known of content before its bytes are read.
struct Sketch {
    folder: PathBuf,
    draft: Draft,
    survey: Survey,
}

impl Sketch {
    fn of(path: &Path, options: &CreateOptions) -> Result<Self, CreateError> {
        let (folder, name) = locate(path)?;
        refuse_unfinished(&folder, &name)?;
        let Scan { files, empty_folders, survey } = scan(&folder.join(&name))?;
        let length = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.length));
        let chunk_length =
            options.chunk_length.unwrap_or_else(|| Layout::suggested_chunk_length(length));
        let hash_algorithm = options.hash_algorithm;
        let draft = Draft { name, files, empty_folders, chunk_length, hash_algorithm };
        Ok(Self { folder, draft, survey })
    }
}

fn hash(
    content: &ContentFiles,
    options: &CreateOptions,
    progress: &dyn Fn(u64, u64),
    digests: &mut [u8],
) -> Result<(), StoreError> {
    let layout = content.layout();
    let digest_length = options.hash_algorithm.digest_length();
    let chunks: Vec<ChunkIndex> = layout.chunks().collect();
    let mut done = 0;
    progress(done, layout.length());
    digest_chunks(content, options.hash_algorithm, &chunks, |chunk, digest| {
        let start = chunk.as_usize() * digest_length;
        digests[start..start + digest_length].copy_from_slice(digest?.as_bytes());
        done += u64::from(layout.length_of(chunk));
        progress(done, layout.length());
        if options.cancelled.load(Ordering::Relaxed) { Err(StoreError::Cancelled) } else { Ok(()) }
    })
}

fn envelope(options: &CreateOptions) -> EnvelopeFields {
    EnvelopeFields {
        trackers: options.trackers.clone(),
        comment: options.comment.clone(),
        created_unix_s: options.created_unix_s,
        ..EnvelopeFields::default()
    }
}

/// What a download has not finished has holes: no one should be offered it as if it were whole.
fn refuse_unfinished(folder: &Path, name: &str) -> Result<(), CreateError> {
    match marker::beside(folder, name) {
        Some(path) if path.symlink_metadata().is_ok() => Err(CreateError::Unfinished { path }),
        _ => Ok(()),
    }
}
