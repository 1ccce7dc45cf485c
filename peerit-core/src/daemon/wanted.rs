//! A download that a client wants, also of content that is a share already.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::data_dir::Source;
use super::limits::PEERS_MAX;
use super::record::Record;
use crate::manifest::{Link, Manifest, ManifestError, TRACKER_COUNT_MAX};
use crate::node::{Share, ShareState};

/// A download that a client wants.
pub(super) struct Wanted {
    pub(super) source: Source,
    pub(super) folder: PathBuf,
    pub(super) peers: Vec<SocketAddr>,
    pub(super) overwrite: bool,
}

impl Wanted {
    /// Whether the download may leave the folder of a share: nothing of it is there.
    pub(super) fn may_move(share: &Share, record: &Record) -> bool {
        let status = share.status();
        !record.origin && status.state == ShareState::Failed && status.verified == 0
    }

    /// Whether a download that runs in the same folder lacks something of this.
    pub(super) fn adds_to(&self, share: &Share, record: &Record) -> bool {
        let brings_manifest =
            matches!(self.source, Source::Manifest(_)) && share.manifest().is_none();
        let trackers = trackers_of(share, record);
        !self.peers.is_empty()
            || self.overwrite
            || brings_manifest
            || union(self.source.trackers(), &trackers).is_some()
    }

    /// Takes over what a share knows that it replaces; what is new goes first.
    ///
    /// # Errors
    /// When the manifest grows beyond its bounds with the trackers.
    pub(super) fn join(&mut self, share: &Share, record: &Record) -> Result<(), ManifestError> {
        let trackers = trackers_of(share, record);
        let all = union(self.source.trackers(), &trackers).unwrap_or(trackers);
        self.source = match (&self.source, share.manifest()) {
            (Source::Manifest(manifest), _) | (Source::Link(_), Some(manifest)) => {
                Source::Manifest(manifest.with_trackers(all)?)
            }
            (Source::Link(link), None) => {
                Source::Link(Link { content_id: link.content_id, trackers: all })
            }
        };
        let known: Vec<_> =
            record.peers.iter().filter(|peer| !self.peers.contains(peer)).copied().collect();
        self.peers.extend(known);
        self.peers.truncate(PEERS_MAX);
        // What may be replaced in one folder may not be so in another.
        self.overwrite |= record.overwrite && record.folder == self.folder;
        Ok(())
    }
}

/// The same manifest with new trackers before its own; `None` when it has all of them.
pub(super) fn with_new_trackers(
    manifest: &Manifest,
    new: &[String],
) -> Result<Option<Manifest>, ManifestError> {
    union(new, manifest.trackers()).map(|all| manifest.with_trackers(all)).transpose()
}

/// Those of the manifest, or of the link as long as that is all there is.
fn trackers_of(share: &Share, record: &Record) -> Vec<String> {
    match (share.manifest(), &record.link) {
        (Some(manifest), _) => manifest.trackers().to_vec(),
        (None, Some(link)) => link.trackers.clone(),
        (None, None) => Vec::new(),
    }
}

/// The new ones, then the old ones, as many as a manifest takes; `None` when no new one is new.
fn union(new: &[String], old: &[String]) -> Option<Vec<String>> {
    if new.iter().all(|tracker| old.contains(tracker)) {
        return None;
    }
    let old = old.iter().filter(|tracker| !new.contains(tracker));
    Some(new.iter().chain(old).take(TRACKER_COUNT_MAX).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("t{number}:1")).collect()
    }

    #[test]
    fn new_trackers_come_first_and_old_ones_stay() {
        let old = names(1..3);
        assert_eq!(
            union(&names(2..4), &old),
            Some(vec!["t2:1".into(), "t3:1".into(), "t1:1".into()])
        );
        assert_eq!(union(&names(2..3), &old), None);
        assert_eq!(union(&[], &old), None);
        let all = union(&names(100..102), &names(0..TRACKER_COUNT_MAX)).unwrap();
        assert_eq!(all.len(), TRACKER_COUNT_MAX, "the oldest go when there are too many");
        assert_eq!(all[..3], ["t100:1", "t101:1", "t0:1"]);
    }
}
