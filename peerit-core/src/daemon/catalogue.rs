//! The shares a daemon lists, running or not.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::record::Record;
use crate::id::ContentId;
use crate::node::{Share, ShareState, ShareStatus};

/// One share that the daemon lists.
#[derive(Clone)]
pub(super) enum Entry {
    /// The node has it.
    Running { share: Share, record: Record },
    /// It could not be loaded.
    Failed { content_id: ContentId, reason: String },
}

/// The shares in the order of adding. Its lock is never held across a wait, so that status answers
/// come whatever the disk does.
#[derive(Default)]
pub(super) struct Catalogue(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    next_sequence: u64,
}

impl Entry {
    fn content_id(&self) -> ContentId {
        match self {
            Self::Running { record, .. } => record.content_id,
            Self::Failed { content_id, .. } => *content_id,
        }
    }

    fn status(&self) -> ShareStatus {
        match self {
            Self::Running { share, .. } => share.status(),
            Self::Failed { content_id, reason } => failed_status(*content_id, reason.clone()),
        }
    }
}

impl Catalogue {
    pub(super) fn find(&self, content_id: ContentId) -> Option<Entry> {
        self.entries().list.iter().find(|entry| entry.content_id() == content_id).cloned()
    }

    /// Adds an entry, or replaces the one of the same content.
    pub(super) fn put(&self, entry: Entry) {
        let mut entries = self.entries();
        if let Entry::Running { record, .. } = &entry {
            let next = record.sequence.saturating_add(1);
            entries.next_sequence = entries.next_sequence.max(next);
        }
        let content_id = entry.content_id();
        match entries.list.iter_mut().find(|old| old.content_id() == content_id) {
            Some(old) => *old = entry,
            None => entries.list.push(entry),
        }
    }

    pub(super) fn remove(&self, content_id: ContentId) {
        self.entries().list.retain(|entry| entry.content_id() != content_id);
    }

    /// The status of one share or of all; none of a share that is not there.
    pub(super) fn status(&self, wanted: Option<ContentId>) -> Vec<ShareStatus> {
        let entries = self.entries();
        let wanted =
            entries.list.iter().filter(|entry| wanted.is_none_or(|id| id == entry.content_id()));
        wanted.map(Entry::status).collect()
    }

    /// Greater than that of every share, and never the same twice.
    pub(super) fn next_sequence(&self) -> u64 {
        let mut entries = self.entries();
        let next = entries.next_sequence;
        entries.next_sequence = next.saturating_add(1);
        next
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed_status(content_id: ContentId, reason: String) -> ShareStatus {
    let status = ShareStatus::new(content_id, PathBuf::new(), ShareState::Failed);
    ShareStatus { reason, ..status }
}
