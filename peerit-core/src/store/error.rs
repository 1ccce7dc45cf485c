//! Why content cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

/// Why content cannot be read or written. What is already verified and recorded stays so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused: disk full, permission denied, a broken disk.
    #[error("{path}: {source}{}", hint(.source), path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing is at this path.
    #[error("{path}: is not there", path = path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
    },
    /// A file was removed, or another put in its place, while it was in use.
    #[error("{path}: was removed or replaced while in use", path = path.display())]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// A file has another length than it must have.
    #[error("{path}: has {actual} bytes instead of {expected}", path = path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The length it must have, in bytes.
        expected: u64,
        /// The length it has, in bytes.
        actual: u64,
    },
    /// Another program wrote to a file of complete content, or the file does not match.
    #[error("{path}: was changed by another program", path = path.display())]
    Modified {
        /// The file.
        path: PathBuf,
    },
    /// Something else is where the content has a file or a folder. Symbolic links are never
    /// followed inside a content: they could lead a download out of its folder.
    #[error("{path}: is {kind}, which is not what the content has there", path = path.display())]
    Unfit {
        /// Where it is.
        path: PathBuf,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// A file is in the way that is not part of this content.
    #[error("{}: exists and differs from this content{}; overwriting was not asked for (`--overwrite`)", path.display(), and_more(*.more))]
    Exists {
        /// The first such file.
        path: PathBuf,
        /// How many more there are.
        more: usize,
    },
    /// Another content is being downloaded under the same name.
    #[error("{path}: belongs to the download of another content", path = path.display())]
    OtherDownload {
        /// Its marker.
        path: PathBuf,
    },
    /// Another process downloads the same content, or another one under the same name, into the same folder.
    #[error("another process downloads into {path}", path = path.display())]
    Busy {
        /// Where the content is, or will be.
        path: PathBuf,
    },
    /// A write to content that is only shared.
    #[error("{path}: is shared as it is and never written to", path = path.display())]
    ReadOnly {
        /// The content.
        path: PathBuf,
    },
    /// A path whose last component cannot name content.
    #[error("{path}: {fault}", path = path.display())]
    Name {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A range that is not inside the content, or not that of the chunk.
    #[error("{length} bytes from {offset} are not a range of this content")]
    Range {
        /// Where it starts, in bytes from the start of the content.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// Content cannot be final before all chunks are written.
    #[error("{missing} chunks are still missing")]
    Incomplete {
        /// How many.
        missing: u32,
    },
    /// The threads that hash could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl StoreError {
    /// The file or folder that it is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Missing { path }
            | Self::Removed { path }
            | Self::Length { path, .. }
            | Self::Modified { path }
            | Self::Unfit { path, .. }
            | Self::Exists { path, .. }
            | Self::OtherDownload { path }
            | Self::Busy { path }
            | Self::ReadOnly { path }
            | Self::Name { path, .. } => Some(path),
            Self::Range { .. } | Self::Incomplete { .. } | Self::Thread(_) | Self::Cancelled => {
                None
            }
        }
    }

    pub(super) fn io(path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Io { path: path.into(), source: source.into() }
    }

    /// Whether closing files may help.
    pub(super) fn is_handle_shortage(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        let errno = rustix::io::Errno::from_io_error(source);
        matches!(errno, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
    }
}

/// What to do about it, where that is plain.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": free some space",
        io::ErrorKind::ReadOnlyFilesystem => ": make the file system writable",
        _ => "",
    }
}

fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => ", and 1 more file".to_owned(),
        more => format!(", and {more} more files"),
    }
}
