//! Two processes do not go on with one download.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::beneath::Beneath;
use super::error::StoreError;
use super::replace::replace;

/// The right to put a marker in place of the one that was there, or of none.
///
/// The marker itself is locked, for as long as it is open: the system sees to that when a process is killed. What a
/// claim does to the name of the marker it does alone in the folder.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    /// Where the content is.
    content: PathBuf,
    /// Which file it was.
    found: Option<FileId>,
    /// Keeps it locked.
    _file: Option<File>,
}

/// Device and number.
type FileId = (u64, u64);

impl Claim {
    /// Claims the marker at `path`, of the content `name` in the folder `root`.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when a process has it.
    pub(super) fn of(path: PathBuf, root: &Beneath, name: &str) -> Result<Self, StoreError> {
        let _alone = root.lock();
        let file = File::open(&path).ok();
        let content = root.full(name);
        if file.as_ref().is_none_or(lock) {
            Ok(Self { found: id_of(&path), path, content, _file: file })
        } else {
            Err(StoreError::Busy { path: content })
        }
    }

    /// Puts a new marker in place of what was claimed; its file is locked.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when a process has begun the download meanwhile. Those of the file system.
    pub(super) fn replace(
        self,
        root: &Beneath,
        bytes: &[u8],
    ) -> Result<(PathBuf, File), StoreError> {
        let _alone = root.lock();
        if id_of(&self.path) != self.found {
            return Err(StoreError::Busy { path: self.content });
        }
        let file = replace(&self.path, bytes)?;
        if lock(&file) {
            Ok((self.path, file))
        } else {
            Err(StoreError::Busy { path: self.content })
        }
    }
}

/// Whether nobody else has it locked. Where the file system has no locks, nobody has.
fn lock(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK)
}

/// The other way round, for a file that stays open.
pub(super) fn unlock(file: &File) {
    // Fails where there are no locks.
    let _ = flock(file, FlockOperation::Unlock);
}

fn id_of(path: &Path) -> Option<FileId> {
    fs::symlink_metadata(path).ok().map(|facts| (facts.dev(), facts.ino()))
}
