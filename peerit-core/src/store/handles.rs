//! Open files, of which a system allows few.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many files a [`HandleCache`] keeps open by default. Many systems allow a process 1,024, or
/// 256, of which connections need the most.
pub const HANDLE_COUNT_DEFAULT: usize = 128;

/// Keeps the files that were used last open; shared by all stores of a node.
///
/// Finding one costs a short lock and no allocation. Files in use at this moment by a thread stay
/// open beyond the limit, so there are at most the limit and one per thread.
#[derive(Debug)]
pub struct HandleCache {
    open: Mutex<Open>,
    limit: usize,
    owners: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    files: HashMap<Key, Entry>,
    /// Counts uses: a number that grows.
    clock: u64,
}

/// A store and a file of its content.
type Key = (Owner, usize);

/// A store that keeps its files here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner(u64);

#[derive(Debug)]
struct Entry {
    file: Arc<File>,
    used: u64,
}

impl Default for HandleCache {
    fn default() -> Self {
        Self::new(HANDLE_COUNT_DEFAULT)
    }
}

impl HandleCache {
    /// Keeps at most `limit` files open; at least one.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { open: Mutex::default(), limit: limit.max(1), owners: AtomicU64::new(0) }
    }

    /// How many files are open now.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.lock().files.len()
    }

    pub(super) fn new_owner(&self) -> Owner {
        Owner(self.owners.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn find(&self, owner: Owner, file: usize) -> Option<Arc<File>> {
        let mut open = self.lock();
        open.clock += 1;
        let clock = open.clock;
        let entry = open.files.get_mut(&(owner, file))?;
        entry.used = clock;
        Some(Arc::clone(&entry.file))
    }

    /// Keeps a file that was just opened, in place of one that was open before.
    pub(super) fn insert(&self, owner: Owner, file: usize, handle: &Arc<File>) {
        let mut open = self.lock();
        open.clock += 1;
        let entry = Entry { file: Arc::clone(handle), used: open.clock };
        // Looking at all to find the oldest is cheap beside the opening that led here.
        let oldest = (open.files.len() >= self.limit)
            .then(|| open.files.iter().min_by_key(|(_, entry)| entry.used).map(|(&key, _)| key))
            .flatten();
        let dropped = oldest.and_then(|key| open.files.remove(&key));
        let replaced = open.files.insert((owner, file), entry);
        drop(open);
        // Closing can take long, on a network's disk say: not under the lock.
        drop((dropped, replaced));
    }

    pub(super) fn forget(&self, owner: Owner, file: usize) {
        let forgotten = self.lock().files.remove(&(owner, file));
        drop(forgotten);
    }

    pub(super) fn forget_all(&self, owner: Owner) {
        let forgotten: Vec<_> = self.lock().files.extract_if(|&(of, _), _| of == owner).collect();
        drop(forgotten);
    }

    /// Closes all files that nobody uses now: the process is short of handles.
    pub(super) fn clear(&self) {
        let closed = std::mem::take(&mut self.lock().files);
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> Arc<File> {
        Arc::new(tempfile::tempfile().unwrap())
    }

    #[test]
    fn the_file_unused_for_longest_is_closed() {
        let cache = HandleCache::new(2);
        let owner = cache.new_owner();
        let first = handle();
        cache.insert(owner, 0, &first);
        cache.insert(owner, 1, &handle());
        assert!(cache.find(owner, 0).is_some());
        cache.insert(owner, 2, &handle());
        assert_eq!(cache.open_count(), 2);
        assert!(cache.find(owner, 1).is_none());
        assert!(Arc::ptr_eq(&cache.find(owner, 0).unwrap(), &first));
    }

    #[test]
    fn stores_do_not_see_each_others_files() {
        let cache = HandleCache::default();
        let (one, other) = (cache.new_owner(), cache.new_owner());
        cache.insert(one, 0, &handle());
        cache.insert(other, 0, &handle());
        cache.forget_all(one);
        assert!(cache.find(one, 0).is_none());
        assert!(cache.find(other, 0).is_some());
        cache.forget(other, 0);
        assert_eq!(cache.open_count(), 0);
    }
}
