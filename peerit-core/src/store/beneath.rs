//! Files inside one folder, reached without following a symbolic link.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::error::StoreError;

/// A folder, and what lies in it by '/'-separated paths.
///
/// Every component is looked up in the folder before it and none may be a symbolic link, so that
/// nothing outside is reached even while someone moves things about. The folder itself may be
/// reached through links: its user chose it.
#[derive(Debug)]
pub(super) struct Beneath {
    path: PathBuf,
    folder: OwnedFd,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Length in bytes.
    pub(super) length: u64,
    /// When it was last written to, in nanoseconds since the Unix epoch.
    pub(super) mtime_ns: i64,
    /// Whether it still has a name.
    pub(super) linked: bool,
}

/// What lies at a path.
#[derive(Debug)]
pub(super) enum Found {
    Missing,
    File(Facts),
    Folder,
    /// Neither, or it cannot be told. Boxed: there can be a million of these, all files as a rule.
    Unfit(Box<StoreError>),
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// Writing to a file that is not there yet, in folders that are made as needed.
    Create,
}

impl Beneath {
    /// Takes an existing folder.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |error: Errno| match error {
            Errno::NOENT => StoreError::Missing { path: path.into() },
            error => StoreError::io(path, error),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::open(path, flags, Mode::empty()).map_err(failed)?;
        Ok(Self { path: path.into(), folder })
    }

    /// Takes a folder, made if it is not there.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(path).map_err(|error| StoreError::io(path, error))?;
        Self::open(path)
    }

    /// The path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What lies at `path`.
    pub(super) fn look(&self, path: &str) -> Found {
        let parent = self.parent(path, false);
        found(
            parent.and_then(|(parent, name)| {
                self.look_in(self.or_folder(parent.as_ref()), name, path)
            }),
        )
    }

    /// Whether a folder is at `path`; an error when something else is.
    pub(super) fn has_folder(&self, path: &str) -> Result<bool, StoreError> {
        match self.look(path) {
            Found::Folder => Ok(true),
            Found::Missing => Ok(false),
            Found::File(_) => Err(self.unfit(path, FileType::RegularFile)),
            Found::Unfit(error) => Err(*error),
        }
    }

    /// What lies at each of the paths of files, none of which is a folder. Those that lie in one folder and come one after
    /// the other take one system call each.
    pub(super) fn look_for_files(&self, paths: impl Iterator<Item = String>) -> Vec<Found> {
        let mut last: Option<(String, Option<OwnedFd>)> = None;
        let look = |path: String| {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if last.as_ref().is_none_or(|(known, _)| known != folder) {
                match self.parent(&path, false) {
                    Ok((parent, _)) => last = Some((folder.to_owned(), parent)),
                    Err(error) => return found(Err(error)),
                }
            }
            let parent = last.as_ref().and_then(|(_, parent)| parent.as_ref());
            match found(self.look_in(self.or_folder(parent), name, &path)) {
                Found::Folder => Found::Unfit(Box::new(self.unfit(&path, FileType::Directory))),
                found => found,
            }
        };
        paths.map(look).collect()
    }

    fn look_in(&self, parent: BorrowedFd<'_>, name: &str, path: &str) -> Result<Found, StoreError> {
        let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.error(path, error))?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Found::File(Facts::of(&stat)),
            FileType::Directory => Found::Folder,
            other => Found::Unfit(Box::new(self.unfit(path, other))),
        })
    }

    /// Opens the file at `path`; what is no file is refused and not waited for.
    pub(super) fn open_file(
        &self,
        path: &str,
        access: Access,
    ) -> Result<(File, Facts), StoreError> {
        // Without NONBLOCK, opening a pipe would wait for its other end.
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = flags
            | match access {
                Access::Read => OFlags::RDONLY,
                Access::Write => OFlags::RDWR,
                Access::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            };
        let at_once = if access == Access::Create { None } else { self.open_at_once(path, flags) };
        let file = match at_once {
            Some(file) => file,
            None => {
                let (parent, name) = self.parent(path, access == Access::Create)?;
                let parent = self.or_folder(parent.as_ref());
                fs::openat(parent, name, flags, Mode::from_raw_mode(0o666))
                    .map_err(|error| self.explain(parent, name, path, error))?
            }
        };
        let stat = fs::fstat(&file).map_err(|error| self.error(path, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((File::from(file), Facts::of(&stat))),
            other => Err(self.unfit(path, other)),
        }
    }

    /// Opens what is at `path` with one system call, where there is such a call. None: it is not there, some part of the
    /// path is a link, or the system cannot do it (Linux before 5.6); the long way tells which.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn open_at_once(&self, path: &str, flags: OFlags) -> Option<OwnedFd> {
        use rustix::fs::ResolveFlags;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        fs::openat2(&self.folder, path, flags, Mode::empty(), resolve).ok()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[expect(clippy::unused_self, reason = "as where there is such a call")]
    fn open_at_once(&self, _: &str, _: OFlags) -> Option<OwnedFd> {
        None
    }

    /// Makes the folder at `path` and those it lies in; it may be there.
    pub(super) fn make_folder(&self, path: &str) -> Result<(), StoreError> {
        let (parent, name) = self.parent(path, true)?;
        self.enter(self.or_folder(parent.as_ref()), name, path, true).map(drop)
    }

    /// Makes all that lies on the file system of this folder durable.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn sync_file_system(&self) -> Result<(), StoreError> {
        fs::syncfs(&self.folder).map_err(|error| StoreError::io(&self.path, error))
    }

    /// Keeps other processes from claiming downloads in this folder until it is dropped: for moments only. None where
    /// the file system has no locks.
    pub(super) fn lock(&self) -> Option<OwnedFd> {
        // A lock belongs to what was opened: each call needs one of its own.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::openat(&self.folder, ".", flags, Mode::empty()).ok()?;
        fs::flock(&folder, fs::FlockOperation::LockExclusive).ok()?;
        Some(folder)
    }

    /// Makes the names in this folder durable.
    pub(super) fn sync_names(&self) -> Result<(), StoreError> {
        fs::fsync(&self.folder).map_err(|error| StoreError::io(&self.path, error))
    }

    /// The whole path, for people and for errors.
    pub(super) fn full(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// The folder that `path` lies in (none: this one), and the last component.
    fn parent<'p>(
        &self,
        path: &'p str,
        make: bool,
    ) -> Result<(Option<OwnedFd>, &'p str), StoreError> {
        let mut parent = None;
        let mut start = 0;
        for (end, _) in path.match_indices('/') {
            let at = self.or_folder(parent.as_ref());
            parent = Some(self.enter(at, &path[start..end], &path[..end], make)?);
            start = end + 1;
        }
        Ok((parent, &path[start..]))
    }

    /// Opens the folder `name` in `parent`; `path` is its path from here.
    fn enter(
        &self,
        parent: BorrowedFd<'_>,
        name: &str,
        path: &str,
        make: bool,
    ) -> Result<OwnedFd, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || fs::openat(parent, name, flags, Mode::empty());
        let mut opened = open();
        if make && matches!(opened, Err(Errno::NOENT)) {
            match fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
                // Another thread may have been faster.
                Ok(()) | Err(Errno::EXIST) => opened = open(),
                Err(error) => return Err(self.error(path, error)),
            }
        }
        opened.map_err(|error| self.explain(parent, name, path, error))
    }

    /// Why `name` in `parent` could not be opened: the system's numbers tell links and folders
    /// badly.
    fn explain(&self, parent: BorrowedFd<'_>, name: &str, path: &str, error: Errno) -> StoreError {
        if matches!(error, Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO | Errno::MLINK)
            && let Ok(stat) = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        {
            return self.unfit(path, FileType::from_raw_mode(stat.st_mode));
        }
        self.error(path, error)
    }

    fn unfit(&self, path: &str, found: FileType) -> StoreError {
        StoreError::Unfit { path: self.full(path), kind: kind_of(found) }
    }

    fn error(&self, path: &str, error: Errno) -> StoreError {
        let path = self.full(path);
        match error {
            Errno::NOENT => StoreError::Missing { path },
            Errno::EXIST => StoreError::Exists { path, more: 0 },
            error => StoreError::Io { path, source: io::Error::from(error) },
        }
    }

    fn or_folder<'f>(&'f self, parent: Option<&'f OwnedFd>) -> BorrowedFd<'f> {
        parent.unwrap_or(&self.folder).as_fd()
    }
}

impl From<&Metadata> for Facts {
    fn from(metadata: &Metadata) -> Self {
        let mtime_ns = nanoseconds(metadata.mtime(), metadata.mtime_nsec());
        Self { length: metadata.len(), mtime_ns, linked: metadata.nlink() > 0 }
    }
}

/// Of a time that is so far away that it does not fit, the nearest that does.
fn nanoseconds(seconds: i64, more: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(more)
}

impl Facts {
    /// Asks about an open file: one system call, 0.4 us.
    pub(super) fn of_open(file: &File) -> io::Result<Self> {
        Ok(Self::of(&fs::fstat(file)?))
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::unnecessary_cast,
        reason = "the types of these fields differ between systems; all fit"
    )]
    fn of(stat: &fs::Stat) -> Self {
        let mtime_ns = nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64);
        Self { length: stat.st_size as u64, mtime_ns, linked: stat.st_nlink > 0 }
    }
}

/// A look that failed as something that was found.
fn found(looked: Result<Found, StoreError>) -> Found {
    match looked {
        Ok(found) => found,
        Err(StoreError::Missing { .. }) => Found::Missing,
        Err(error) => Found::Unfit(Box::new(error)),
    }
}

/// What a thing is that is not what it should be.
fn kind_of(found: FileType) -> &'static str {
    match found {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn unfit(error: StoreError) -> (PathBuf, &'static str) {
        match error {
            StoreError::Unfit { path, kind } => (path, kind),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn folders_are_made_on_the_way_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let beneath = Beneath::create(&folder.path().join("x/y")).unwrap();
        assert!(matches!(beneath.look("a/b/c"), Found::Missing));
        let opened = beneath.open_file("a/b/c", Access::Write);
        assert!(matches!(opened, Err(StoreError::Missing { .. })));
        beneath.open_file("a/b/c", Access::Create).unwrap();
        assert!(matches!(beneath.look("a/b/c"), Found::File(facts) if facts.length == 0));
        assert!(matches!(beneath.look("a/b"), Found::Folder));
        let again = beneath.open_file("a/b/c", Access::Create);
        assert!(matches!(again, Err(StoreError::Exists { more: 0, .. })));
    }

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("file"), "x").unwrap();
        symlink(outside.path(), folder.path().join("folder")).unwrap();
        symlink(outside.path().join("file"), folder.path().join("file")).unwrap();
        let beneath = Beneath::open(folder.path()).unwrap();
        for access in [Access::Read, Access::Write, Access::Create] {
            let error = beneath.open_file("folder/file", access).unwrap_err();
            assert_eq!(unfit(error), (folder.path().join("folder"), "a symbolic link"));
        }
        for access in [Access::Read, Access::Write] {
            let error = beneath.open_file("file", access).unwrap_err();
            assert_eq!(unfit(error), (folder.path().join("file"), "a symbolic link"));
        }
        assert!(matches!(beneath.look("file"), Found::Unfit(_)));
        assert!(matches!(beneath.look("folder/file"), Found::Unfit(_)));
        assert!(beneath.make_folder("folder/new").is_err());
        assert!(!outside.path().join("new").exists());
    }

    #[test]
    fn files_of_many_folders_are_looked_for_in_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let beneath = Beneath::open(folder.path()).unwrap();
        for path in ["a/b/1", "a/b/2", "a/3", "4"] {
            beneath.open_file(path, Access::Create).unwrap();
        }
        symlink(folder.path().join("a"), folder.path().join("link")).unwrap();
        let paths = ["4", "a/3", "a/b/1", "a/b/2", "a/b/9", "no/1", "4/1", "link/3", "a/b", "4"];
        let found = beneath.look_for_files(paths.into_iter().map(str::to_owned));
        let drawn = found.iter().map(|found| match found {
            Found::File(_) => 'f',
            Found::Missing => '-',
            Found::Folder => 'd',
            Found::Unfit(_) => '!',
        });
        assert_eq!(drawn.collect::<String>(), "ffff--!!!f");
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let beneath = Beneath::open(folder.path()).unwrap();
        beneath.make_folder("folder").unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        for (path, kind) in [("folder", "a folder"), ("socket", "a socket")] {
            for access in [Access::Read, Access::Write] {
                assert_eq!(unfit(beneath.open_file(path, access).unwrap_err()).1, kind);
            }
        }
        let error = beneath.open_file("file/inside", Access::Create).unwrap_err();
        assert_eq!(unfit(error), (folder.path().join("file"), "a file"));
        assert!(matches!(beneath.look("file/inside"), Found::Unfit(_)));
    }
}
