//! Files that are there as a whole or not at all, also after a power cut.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::error::DaemonError;

/// Replaces the content of `path`: after a crash it is the old one or the new one. Readable for its owner
/// only. Not to be called twice at a time for one path.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), DaemonError> {
    let temporary = path.with_extension("new");
    write_synced(&temporary, content).map_err(DaemonError::io(&temporary))?;
    fs::rename(&temporary, path).map_err(DaemonError::io(path))?;
    sync_folder_of(path)
}

/// Removes a file, if it is there, for good.
pub(super) fn remove(path: &Path) -> Result<(), DaemonError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DaemonError::io(path)(error)),
    }
}

/// The content of a file; `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, DaemonError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DaemonError::io(path)(error)),
    }
}

/// Makes a folder, and those above it, that only their owner can enter. Those that are there stay as they are.
pub(super) fn create_folder(path: &Path) -> Result<(), DaemonError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(DaemonError::io(path))
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes a rename or a removal durable.
fn sync_folder_of(path: &Path) -> Result<(), DaemonError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(DaemonError::io(folder))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn content_is_replaced_as_a_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"one, and longer").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read(&path).unwrap(), None);
        remove(&path).unwrap();
    }
}
