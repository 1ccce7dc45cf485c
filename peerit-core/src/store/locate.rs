//! Telling the folder and the name of content that a path leads to.

use std::path::{Path, PathBuf};

use super::error::StoreError;

/// The folder in which the content at `path` lies, and its name there. A path that ends in `.` or
/// `..`, or is empty, is followed to what it stands for.
///
/// # Errors
/// When the name is not UTF-8, or there is none (the path of the root).
pub fn locate(path: &Path) -> Result<(PathBuf, String), StoreError> {
    let failed = |fault| StoreError::Name { path: path.into(), fault };
    let path = match path.file_name() {
        Some(_) => path.to_owned(),
        None if path.as_os_str().is_empty() => current(path)?,
        None => path.canonicalize().map_err(|error| StoreError::io(path, error))?,
    };
    let name = path.file_name().ok_or_else(|| failed("has no name of its own"))?;
    let name = name.to_str().ok_or_else(|| failed("its name is not UTF-8"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok((folder, name.to_owned()))
}

fn current(path: &Path) -> Result<PathBuf, StoreError> {
    std::env::current_dir().map_err(|error| StoreError::io(path, error))
}

/// Refuses what is not the name of one file or folder.
pub(super) fn check_name(name: &str) -> Result<(), StoreError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        let fault = "is not the name of a file or folder";
        return Err(StoreError::Name { path: name.into(), fault });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn the_last_component_is_the_name() {
        let located = |path: &str| locate(Path::new(path)).unwrap();
        assert_eq!(located("a/b/c"), ("a/b".into(), "c".into()));
        assert_eq!(located("/a"), ("/".into(), "a".into()));
        assert_eq!(located("a/b/"), ("a".into(), "b".into()));
        assert_eq!(located("a"), (".".into(), "a".into()));
    }

    #[test]
    fn dots_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().canonicalize().unwrap().join("inside");
        std::fs::create_dir(&inside).unwrap();
        let name = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        let (parent, found) = locate(&inside.join("..")).unwrap();
        assert_eq!(found, name);
        assert_eq!(parent.join(found), folder.path().canonicalize().unwrap());
        assert_eq!(locate(&inside.join(".")).unwrap().1, "inside");
        assert!(locate(Path::new(".")).is_ok());
    }

    #[test]
    fn what_has_no_name_is_refused() {
        for path in [OsStr::new("/"), OsStr::new("/.."), OsStr::from_bytes(b"a/\xff")] {
            let error = locate(Path::new(path)).unwrap_err();
            assert!(matches!(error, StoreError::Name { .. }), "{error}");
        }
        for name in ["", ".", "..", "a/b", "a\0"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("...").is_ok());
    }
}
