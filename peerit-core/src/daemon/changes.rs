//! One change of a share at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::lock::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::id::ContentId;

/// Lets the changes of one share come one after another, but not those of different shares: a disk that is
/// slow for one does not delay the others.
///
/// Each client changes one share at a time, and each manifest that comes in is saved once, so this holds no more
/// entries than there are clients and shares.
#[derive(Default)]
pub(super) struct Changes(Mutex<BTreeMap<ContentId, Weak<AsyncMutex<()>>>>);

impl Changes {
    /// Waits until the changes of this share that came before are done; this one is when the guard is
    /// dropped. Cancel safe.
    pub(super) async fn begin(&self, content_id: ContentId) -> OwnedMutexGuard<()> {
        self.lock_of(content_id).lock_owned().await
    }

    fn lock_of(&self, content_id: ContentId) -> Arc<AsyncMutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = locks.get(&content_id).and_then(Weak::upgrade).unwrap_or_default();
        locks.insert(content_id, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use futures_util::FutureExt;

    use super::*;

    const ONE: ContentId = ContentId([1; 32]);
    const OTHER: ContentId = ContentId([2; 32]);

    #[test]
    fn changes_of_one_share_wait_for_each_other() {
        let changes = Changes::default();
        let first = block_on(changes.begin(ONE));
        let mut second = Box::pin(changes.begin(ONE));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
    }

    #[test]
    fn changes_of_other_shares_do_not_wait() {
        let changes = Changes::default();
        let _one = block_on(changes.begin(ONE));
        assert!(changes.begin(OTHER).now_or_never().is_some());
    }

    #[test]
    fn nothing_is_kept_of_changes_that_are_done() {
        let changes = Changes::default();
        for id in 0..9 {
            drop(block_on(changes.begin(ContentId([id; 32]))));
        }
        let _one = block_on(changes.begin(ONE));
        assert_eq!(changes.0.lock().unwrap().len(), 1);
    }
}
