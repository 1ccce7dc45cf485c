//! The memory of a node's downloads: who may begin how many chunks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::scheduler;

/// Most bytes of chunks that are begun and not yet stored, of all downloads together. With what connections hold, a
/// few MiB for each download at full speed, and the program itself a node stays under 256 MiB.
const BYTES_MAX: u64 = 160 << 20;

/// Chunks that a download needs to keep its peers busy: while one is checked and stored the next one comes.
const CHUNKS_MIN: u64 = 2;

/// Shares memory out among downloads: as much as each could use where there is enough, else the same for all, and for
/// those that came last nothing until an earlier one has ended.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    places: Mutex<Vec<Arc<Place>>>,
}

/// What one download may use. Dropped to give it back.
#[derive(Debug)]
pub(crate) struct Allotment {
    memory: Arc<Memory>,
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    chunk_length: u64,
    /// What a download holds that is paused and begins nothing; [`ACTIVE`] of one that is not.
    held: AtomicU64,
    bytes_max: AtomicU64,
}

const ACTIVE: u64 = u64::MAX;

impl Memory {
    /// A download begins, with chunks of so many bytes.
    pub(crate) fn join(self: &Arc<Self>, chunk_length: u32) -> Allotment {
        let place = Arc::new(Place {
            chunk_length: chunk_length.into(),
            held: AtomicU64::new(ACTIVE),
            bytes_max: AtomicU64::new(0),
        });
        let mut places = self.lock();
        places.push(Arc::clone(&place));
        share_out(&places);
        drop(places);
        Allotment { memory: Arc::clone(self), place }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Allotment {
    /// How much it is now, in bytes; it changes when others begin and end.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.place.bytes_max.load(Ordering::Relaxed)
    }

    /// It begins nothing more, and holds so many bytes.
    pub(crate) fn pause(&self, held: u64) {
        self.set_held(held.min(ACTIVE - 1));
    }

    /// It goes on.
    pub(crate) fn resume(&self) {
        self.set_held(ACTIVE);
    }

    fn set_held(&self, held: u64) {
        let places = self.memory.lock();
        self.place.held.store(held, Ordering::Relaxed);
        share_out(&places);
    }
}

impl Drop for Allotment {
    fn drop(&mut self) {
        let mut places = self.memory.lock();
        places.retain(|place| !Arc::ptr_eq(place, &self.place));
        share_out(&places);
    }
}

fn share_out(places: &[Arc<Place>]) {
    let share_max = scheduler::Config::default().partial_bytes_max;
    let (paused, active): (Vec<_>, Vec<_>) =
        places.iter().partition(|place| place.held.load(Ordering::Relaxed) != ACTIVE);
    let mut left = paused.iter().fold(BYTES_MAX, |left, place| {
        let held = place.held.load(Ordering::Relaxed);
        place.bytes_max.store(held, Ordering::Relaxed);
        left.saturating_sub(held)
    });
    let mut fed = Vec::new();
    for place in active {
        let least = CHUNKS_MIN * place.chunk_length;
        place.bytes_max.store(0, Ordering::Relaxed);
        if least <= left {
            left -= least;
            fed.push((place, least));
        }
    }
    let more = left / (fed.len() as u64).max(1);
    for (place, least) in fed {
        place.bytes_max.store((least + more).min(share_max.max(least)), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn mib(allotments: &[Allotment]) -> Vec<u64> {
        allotments.iter().map(|allotment| allotment.bytes_max() / MIB).collect()
    }

    #[test]
    fn few_downloads_have_all_that_they_can_use_and_many_the_same() {
        let memory = Arc::<Memory>::default();
        let mut downloads: Vec<_> = (0..3).map(|_| memory.join(1 << 20)).collect();
        assert_eq!(mib(&downloads), [48; 3]);
        downloads.extend((0..5).map(|_| memory.join(1 << 20)));
        assert_eq!(mib(&downloads), [20; 8]);
        downloads.truncate(2);
        assert_eq!(mib(&downloads), [48; 2]);
    }

    #[test]
    fn the_sum_is_bounded_whatever_chunks_there_are() {
        let memory = Arc::<Memory>::default();
        let mut downloads: Vec<_> = (0..40).map(|n| memory.join(1 << (16 + n % 9))).collect();
        let sum = |downloads: &[Allotment]| downloads.iter().map(Allotment::bytes_max).sum::<u64>();
        assert!(sum(&downloads) <= BYTES_MAX);
        let waiting = |downloads: &[Allotment]| downloads.iter().any(|one| one.bytes_max() == 0);
        assert!(waiting(&downloads));
        while waiting(&downloads) {
            downloads.remove(0);
            assert!(sum(&downloads) <= BYTES_MAX && downloads.len() > 1);
        }
    }

    #[test]
    fn one_that_is_paused_keeps_what_it_holds() {
        let memory = Arc::<Memory>::default();
        let downloads: Vec<_> = (0..4).map(|_| memory.join(1 << 20)).collect();
        assert_eq!(mib(&downloads), [40; 4]);
        downloads[0].pause(10 * MIB);
        assert_eq!(mib(&downloads), [10, 48, 48, 48]);
        downloads[0].resume();
        assert_eq!(mib(&downloads), [40; 4]);
    }
}
