//! Walking a folder that is to be shared.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use crate::manifest::DraftFile;

use super::beneath::Facts;
use super::create::CreateError;
use super::error::StoreError;
use super::marker::is_marker;
use super::survey::Survey;

/// What lies at a path, sorted by path so that one content makes one manifest.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) files: Vec<DraftFile>,
    pub(super) empty_folders: Vec<String>,
    /// What was known of the files when they were listed.
    pub(super) survey: Survey,
}

/// Lists a file, or a folder with all in it. Memory: the paths.
///
/// # Errors
/// When something is neither file nor folder, has a name that is not UTF-8, or is an unfinished
/// download.
pub(super) fn scan(path: &Path) -> Result<Scan, CreateError> {
    let mut files = Vec::new();
    // Whether each folder is empty as far as we have seen.
    let mut folders = BTreeMap::new();
    for entry in WalkDir::new(path).follow_root_links(false) {
        let entry = entry.map_err(|error| walk_error(path, error))?;
        let inside = path_inside(path, &entry)?;
        if let Some((folder, _)) = inside.rsplit_once('/') {
            folders.insert(folder.to_owned(), false);
        }
        let kind = entry.file_type();
        if kind.is_dir() {
            folders.insert(inside, true);
        } else if kind.is_file() {
            files.push(file(&entry, inside)?);
        } else {
            return Err(CreateError::Unfit { path: entry.into_path(), kind: kind_of(kind) });
        }
    }
    // The content's own folder goes without saying.
    folders.remove("");
    let empty = folders.into_iter().filter_map(|(folder, is_empty)| is_empty.then_some(folder));
    let empty_folders = empty.collect();
    files.sort_unstable_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    let (files, facts): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    Ok(Scan { files, empty_folders, survey: Survey::new(facts) })
}

fn file(entry: &DirEntry, inside: String) -> Result<(DraftFile, Facts), CreateError> {
    if is_marker(&entry.file_name().to_string_lossy()) {
        return Err(CreateError::Unfinished { path: entry.path().into() });
    }
    let metadata = entry.metadata().map_err(|error| walk_error(entry.path(), error))?;
    let executable = is_executable(&metadata);
    let file = DraftFile { path: inside, length: metadata.len(), executable };
    Ok((file, Facts::from(&metadata)))
}

/// As its owner sees it.
fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o100 != 0
}

/// The '/'-separated path inside the content.
fn path_inside(root: &Path, entry: &DirEntry) -> Result<String, CreateError> {
    let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| CreateError::NotUtf8 { path: entry.path().into() })
}

fn walk_error(path: &Path, error: walkdir::Error) -> CreateError {
    let path = error.path().unwrap_or(path).to_owned();
    // Without links to follow there are no loops, and every error is the system's.
    let source = error.into_io_error().unwrap_or_else(|| std::io::ErrorKind::Other.into());
    match source.kind() {
        std::io::ErrorKind::NotFound => StoreError::Missing { path },
        _ => StoreError::Io { path, source },
    }
    .into()
}

fn kind_of(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}
