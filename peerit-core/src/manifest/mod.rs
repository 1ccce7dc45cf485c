//! The `.p2p` file: what the content is, and where to ask for it.
//!
//! A [`Manifest`] is valid or it does not exist: [`Manifest::parse`] refuses, naming the field,
//! whatever could not be downloaded on every system or would write outside its folder (see
//! `path.rs` for names). The content id is BLAKE3 of the encoded `Info` as its creator wrote it, so
//! those bytes are kept and passed on, never encoded again.

mod address;
mod draft;
mod envelope;
mod error;
mod info;
mod link;
mod path;
mod raw;
mod tree;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use peerit_proto::Message;
use peerit_proto::manifest::v1 as proto;

use crate::hash::{HashAlgorithm, Hasher};
use crate::id::{ChunkIndex, ContentId};
use crate::layout::Layout;

use info::Info;

pub use crate::layout::CONTENT_LENGTH_MAX;
pub use draft::{Draft, DraftFile};
pub use envelope::{EnvelopeFields, Publication};
pub use error::ManifestError;
pub use info::FileEntry;
pub use link::{Link, ParseLinkError};
pub use path::{COMPONENT_LENGTH_MAX, PATH_LENGTH_MAX, PathFault};

/// Greatest length of a `.p2p` file in bytes: room for all 1,048,576 files with paths of 50 bytes
/// (8 bytes around each), and for 65,536 digests (2 MiB).
pub const MANIFEST_LENGTH_MAX: usize = 64 << 20;
/// Most files of a content.
pub const FILE_COUNT_MAX: usize = 1 << 20;
/// Most empty folders of a content.
pub const EMPTY_FOLDER_COUNT_MAX: usize = 1 << 16;
/// Most trackers of a manifest or link.
pub const TRACKER_COUNT_MAX: usize = 64;
/// Greatest length of a tracker's "host:port" in bytes.
pub const TRACKER_LENGTH_MAX: usize = 255;
/// Most web seeds of a manifest.
pub const WEB_SEED_COUNT_MAX: usize = 64;
/// Greatest length of a web seed's address in bytes.
pub const WEB_SEED_LENGTH_MAX: usize = 2_048;
/// Greatest length of the comment in bytes.
pub const COMMENT_LENGTH_MAX: usize = 4_096;

/// A valid `.p2p` file. Cheap to clone.
///
/// Takes the memory of the file, of its paths once more, and 48 bytes per file of the content;
/// parsing takes three times that for a moment.
#[derive(Clone, Debug)]
pub struct Manifest {
    info: Arc<Info>,
    envelope: Arc<EnvelopeFields>,
}

/// A range inside one file of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// Index of the file in [`Manifest::files`], from 0.
    pub file: usize,
    /// Where the range starts in the file, in bytes.
    pub offset_in_file: u64,
    /// Length in bytes, never 0.
    pub length: u64,
}

impl Manifest {
    /// Reads a whole `.p2p` file. O(n log n) in the number of files.
    ///
    /// # Errors
    /// When the bytes are not a valid manifest; the error names the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_LENGTH_MAX {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        envelope::check_counts(bytes)?;
        // Copied once; the info and its digests are parts of the copy.
        let mut envelope = proto::Envelope::decode(Bytes::copy_from_slice(bytes))
            .map_err(|error| malformed(&error))?;
        let info = std::mem::take(&mut envelope.info);
        if info.is_empty() {
            return Err(ManifestError::Missing { field: "info" });
        }
        Self::from_info(info, EnvelopeFields::from_proto(envelope)?)
    }

    /// Puts an encoded `Info` into an envelope.
    ///
    /// # Errors
    /// When either is not valid; the error names the field.
    pub fn from_info(info: Bytes, envelope: EnvelopeFields) -> Result<Self, ManifestError> {
        Self::assemble(Arc::new(Info::decode(info)?), envelope)
    }

    /// Puts an encoded `Info`, fetched from peers because of a link, into an envelope.
    ///
    /// # Errors
    /// When the bytes are not those of the `expected` id, or not valid; the error names the field.
    pub fn from_info_bytes(
        info: Bytes,
        expected: ContentId,
        trackers: Vec<String>,
    ) -> Result<Self, ManifestError> {
        let actual = ContentId(blake3::hash(&info).into());
        if actual != expected {
            return Err(ManifestError::ContentId { expected, actual });
        }
        Self::from_info(info, EnvelopeFields { trackers, ..EnvelopeFields::default() })
    }

    fn assemble(info: Arc<Info>, envelope: EnvelopeFields) -> Result<Self, ManifestError> {
        envelope.check()?;
        let manifest = Self { info, envelope: Arc::new(envelope) };
        let length = manifest.to_proto().encoded_len();
        if length > MANIFEST_LENGTH_MAX {
            return Err(ManifestError::TooLarge(length));
        }
        Ok(manifest)
    }

    /// The same content with other trackers.
    ///
    /// # Errors
    /// When there are too many trackers or one is not "host:port".
    pub fn with_trackers(&self, trackers: Vec<String>) -> Result<Self, ManifestError> {
        let envelope = EnvelopeFields { trackers, ..(*self.envelope).clone() };
        Self::assemble(Arc::clone(&self.info), envelope)
    }

    /// The bytes of a `.p2p` file, with the `Info` exactly as its creator wrote it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_proto().encode_to_vec()
    }

    fn to_proto(&self) -> proto::Envelope {
        proto::Envelope { info: self.info.bytes.clone(), ..self.envelope.to_proto() }
    }

    /// The encoded `Info`, exactly as its creator wrote it.
    #[must_use]
    pub fn info_bytes(&self) -> &Bytes {
        &self.info.bytes
    }

    /// BLAKE3 of [`Manifest::info_bytes`].
    #[must_use]
    pub fn content_id(&self) -> ContentId {
        self.info.content_id
    }

    /// The name of the file or folder that a download makes: one path component.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The files in the order in which they make the content.
    #[must_use]
    pub fn files(&self) -> &[FileEntry] {
        &self.info.files
    }

    /// Whether the content is one file named [`Manifest::name`], not a folder.
    #[must_use]
    pub fn is_single_file(&self) -> bool {
        matches!(self.files(), [file] if file.path.is_empty())
    }

    /// Folders that hold nothing, as '/'-separated paths inside the content.
    #[must_use]
    pub fn empty_folders(&self) -> &[String] {
        &self.info.empty_folders
    }

    /// How the content is cut into chunks.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.info.layout
    }

    /// What the digests are made with.
    #[must_use]
    pub fn hash_algorithm(&self) -> HashAlgorithm {
        self.info.algorithm
    }

    /// The digest of a chunk; empty beyond the last one.
    #[must_use]
    pub fn digest(&self, chunk: ChunkIndex) -> &[u8] {
        let length = self.info.algorithm.digest_length();
        self.info.digests.chunks_exact(length).nth(chunk.as_usize()).unwrap_or_default()
    }

    /// Whether `parts`, joined, are this chunk. Hashes them: milliseconds for a long chunk.
    #[must_use]
    pub fn matches(&self, chunk: ChunkIndex, parts: &[Bytes]) -> bool {
        let length: usize = parts.iter().map(Bytes::len).sum();
        if length as u64 != u64::from(self.info.layout.length_of(chunk)) {
            return false;
        }
        let mut hasher = Hasher::new(self.info.algorithm);
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finish().as_bytes() == self.digest(chunk)
    }

    /// Which parts of which files lie in a range of the content, in order; files of no length lie
    /// in none. What is beyond the end of the content is left out. The first file is found in
    /// O(log n).
    pub fn file_ranges(
        &self,
        content_offset: u64,
        length: u64,
    ) -> impl Iterator<Item = FileRange> + '_ {
        let files = self.files();
        let end = content_offset.saturating_add(length);
        let first = files.partition_point(|file| file.end() <= content_offset);
        (first..files.len())
            .zip(&files[first..])
            .take_while(move |(_, file)| file.offset < end)
            .filter_map(move |(index, file)| {
                let start = file.offset.max(content_offset);
                let length = file.end().min(end).saturating_sub(start);
                let offset_in_file = start - file.offset;
                (length > 0).then_some(FileRange { file: index, offset_in_file, length })
            })
    }

    /// Trackers as "host:port".
    #[must_use]
    pub fn trackers(&self) -> &[String] {
        &self.envelope.trackers
    }

    /// HTTP(S) addresses that serve the content.
    #[must_use]
    pub fn web_seeds(&self) -> &[String] {
        &self.envelope.web_seeds
    }

    /// Free text for people; may be empty.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.envelope.comment
    }

    /// When the manifest was made, in seconds since the Unix epoch; 0: not said.
    #[must_use]
    pub fn created_unix_s(&self) -> u64 {
        self.envelope.created_unix_s
    }

    /// Who publishes this content as one version of many.
    #[must_use]
    pub fn publication(&self) -> Option<&Publication> {
        self.envelope.publication.as_ref()
    }

    /// The link that stands for this manifest.
    #[must_use]
    pub fn link(&self) -> Link {
        Link { content_id: self.content_id(), trackers: self.trackers().to_vec() }
    }
}

fn malformed(error: &peerit_proto::DecodeError) -> ManifestError {
    ManifestError::Malformed(error.to_string())
}
