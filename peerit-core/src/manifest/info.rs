//! The part of a manifest that its content id covers: read and checked.

use std::fmt;

use bytes::Bytes;
use peerit_proto::Message;
use peerit_proto::manifest::v1 as proto;

use crate::hash::HashAlgorithm;
use crate::id::ContentId;
use crate::layout::Layout;

use super::error::ManifestError;
use super::path::check_component;
use super::raw::fields;
use super::tree::check_tree;
use super::{CONTENT_LENGTH_MAX, EMPTY_FOLDER_COUNT_MAX, FILE_COUNT_MAX, MANIFEST_LENGTH_MAX};

/// One file of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// '/'-separated path inside the content; empty when the content is a single file.
    pub path: String,
    /// Where the file starts in the content, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// Whether the file is a program.
    pub executable: bool,
}

impl FileEntry {
    /// Where the file ends in the content, in bytes.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// A valid `Info`.
pub(super) struct Info {
    pub(super) bytes: Bytes,
    pub(super) content_id: ContentId,
    pub(super) name: String,
    pub(super) files: Vec<FileEntry>,
    pub(super) empty_folders: Vec<String>,
    pub(super) layout: Layout,
    pub(super) algorithm: HashAlgorithm,
    /// A part of `bytes`, not a copy.
    pub(super) digests: Bytes,
}

impl Info {
    /// Reads and checks everything.
    pub(super) fn decode(bytes: Bytes) -> Result<Self, ManifestError> {
        let (info, layout, algorithm) = decode_without_digests(bytes.clone())?;
        let expected = u64::from(layout.chunk_count()) * algorithm.digest_length() as u64;
        if info.digests.len() as u64 != expected {
            return Err(ManifestError::Digests {
                chunk_count: layout.chunk_count(),
                algorithm,
                expected,
                actual: info.digests.len(),
            });
        }
        Ok(Self {
            content_id: ContentId(blake3::hash(&bytes).into()),
            bytes,
            name: info.name,
            files: place(info.files),
            empty_folders: info.empty_folders,
            layout,
            algorithm,
            digests: info.digests,
        })
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info")
            .field("content_id", &self.content_id)
            .field("name", &self.name)
            .field("file_count", &self.files.len())
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

/// Reads an `Info` and checks all but its digests.
pub(super) fn decode_without_digests(
    bytes: Bytes,
) -> Result<(proto::Info, Layout, HashAlgorithm), ManifestError> {
    check_counts(&bytes)?;
    let info = proto::Info::decode(bytes).map_err(|error| super::malformed(&error))?;
    check_component(&info.name)
        .map_err(|fault| ManifestError::path("name".to_owned(), &info.name, fault))?;
    check_paths(&info)?;
    check_lengths(&info)?;
    let layout = Layout::new(info.length_bytes, chunk_length(&info)?)?;
    let algorithm = algorithm(&info)?;
    Ok((info, layout, algorithm))
}

/// Counts what decoding would make room for. At most then: 1,048,576 files of 40 bytes, 65,536
/// folders of 24, and the texts and digests, which are no longer than the manifest.
fn check_counts(bytes: &[u8]) -> Result<(), ManifestError> {
    if bytes.len() > MANIFEST_LENGTH_MAX {
        return Err(ManifestError::TooLarge(bytes.len()));
    }
    let (mut files, mut empty_folders) = (0, 0);
    for (number, value) in fields(bytes) {
        match number {
            2 => files += 1,
            3 => empty_folders += 1,
            5 if fields(value).any(|(number, _)| number == 2) => {
                return Err(unsupported_lengths());
            }
            _ => {}
        }
    }
    if files > FILE_COUNT_MAX {
        return Err(ManifestError::TooMany { field: "files", max: FILE_COUNT_MAX });
    }
    if empty_folders > EMPTY_FOLDER_COUNT_MAX {
        return Err(ManifestError::TooMany { field: "empty_folders", max: EMPTY_FOLDER_COUNT_MAX });
    }
    Ok(())
}

fn check_paths(info: &proto::Info) -> Result<(), ManifestError> {
    let single_file = matches!(info.files.as_slice(), [file] if file.path.is_empty());
    if single_file && info.empty_folders.is_empty() {
        return Ok(());
    }
    let files = info.files.iter().map(|file| file.path.as_str());
    check_tree(files, info.empty_folders.iter().map(String::as_str))
}

fn check_lengths(info: &proto::Info) -> Result<(), ManifestError> {
    let mut sum = 0_u64;
    for (index, file) in info.files.iter().enumerate() {
        sum = sum
            .checked_add(file.length_bytes)
            .filter(|&sum| sum <= CONTENT_LENGTH_MAX)
            .ok_or_else(|| ManifestError::TooMuchContent {
                field: format!("files[{index}].length_bytes"),
            })?;
    }
    if sum != info.length_bytes {
        return Err(ManifestError::Length { declared: info.length_bytes, sum });
    }
    Ok(())
}

fn chunk_length(info: &proto::Info) -> Result<u32, ManifestError> {
    use proto::chunk_layout::Layout::{FixedLengthBytes, Lengths};
    match info.chunk_layout.as_ref().and_then(|layout| layout.layout.as_ref()) {
        Some(FixedLengthBytes(length)) => Ok(*length),
        Some(Lengths(_)) => Err(unsupported_lengths()),
        None => Err(ManifestError::Missing { field: "chunk_layout" }),
    }
}

fn unsupported_lengths() -> ManifestError {
    ManifestError::Unsupported { field: "chunk_layout", value: "a list of lengths".to_owned() }
}

fn algorithm(info: &proto::Info) -> Result<HashAlgorithm, ManifestError> {
    match proto::HashAlgorithm::try_from(info.hash_algorithm) {
        Ok(proto::HashAlgorithm::Blake3) => Ok(HashAlgorithm::Blake3),
        Ok(proto::HashAlgorithm::Sha1) => Ok(HashAlgorithm::Sha1),
        Ok(proto::HashAlgorithm::Unspecified) => {
            Err(ManifestError::Missing { field: "hash_algorithm" })
        }
        Err(_) => Err(ManifestError::Unsupported {
            field: "hash_algorithm",
            value: info.hash_algorithm.to_string(),
        }),
    }
}

/// The files one behind the other. Their sum is checked, so that no offset overflows.
fn place(files: Vec<proto::File>) -> Vec<FileEntry> {
    let mut end = 0;
    let place = |file: proto::File| {
        let offset = end;
        end += file.length_bytes;
        let proto::File { path, length_bytes, executable } = file;
        FileEntry { path, offset, length: length_bytes, executable }
    };
    files.into_iter().map(place).collect()
}
