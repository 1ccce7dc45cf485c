//! Why bytes are no manifest.

use crate::hash::HashAlgorithm;
use crate::id::ContentId;
use crate::layout::LayoutError;

use super::path::PathFault;
use super::{CONTENT_LENGTH_MAX, MANIFEST_LENGTH_MAX};

/// Why bytes are no manifest. Fields are named as in `peerit/manifest/v1/manifest.proto`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The file, or the `Info` alone, is longer than [`MANIFEST_LENGTH_MAX`].
    #[error("{0} bytes are more than a manifest's {MANIFEST_LENGTH_MAX}")]
    TooLarge(usize),
    /// The bytes are not of the schema. The text names the field where they stop making sense.
    #[error("not a manifest: {0}")]
    Malformed(String),
    /// The `Info` is not the one that was asked for.
    #[error("info: its content id is {actual}, not {expected}")]
    ContentId {
        /// The one asked for.
        expected: ContentId,
        /// The one it has.
        actual: ContentId,
    },
    /// A field that every manifest has is absent.
    #[error("{field}: missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A list is too long.
    #[error("{field}: more than {max} entries")]
    TooMany {
        /// The list.
        field: &'static str,
        /// Most entries.
        max: usize,
    },
    /// The name, or a path, cannot be made on every system, or must not be.
    #[error("{field} {path:?}: {fault}")]
    Path {
        /// The field, with its index.
        field: String,
        /// The text, cut to a readable length.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// The file lengths add up to more than any content may have.
    #[error("{field}: with it the content is longer than {CONTENT_LENGTH_MAX} bytes")]
    TooMuchContent {
        /// The length that goes over.
        field: String,
    },
    /// The length of the content is not the sum of its files' lengths.
    #[error("length_bytes: {declared}, but the files have {sum}")]
    Length {
        /// What the field says.
        declared: u64,
        /// The sum.
        sum: u64,
    },
    /// The content cannot be cut as the field says.
    #[error("chunk_layout: {0}")]
    Layout(#[from] LayoutError),
    /// A choice that this version does not know.
    #[error("{field}: {value} is not supported")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// The choice.
        value: String,
    },
    /// The digests are not as many as the chunks.
    #[error("digests: {actual} bytes, but {chunk_count} chunks with {algorithm} have {expected}")]
    Digests {
        /// How many chunks the content has.
        chunk_count: u32,
        /// What the digests are made with.
        algorithm: HashAlgorithm,
        /// The length they need, in bytes.
        expected: u64,
        /// The length they have, in bytes.
        actual: usize,
    },
    /// A text of the envelope breaks its rule.
    #[error("{field} {text:?}: not {rule}")]
    Text {
        /// The field, with its index.
        field: String,
        /// The text, cut to a readable length.
        text: String,
        /// What it should be.
        rule: &'static str,
    },
    /// A key or signature has the wrong length.
    #[error("{field}: {actual} bytes instead of {expected}")]
    KeyLength {
        /// The field.
        field: &'static str,
        /// The length it needs, in bytes.
        expected: usize,
        /// The length it has, in bytes.
        actual: usize,
    },
}

impl ManifestError {
    pub(super) fn path(field: String, path: &str, fault: PathFault) -> Self {
        Self::Path { field, path: shortened(path), fault }
    }

    pub(super) fn text(field: String, text: &str, rule: &'static str) -> Self {
        Self::Text { field, text: shortened(text), rule }
    }
}

/// The start of a text: an error must not repeat megabytes of a hostile file.
pub(super) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
