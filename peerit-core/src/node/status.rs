//! What a share is doing, for people and programs.

use std::path::PathBuf;

use crate::id::ContentId;
use crate::swarm::PeerReport;
use crate::tracker::TrackerStatus;

/// What a share is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareState {
    /// Asking peers for the manifest.
    FetchingManifest,
    /// Reading what is on disk.
    Checking,
    /// Fetching chunks.
    Downloading,
    /// Everything is verified; giving parts to others.
    Seeding,
    /// Paused by the user.
    Paused,
    /// Stopped by an error; resuming tries again.
    Failed,
}

/// A snapshot of one share. Lengths are bytes, rates payload bytes a second.
#[derive(Clone, Debug)]
pub struct ShareStatus {
    /// Names the content.
    pub content_id: ContentId,
    /// Name of the file or folder; empty until the manifest is known.
    pub name: String,
    /// What the share is doing.
    pub state: ShareState,
    /// Why it is in this state, for people; empty where the state says it all.
    pub reason: String,
    /// Bytes verified and stored; while checking, bytes checked.
    pub verified: u64,
    /// Length of the content; 0 until the manifest is known.
    pub total: u64,
    /// Received over the last seconds.
    pub download_rate: u64,
    /// Sent over the last seconds.
    pub upload_rate: u64,
    /// Received since the share was added to this node.
    pub downloaded: u64,
    /// Sent since the share was added to this node.
    pub uploaded: u64,
    /// Peers connected or banned.
    pub peers: Vec<PeerStatus>,
    /// Trackers as they answered last.
    pub trackers: Vec<TrackerStatus>,
    /// Where the file or folder is, or will be.
    pub path: PathBuf,
}

impl ShareStatus {
    pub(crate) fn new(content_id: ContentId, path: PathBuf, state: ShareState) -> Self {
        Self {
            content_id,
            name: String::new(),
            state,
            reason: String::new(),
            verified: 0,
            total: 0,
            download_rate: 0,
            upload_rate: 0,
            downloaded: 0,
            uploaded: 0,
            peers: Vec::new(),
            trackers: Vec::new(),
            path,
        }
    }

    /// Whether every byte is verified and the files are final.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match self.state {
            ShareState::Seeding => true,
            ShareState::Paused => !self.name.is_empty() && self.verified == self.total,
            ShareState::FetchingManifest
            | ShareState::Checking
            | ShareState::Downloading
            | ShareState::Failed => false,
        }
    }
}

/// One peer of a share.
pub type PeerStatus = PeerReport;
