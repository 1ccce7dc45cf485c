//! Files that are there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Puts `content` at `path`, in place of what is there: whoever looks, even after a power cut,
/// finds the old or the new content. Returns the file, open for reading and writing.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<File, StoreError> {
    let temporary = beside(path);
    write(&temporary, content).and_then(|file| fs::rename(&temporary, path).map(|()| file)).map_err(
        |error| {
            // What is left of a full disk is worth more than the reason why this fails.
            let _ = fs::remove_file(&temporary);
            StoreError::io(path, error)
        },
    )
}

fn write(path: &Path, content: &[u8]) -> io::Result<File> {
    // Left by a crash, or a link that someone put there: not to be followed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().read(true).write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(file)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("~");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&other, "other").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        std::os::unix::fs::symlink(&other, beside(&path)).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read(&other).unwrap(), b"other");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
