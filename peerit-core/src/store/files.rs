//! Content in files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::id::ChunkIndex;

use super::content::ContentFiles;
use super::gather::Gather;
use super::marker::Marker;
use super::record::BootId;
use super::stamp::Stamp;
use super::survey::Survey;
use super::{Store, StoreError};

/// Keeps content in its files: see [`FileStore::open`].
///
/// Reads and writes are positioned, go to several files at once and hold no lock meanwhile. Memory:
/// 16 bytes per file, one bit per chunk, and the manifest, which is shared.
#[derive(Debug)]
pub struct FileStore {
    pub(super) content: ContentFiles,
    pub(super) state: State,
    pub(super) stamp_path: Option<PathBuf>,
}

/// Whether content may be written.
#[derive(Debug)]
pub(super) enum State {
    /// It is complete: it is shared, or was found so.
    ReadOnly,
    /// A download.
    Download {
        marker: Marker,
        /// The boot we are in, where it has a name.
        boot: Option<BootId>,
        /// Whether the marker is gone because all is there.
        finished: AtomicBool,
        /// Held while files are made durable: one thread at a time.
        settling: Mutex<()>,
    },
}

impl FileStore {
    /// Where the content is: the file, or the folder with the files.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.content.root().full(self.content.name())
    }

    /// Lets others go on with the download; nothing may be written any more. So does dropping the store, but
    /// what still reads from it may keep it for a while.
    pub fn release(&self) {
        if let State::Download { marker, .. } = &self.state {
            marker.release();
        }
    }

    /// Makes what is written durable, and has the marker say so.
    fn settle(&self, marker: &Marker) -> Result<(), StoreError> {
        if let Some(entries) = marker.not_durable() {
            self.content.sync()?;
            marker.set_durable(entries)?;
        }
        Ok(())
    }

    /// Makes complete content final: its empty files and folders, lengths, executable bits.
    fn complete(&self) -> Result<Survey, StoreError> {
        self.content.make_empty()?;
        self.content.cut()?;
        self.content.make_executable()?;
        self.content.survey_complete()
    }

    /// Writes the stamp, if there is a place for it: of durable content, or of what counts in this
    /// boot only. Without one, content is only hashed once more.
    pub(super) fn save_stamp(&self, survey: &Survey, boot: Option<BootId>) {
        let manifest = self.content.manifest();
        let Some(path) = self.stamp_path.as_deref() else { return };
        let Some(stamp) = Stamp::new(manifest.content_id(), boot, survey.all()) else { return };
        if Stamp::read(path, manifest).as_ref() != Some(&stamp) {
            write_stamp(&stamp, path);
        }
    }
}

fn write_stamp(stamp: &Stamp, path: &Path) {
    if let Err(error) = stamp.write(path) {
        log::warn!("the content will be hashed at the next start: {error}");
    }
}

impl Store for FileStore {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.content.read(offset, buffer)
    }

    fn write_chunk(
        &self,
        chunk: ChunkIndex,
        offset: u64,
        blocks: &[Bytes],
    ) -> Result<(), StoreError> {
        let State::Download { marker, .. } = &self.state else {
            return Err(StoreError::ReadOnly { path: self.path() });
        };
        if marker.holds(chunk) {
            return Ok(());
        }
        let layout = self.content.layout();
        let length = blocks.iter().map(|block| block.len() as u64).sum();
        let expected = u64::from(layout.length_of(chunk));
        if offset != layout.chunk_start(chunk) || length != expected || length == 0 {
            return Err(StoreError::Range { offset, length });
        }
        self.content.write(offset, length, Gather::new(blocks))?;
        // Only now: the record must never be ahead of the data.
        marker.add(chunk, self.content.mtimes_ns(offset, length))
    }

    fn finish(&self) -> Result<(), StoreError> {
        let State::Download { marker, boot, finished, settling } = &self.state else {
            return Ok(());
        };
        let _settling = lock(settling);
        if finished.load(Ordering::Acquire) {
            return Ok(());
        }
        match marker.missing() {
            0 => {}
            missing => return Err(StoreError::Incomplete { missing }),
        }
        let survey = self.complete()?;
        if boot.is_some() {
            self.save_stamp(&survey, *boot);
        }
        self.content.stop_writing(&survey);
        marker.remove()?;
        finished.store(true, Ordering::Release);
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        match &self.state {
            State::Download { finished, .. } if !finished.load(Ordering::Acquire) => Ok(()),
            _ => self.content.survey_unchanged().map(drop),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let State::Download { marker, finished, settling, .. } = &self.state else {
            return Ok(());
        };
        let _settling = lock(settling);
        if !finished.load(Ordering::Acquire) {
            return self.settle(marker);
        }
        self.content.sync()?;
        self.content.root().sync_names()?;
        self.save_stamp(&self.content.survey_unchanged()?, None);
        Ok(())
    }
}

fn lock(settling: &Mutex<()>) -> MutexGuard<'_, ()> {
    settling.lock().unwrap_or_else(PoisonError::into_inner)
}
