//! Making manifests.

use peerit_proto::Message;
use peerit_proto::manifest::v1 as proto;

use crate::hash::HashAlgorithm;
use crate::layout::Layout;

use super::Manifest;
use super::envelope::EnvelopeFields;
use super::error::ManifestError;
use super::info::decode_without_digests;

/// A manifest to be, before its chunks are hashed.
///
/// ```
/// use peerit_core::hash::HashAlgorithm;
/// use peerit_core::manifest::{Draft, DraftFile, EnvelopeFields};
///
/// let content = b"hello";
/// let draft = Draft {
///     name: "hello.txt".into(),
///     files: vec![DraftFile { path: String::new(), length: 5, executable: false }],
///     empty_folders: Vec::new(),
///     chunk_length: 65_536,
///     hash_algorithm: HashAlgorithm::Blake3,
/// };
/// assert_eq!(draft.layout()?.chunk_count(), 1);
/// let digest = HashAlgorithm::Blake3.digest(content);
/// let manifest = draft.build(digest.as_bytes(), EnvelopeFields::default())?;
/// assert_eq!(manifest.name(), "hello.txt");
/// # Ok::<(), peerit_core::manifest::ManifestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Draft {
    /// The name of the file or folder that a download makes.
    pub name: String,
    /// The files, in the order in which they make the content. A single file has an empty path.
    pub files: Vec<DraftFile>,
    /// Folders that hold nothing, as '/'-separated paths inside the content.
    pub empty_folders: Vec<String>,
    /// Length of every chunk but the last in bytes; see [`Layout::suggested_chunk_length`].
    pub chunk_length: u32,
    /// What the digests are made with.
    pub hash_algorithm: HashAlgorithm,
}

/// One file of a [`Draft`].
#[derive(Clone, Debug)]
pub struct DraftFile {
    /// '/'-separated path inside the content; empty for a single file.
    pub path: String,
    /// Length in bytes.
    pub length: u64,
    /// Whether the file is a program.
    pub executable: bool,
}

impl Draft {
    /// Checks everything, so that nothing is hashed in vain, and says how the content is cut.
    ///
    /// # Errors
    /// What [`Manifest::parse`] would refuse.
    pub fn layout(&self) -> Result<Layout, ManifestError> {
        let info = self.to_proto(&[]).encode_to_vec();
        decode_without_digests(info.into()).map(|(_, layout, _)| layout)
    }

    /// The manifest; `digests` are those of all chunks in order, joined.
    ///
    /// # Errors
    /// What [`Manifest::parse`] would refuse.
    pub fn build(
        &self,
        digests: &[u8],
        envelope: EnvelopeFields,
    ) -> Result<Manifest, ManifestError> {
        let info = self.to_proto(digests).encode_to_vec();
        Manifest::from_info(info.into(), envelope)
    }

    fn to_proto(&self, digests: &[u8]) -> proto::Info {
        let file = |file: &DraftFile| proto::File {
            path: file.path.clone(),
            length_bytes: file.length,
            executable: file.executable,
        };
        let algorithm = match self.hash_algorithm {
            HashAlgorithm::Blake3 => proto::HashAlgorithm::Blake3,
            HashAlgorithm::Sha1 => proto::HashAlgorithm::Sha1,
        };
        let layout = proto::chunk_layout::Layout::FixedLengthBytes(self.chunk_length);
        // Lengths that overflow are refused whatever the sum is said to be.
        let length = self.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.length));
        proto::Info {
            name: self.name.clone(),
            files: self.files.iter().map(file).collect(),
            empty_folders: self.empty_folders.clone(),
            length_bytes: length,
            chunk_layout: Some(proto::ChunkLayout { layout: Some(layout) }),
            hash_algorithm: algorithm.into(),
            digests: digests.to_vec().into(),
        }
    }
}
