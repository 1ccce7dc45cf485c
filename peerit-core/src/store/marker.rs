//! The marker beside unfinished content: says that it is unfinished, and records what is held.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, ContentId};
use crate::manifest::{COMPONENT_LENGTH_MAX, Manifest};

use super::beneath::Beneath;
use super::claim::{Claim, unlock};
use super::error::StoreError;
use super::gather::write_all_at;
use super::record::{self, BootId, ENTRY_LENGTH, Entry, HEADER_LENGTH, Record};

const SUFFIX: &str = ".peerit-partial";

/// The marker of a download that goes on.
#[derive(Debug)]
pub(super) struct Marker {
    path: PathBuf,
    id: ContentId,
    file: File,
    journal: Mutex<Journal>,
}

/// What the marker's file holds. The lock is held for a write of some hundred bytes.
#[derive(Debug)]
struct Journal {
    held: Bitfield,
    /// How many entries are in the file: the next is written behind them, over what a failed write
    /// left there.
    entries: u64,
    /// How many of them are known to be durable.
    durable: u64,
}

impl Marker {
    /// Puts a new marker in place of what was there. It stands before the first byte of content
    /// does, and no other process goes on with the download until it is released.
    ///
    /// `mtimes_ns` are those of the files that are there; `durable`: whether `held` is on the disk.
    pub(super) fn create(
        claim: Claim,
        root: &Beneath,
        manifest: &Manifest,
        boot: Option<BootId>,
        held: Bitfield,
        durable: bool,
        mtimes_ns: impl Iterator<Item = Option<i64>>,
    ) -> Result<Self, StoreError> {
        let id = manifest.content_id();
        let mut bytes = record::encode_header(manifest, boot).to_vec();
        let files = mtimes_ns
            .enumerate()
            .filter_map(|(file, mtime_ns)| Some(Entry::File { file, mtime_ns: mtime_ns? }));
        for entry in files.chain(held.iter().map(Entry::Chunk)) {
            bytes.extend_from_slice(&record::encode_entry(&id, entry));
        }
        let mut entries = ((bytes.len() - HEADER_LENGTH) / ENTRY_LENGTH) as u64;
        if durable {
            bytes.extend_from_slice(&record::encode_entry(&id, Entry::Durable { entries }));
            entries += 1;
        }
        let (path, file) = claim.replace(root, &bytes)?;
        let journal = Journal { held, entries, durable: if durable { entries } else { 0 } };
        Ok(Self { path, id, file, journal: Mutex::new(journal) })
    }

    /// Lets others go on with the download, though the marker is open still.
    pub(super) fn release(&self) {
        unlock(&self.file);
    }

    pub(super) fn holds(&self, chunk: ChunkIndex) -> bool {
        self.lock().held.contains(chunk)
    }

    /// How many chunks are not recorded as held.
    pub(super) fn missing(&self) -> u32 {
        let journal = self.lock();
        journal.held.len() - journal.held.count()
    }

    /// Records that `chunk` is written and how that left its files. What the system has taken
    /// survives the end of this process, not that of the system.
    pub(super) fn add(
        &self,
        chunk: ChunkIndex,
        files: impl Iterator<Item = (usize, i64)>,
    ) -> Result<(), StoreError> {
        let files = files.map(|(file, mtime_ns)| Entry::File { file, mtime_ns });
        let mut journal = self.lock();
        self.append(&mut journal, files.chain([Entry::Chunk(chunk)]))?;
        journal.held.insert(chunk);
        Ok(())
    }

    /// What to give to [`Marker::set_durable`] when what is recorded by now has become durable;
    /// none if it is.
    pub(super) fn not_durable(&self) -> Option<u64> {
        let journal = self.lock();
        (journal.durable < journal.entries).then_some(journal.entries)
    }

    /// Records that the first `entries` are true of the disk itself.
    pub(super) fn set_durable(&self, entries: u64) -> Result<(), StoreError> {
        let mut journal = self.lock();
        let all = journal.entries == entries;
        self.append(&mut journal, [Entry::Durable { entries }].into_iter())?;
        let durable = if all { journal.entries } else { entries };
        drop(journal);
        self.file.sync_data().map_err(|error| StoreError::io(&self.path, error))?;
        self.lock().durable = durable;
        Ok(())
    }

    /// Takes the marker away: the content is complete.
    pub(super) fn remove(&self) -> Result<(), StoreError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(&self.path, error))
            }
            _ => Ok(()),
        }
    }

    /// Writes entries behind those that are there; all of them count, or none.
    fn append(
        &self,
        journal: &mut Journal,
        entries: impl Iterator<Item = Entry>,
    ) -> Result<(), StoreError> {
        /// Entries written at once: those of a chunk, unless it is of very small files.
        const BATCH: usize = 64;
        let mut buffer = [0; BATCH * ENTRY_LENGTH];
        let mut count = journal.entries;
        let mut entries = entries.peekable();
        while entries.peek().is_some() {
            let offset = HEADER_LENGTH as u64 + count * ENTRY_LENGTH as u64;
            let mut used = 0;
            for (place, entry) in buffer.chunks_exact_mut(ENTRY_LENGTH).zip(&mut entries) {
                place.copy_from_slice(&record::encode_entry(&self.id, entry));
                used += ENTRY_LENGTH;
                count += 1;
            }
            write_all_at(&self.file, &buffer[..used], offset)
                .map_err(|error| StoreError::io(&self.path, error))?;
        }
        journal.entries = count;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the marker of the content `name` in `folder` is. Beside a name so long that the suffix has
/// no room, it is named by the content id.
pub(super) fn path_of(folder: &Path, name: &str, id: ContentId) -> PathBuf {
    beside(folder, name).unwrap_or_else(|| folder.join(format!("{id}{SUFFIX}")))
}

/// Where the marker of any content called `name` is, if the suffix has room.
pub(super) fn beside(folder: &Path, name: &str) -> Option<PathBuf> {
    // One byte for the temporary file of `replace`.
    let has_room = name.len() + SUFFIX.len() < COMPONENT_LENGTH_MAX;
    has_room.then(|| folder.join(format!("{name}{SUFFIX}")))
}

/// Whether a file of this name is a marker.
pub(super) fn is_marker(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// Reads the record at `path`. One that cannot be read at all is as good as damaged.
pub(super) fn read(path: &Path, manifest: &Manifest) -> Record {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(record::length_max(manifest)).read_to_end(&mut bytes));
    match read {
        Ok(_) => record::decode(&bytes, manifest),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Record::Absent,
        Err(_) => Record::Damaged,
    }
}

/// Names this run of the system, where it can be told.
pub(super) fn boot_id() -> Option<BootId> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.trim().chars().filter(|&digit| digit != '-').collect();
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?.try_into().ok()
}
