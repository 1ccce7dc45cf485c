//! The files of one content as one row of bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::layout::Layout;
use crate::manifest::{FileRange, Manifest};

use super::beneath::{Access, Beneath, Facts};
use super::error::StoreError;
use super::gather::Gather;
use super::handles::{HandleCache, Owner};
use super::survey::{Survey, path_inside};

/// The file is there: it may be opened, and never made again if it vanishes, for a new one would
/// have holes where chunks are held.
const PRESENT: u8 = 1;
/// It has its whole length. Shorter means: truncated by someone.
const SIZED: u8 = 2;
/// It has been written to since it was last made durable.
const DIRTY: u8 = 4;

/// Beyond this, making the whole file system durable at once is faster than one file after the
/// other (a millisecond each).
const SYNC_EACH_MAX: usize = 32;

/// The files of one content: positioned reads and writes from several threads, no lock held
/// meanwhile.
///
/// Every read asks the system about the file once, and every write twice, so that a file that was
/// removed, replaced, cut or written to by others is noticed and not passed on. Whether what was
/// written makes a difference (`touch` makes none) only a check tells. Asking takes 0.4 us; 256 KiB
/// take 28 us to read from the system's cache and 53 us to write.
#[derive(Debug)]
pub(super) struct ContentFiles {
    manifest: Manifest,
    root: Beneath,
    name: String,
    files: Vec<FileState>,
    handles: Arc<HandleCache>,
    owner: Owner,
    /// Files are opened for writing, and change by our own hand.
    writing: AtomicBool,
    /// Held while a file is made, so that two threads do not both try.
    making: Mutex<()>,
}

/// 16 bytes for each file.
#[derive(Debug)]
struct FileState {
    flags: AtomicU8,
    /// When the file was written to last, as far as we know. Nobody else may do so.
    mtime_ns: AtomicI64,
}

impl FileState {
    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag == flag
    }

    fn set(&self, flags: u8) {
        self.flags.fetch_or(flags, Ordering::AcqRel);
    }

    /// Takes a flag away; returns whether it was set.
    fn take(&self, flag: u8) -> bool {
        self.flags.fetch_and(!flag, Ordering::AcqRel) & flag != 0
    }
}

impl ContentFiles {
    /// The files as they were surveyed; read only until [`ContentFiles::start_writing`].
    pub(super) fn new(
        manifest: &Manifest,
        root: Beneath,
        name: String,
        survey: &Survey,
        handles: Arc<HandleCache>,
    ) -> Self {
        let state = |(facts, expected): (Option<Facts>, u64)| FileState {
            flags: AtomicU8::new(match facts {
                None => 0,
                Some(facts) if facts.length == expected => PRESENT | SIZED,
                Some(_) => PRESENT,
            }),
            mtime_ns: AtomicI64::new(facts.map_or(i64::MIN, |facts| facts.mtime_ns)),
        };
        let lengths = manifest.files().iter().map(|file| file.length);
        Self {
            manifest: manifest.clone(),
            root,
            name,
            files: survey.all().zip(lengths).map(state).collect(),
            owner: handles.new_owner(),
            handles,
            writing: AtomicBool::new(false),
            making: Mutex::default(),
        }
    }

    pub(super) fn layout(&self) -> Layout {
        self.manifest.layout()
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn root(&self) -> &Beneath {
        &self.root
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where a file of the content is, for people.
    pub(super) fn path(&self, file: usize) -> PathBuf {
        self.root.full(&self.inside(file))
    }

    fn inside(&self, file: usize) -> String {
        path_inside(&self.name, self.manifest.files().get(file).map_or("", |file| &file.path))
    }

    /// Opens files for writing from now on.
    pub(super) fn start_writing(&self) {
        self.handles.forget_all(self.owner);
        self.writing.store(true, Ordering::Release);
    }

    /// The content is final, and looks so.
    pub(super) fn stop_writing(&self, survey: &Survey) {
        for (state, facts) in self.files.iter().zip(survey.all()) {
            let mtime_ns = facts.map_or(i64::MIN, |facts| facts.mtime_ns);
            state.mtime_ns.store(mtime_ns, Ordering::Release);
        }
        self.writing.store(false, Ordering::Release);
        self.handles.forget_all(self.owner);
    }

    /// Fills `buffer` from `offset` in the content.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let length = buffer.len() as u64;
        self.check_range(offset, length)?;
        let mut rest = buffer;
        for range in self.manifest.file_ranges(offset, length) {
            // Both fit: the range is a part of the buffer.
            let length = usize::try_from(range.length).unwrap_or(usize::MAX).min(rest.len());
            let (part, after) = rest.split_at_mut(length);
            self.read_file(range, part)?;
            rest = after;
        }
        Ok(())
    }

    fn read_file(&self, range: FileRange, part: &mut [u8]) -> Result<(), StoreError> {
        // Before the facts: once we write no more, they change by others only.
        let writing = self.writing.load(Ordering::Acquire);
        let handle = self.handle(range.file)?;
        let read = handle.read_exact_at(part, range.offset_in_file);
        let facts = self.facts_of(range.file, &handle)?;
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.wrong_length(range.file, facts))
            }
            Err(error) => Err(StoreError::io(self.path(range.file), error)),
            Ok(()) if writing => Ok(()),
            Ok(()) => self.check_time(range.file, facts),
        }
    }

    /// Writes `blocks` at `offset` in the content.
    pub(super) fn write(
        &self,
        offset: u64,
        length: u64,
        mut blocks: Gather<'_>,
    ) -> Result<(), StoreError> {
        self.check_range(offset, length)?;
        for range in self.manifest.file_ranges(offset, length) {
            self.write_file(range, &mut blocks)?;
        }
        Ok(())
    }

    fn write_file(&self, range: FileRange, blocks: &mut Gather<'_>) -> Result<(), StoreError> {
        let state = &self.files[range.file];
        let handle = if state.has(PRESENT | SIZED) {
            let handle = self.handle(range.file)?;
            self.check_length(range.file, self.facts_of(range.file, &handle)?)?;
            handle
        } else {
            self.make(range)?
        };
        state.set(DIRTY);
        blocks.write_at(&handle, range.offset_in_file, range.length).map_err(|error| {
            if range.length == self.length(range.file) {
                // It has not grown to its length; as it has no other part, nothing held is in it.
                state.take(SIZED);
            }
            StoreError::io(self.path(range.file), error)
        })?;
        // Asked for after the write, so that the record knows the time that the write left.
        let facts = self.facts_of(range.file, &handle)?;
        state.mtime_ns.fetch_max(facts.mtime_ns, Ordering::AcqRel);
        Ok(())
    }

    /// Makes the file that is to be written to, if need be, and gives it its length: sparse until
    /// it is filled.
    fn make(&self, range: FileRange) -> Result<Arc<File>, StoreError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &self.files[range.file];
        let present = state.has(PRESENT);
        let (file, facts) =
            self.open(range.file, if present { Access::Write } else { Access::Create })?;
        state.set(PRESENT);
        let length = self.length(range.file);
        // A file that is written as a whole grows to its length by that.
        if facts.length != length && (facts.length > length || range.length < length) {
            file.set_len(length).map_err(|error| StoreError::io(self.path(range.file), error))?;
        }
        let file = Arc::new(file);
        self.handles.insert(self.owner, range.file, &file);
        state.set(SIZED | DIRTY);
        Ok(file)
    }

    /// Makes what no chunk makes: empty files, empty folders, and the content's own folder.
    pub(super) fn make_empty(&self) -> Result<(), StoreError> {
        if !self.manifest.is_single_file() {
            self.root.make_folder(&self.name)?;
        }
        for path in self.manifest.empty_folders() {
            self.root.make_folder(&path_inside(&self.name, path))?;
        }
        for (index, file) in self.manifest.files().iter().enumerate() {
            if file.length == 0 && !self.files[index].has(PRESENT | SIZED) {
                self.make(FileRange { file: index, offset_in_file: 0, length: 0 })?;
            }
        }
        Ok(())
    }

    /// Cuts files that are longer than the content says.
    pub(super) fn cut(&self) -> Result<(), StoreError> {
        for (index, file) in self.manifest.files().iter().enumerate() {
            if self.files[index].has(PRESENT) && !self.files[index].has(SIZED) {
                self.make(FileRange { file: index, offset_in_file: 0, length: file.length })?;
            }
        }
        Ok(())
    }

    /// Lets programs be run by whoever may read them: the reading bits are what the umask let
    /// through when the file was made.
    pub(super) fn make_executable(&self) -> Result<(), StoreError> {
        use std::os::unix::fs::PermissionsExt;
        for (index, _) in
            self.manifest.files().iter().enumerate().filter(|(_, file)| file.executable)
        {
            let failed = |error| StoreError::io(self.path(index), error);
            let (file, _) = self.open(index, Access::Read)?;
            let mut permissions = file.metadata().map_err(failed)?.permissions();
            let mode = permissions.mode();
            if mode & 0o111 != (mode & 0o444) >> 2 {
                permissions.set_mode(mode | (mode & 0o444) >> 2);
                file.set_permissions(permissions).map_err(failed)?;
                self.files[index].set(DIRTY);
            }
        }
        Ok(())
    }

    /// Regards all files that are there as not yet durable: written by a process that is gone.
    pub(super) fn doubt_durability(&self) {
        self.files.iter().filter(|state| state.has(PRESENT)).for_each(|state| state.set(DIRTY));
    }

    /// Makes what was written before this call durable. Not to be called by two threads at a time.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let dirty: Vec<usize> =
            (0..self.files.len()).filter(|&file| self.files[file].take(DIRTY)).collect();
        let synced = self.sync_files(&dirty);
        if synced.is_err() {
            dirty.iter().for_each(|&file| self.files[file].set(DIRTY));
        }
        synced
    }

    fn sync_files(&self, files: &[usize]) -> Result<(), StoreError> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if files.len() > SYNC_EACH_MAX {
            return self.root.sync_file_system();
        }
        files.iter().try_for_each(|&file| {
            // With its length and time, by which the record knows it.
            let synced = self.handle(file)?.sync_all();
            synced.map_err(|error| StoreError::io(self.path(file), error))
        })
    }

    /// The files of a range of the content, and when we saw each written to last.
    pub(super) fn mtimes_ns(
        &self,
        offset: u64,
        length: u64,
    ) -> impl Iterator<Item = (usize, i64)> + '_ {
        let ranges = self.manifest.file_ranges(offset, length);
        ranges.map(|range| (range.file, self.files[range.file].mtime_ns.load(Ordering::Acquire)))
    }

    /// Looks at all files, each of which must have its length.
    pub(super) fn survey_complete(&self) -> Result<Survey, StoreError> {
        let survey = Survey::of(&self.manifest, &self.root, &self.name).without_unfit()?;
        self.check_lengths(&survey)?;
        Ok(survey)
    }

    /// Looks at all files again: nobody else may have written to one.
    pub(super) fn survey_unchanged(&self) -> Result<Survey, StoreError> {
        let survey = self.survey_complete()?;
        for (file, facts) in survey.all().enumerate() {
            facts.map_or(Ok(()), |facts| self.check_time(file, facts))?;
        }
        Ok(survey)
    }

    /// Whether all files are there, each with its length.
    pub(super) fn check_lengths(&self, survey: &Survey) -> Result<(), StoreError> {
        survey.all().enumerate().try_for_each(|(file, facts)| {
            let facts = facts.ok_or_else(|| StoreError::Missing { path: self.path(file) })?;
            self.check_length(file, facts)
        })
    }

    /// The open file, from the cache as a rule.
    fn handle(&self, file: usize) -> Result<Arc<File>, StoreError> {
        if let Some(handle) = self.handles.find(self.owner, file) {
            return Ok(handle);
        }
        let writing = self.writing.load(Ordering::Acquire);
        let (handle, _) = self.open(file, if writing { Access::Write } else { Access::Read })?;
        let handle = Arc::new(handle);
        self.handles.insert(self.owner, file, &handle);
        Ok(handle)
    }

    fn open(&self, file: usize, access: Access) -> Result<(File, Facts), StoreError> {
        let path = self.inside(file);
        let opened = self.root.open_file(&path, access);
        match &opened {
            Err(error) if error.is_handle_shortage() => {
                self.handles.clear();
                self.root.open_file(&path, access)
            }
            _ => opened,
        }
    }

    /// What is known of an open file, which must not have been removed meanwhile.
    fn facts_of(&self, file: usize, handle: &File) -> Result<Facts, StoreError> {
        let facts =
            Facts::of_open(handle).map_err(|error| StoreError::io(self.path(file), error))?;
        if facts.linked {
            Ok(facts)
        } else {
            self.handles.forget(self.owner, file);
            Err(StoreError::Removed { path: self.path(file) })
        }
    }

    fn check_length(&self, file: usize, facts: Facts) -> Result<(), StoreError> {
        if facts.length == self.length(file) { Ok(()) } else { Err(self.wrong_length(file, facts)) }
    }

    fn check_time(&self, file: usize, facts: Facts) -> Result<(), StoreError> {
        if facts.mtime_ns == self.files[file].mtime_ns.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(StoreError::Modified { path: self.path(file) })
        }
    }

    fn wrong_length(&self, file: usize, facts: Facts) -> StoreError {
        let expected = self.length(file);
        StoreError::Length { path: self.path(file), expected, actual: facts.length }
    }

    fn length(&self, file: usize) -> u64 {
        self.manifest.files().get(file).map_or(0, |file| file.length)
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), StoreError> {
        match offset.checked_add(length) {
            Some(end) if end <= self.layout().length() => Ok(()),
            _ => Err(StoreError::Range { offset, length }),
        }
    }
}

impl Drop for ContentFiles {
    fn drop(&mut self) {
        self.handles.forget_all(self.owner);
    }
}
