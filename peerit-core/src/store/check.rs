//! Hashing chunks that lie on disk, on all cores.

use std::num::NonZero;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::bitfield::Bitfield;
use crate::hash::{Digest, HashAlgorithm, Hasher};
use crate::id::ChunkIndex;
use crate::layout::Layout;

use super::content::ContentFiles;
use super::error::StoreError;

/// Read and hashed at once: stays in a core's own cache between the two.
const PIECE_LENGTH: usize = 256 << 10;
/// Threads beyond the cores, so that no core is idle while a disk answers.
const THREADS_WAITING: usize = 2;
/// Most threads. Memory is at most 64 pieces: 16 MiB.
const THREADS_MAX: usize = 64;

/// Hashes `chunks` of `content` on several threads; gives each digest to `each` on this thread, in
/// any order. Every byte is read once. An error of `each` ends it after the chunks that are being
/// hashed.
///
/// Memory: 256 KiB per thread, of which there are two more than cores, at most 64.
///
/// # Errors
/// That of `each`, or when no thread can be started.
pub(super) fn digest_chunks(
    content: &ContentFiles,
    algorithm: HashAlgorithm,
    chunks: &[ChunkIndex],
    mut each: impl FnMut(ChunkIndex, Result<Digest, StoreError>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (cores + THREADS_WAITING).min(THREADS_MAX).min(chunks.len());
    let todo = Mutex::new(chunks.iter());
    let next = || todo.lock().unwrap_or_else(PoisonError::into_inner).next().copied();
    let work = |sender: SyncSender<_>| {
        let mut piece = vec![0; PIECE_LENGTH];
        while let Some(chunk) = next() {
            let digest = digest(content, algorithm, chunk, &mut piece);
            // The receiver is gone when `each` wants no more.
            if sender.send((chunk, digest)).is_err() {
                break;
            }
        }
    };
    let work = &work;
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(threads);
        for started in 0..threads {
            let sender = sender.clone();
            match thread::Builder::new().spawn_scoped(scope, move || work(sender)) {
                Err(error) if started == 0 => return Err(StoreError::Thread(error)),
                // Fewer do as well.
                Err(_) => break,
                Ok(_) => {}
            }
        }
        drop(sender);
        receiver.into_iter().try_for_each(|(chunk, digest)| each(chunk, digest))
    })
}

/// The chunks that a range of the content touches.
pub(super) fn chunks_of(
    layout: Layout,
    offset: u64,
    length: u64,
) -> impl Iterator<Item = ChunkIndex> {
    let chunk_length = u64::from(layout.chunk_length());
    let end = if length == 0 { 0 } else { (offset + length).div_ceil(chunk_length) };
    // There are at most 65,536.
    (offset / chunk_length..end).filter_map(|index| u32::try_from(index).ok().map(ChunkIndex))
}

fn digest(
    content: &ContentFiles,
    algorithm: HashAlgorithm,
    chunk: ChunkIndex,
    piece: &mut [u8],
) -> Result<Digest, StoreError> {
    let layout = content.layout();
    let mut hasher = Hasher::new(algorithm);
    let mut offset = layout.chunk_start(chunk);
    let end = offset + u64::from(layout.length_of(chunk));
    while offset < end {
        let length = usize::try_from(end - offset).unwrap_or(usize::MAX).min(piece.len());
        content.read(offset, &mut piece[..length])?;
        hasher.update(&piece[..length]);
        offset += length as u64;
    }
    Ok(hasher.finish())
}

/// Adds to `held` those of `chunks` that match their digests. `progress` is told, on this thread,
/// how many bytes are checked so far.
///
/// # Errors
/// [`StoreError::Cancelled`] when `cancelled` says so. Chunks that cannot be read do not match.
pub(super) fn check_chunks(
    content: &ContentFiles,
    chunks: &[ChunkIndex],
    held: &mut Bitfield,
    cancelled: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<(), StoreError> {
    let manifest = content.manifest();
    let mut checked = 0;
    digest_chunks(content, manifest.hash_algorithm(), chunks, |chunk, digest| {
        match digest {
            Ok(digest) if digest.as_bytes() == manifest.digest(chunk) => {
                held.insert(chunk);
            }
            Ok(_) => {}
            Err(error) => log::warn!("chunk {} cannot be checked: {error}", chunk.0),
        }
        checked += u64::from(manifest.layout().length_of(chunk));
        progress(checked);
        if cancelled() { Err(StoreError::Cancelled) } else { Ok(()) }
    })
}
