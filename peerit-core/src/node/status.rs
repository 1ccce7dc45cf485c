//! What a share is doing, for people and programs.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::rate_limit::RateLimits;
use crate::id::{ContentId, PeerId};
use crate::nat;
use crate::swarm::{Path, PeerReport};
use crate::tracker::TrackerStatus;
use crate::transport::Carrier;

/// What a share is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareState {
    /// Asking peers for the manifest.
    FetchingManifest,
    /// Reading what is on disk, or making the files final.
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
    /// Whether every byte is verified and the files are final.
    pub complete: bool,
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
    /// How fast content is sent and received at most, as well as by the limits of the node.
    pub limits: RateLimits,
}

impl ShareStatus {
    /// Whether it is complete or has failed.
    pub(crate) fn is_at_end(&self) -> bool {
        self.complete || self.state == ShareState::Failed
    }

    pub(crate) fn new(content_id: ContentId, path: PathBuf, state: ShareState) -> Self {
        Self {
            content_id,
            name: String::new(),
            state,
            reason: String::new(),
            complete: false,
            verified: 0,
            total: 0,
            download_rate: 0,
            upload_rate: 0,
            downloaded: 0,
            uploaded: 0,
            peers: Vec::new(),
            trackers: Vec::new(),
            path,
            limits: RateLimits::default(),
        }
    }
}

/// One peer of a share, connected or banned. Lengths are bytes, rates payload bytes a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who it is, proved.
    pub peer_id: PeerId,
    /// Its address: as dialled, or as seen.
    pub address: SocketAddr,
    /// How it is reached.
    pub path: Path,
    /// What carries the connection. `None`: there is none.
    pub carrier: Option<Carrier>,
    /// What was tried to reach it; of one that is relayed, what was tried last for a better path. `None`: it has come
    /// by itself, or was dialled at an address without more ado.
    pub tried: Option<nat::Report>,
    /// Received from it over this connection.
    pub downloaded: u64,
    /// Sent to it over this connection.
    pub uploaded: u64,
    /// Received from it over the last seconds.
    pub download_rate: u64,
    /// Sent to it over the last seconds.
    pub upload_rate: u64,
    /// Whether it does not serve us.
    pub choking_us: bool,
    /// Whether we do not serve it.
    pub choked: bool,
    /// Whether it wants what we have.
    pub interested_in_us: bool,
    /// Whether it has what we want.
    pub interesting: bool,
    /// How many chunks it has.
    pub chunk_count: u32,
    /// Why it is banned, for people; it is then not connected. `None`: it is not.
    pub banned: Option<String>,
    /// Its program and version; at most 64 bytes, not to be trusted.
    pub agent: String,
}

impl PeerStatus {
    pub(crate) fn new(
        report: PeerReport,
        carrier: Option<Carrier>,
        tried: Option<nat::Report>,
    ) -> Self {
        Self {
            peer_id: report.peer_id,
            address: report.address,
            path: report.path,
            carrier,
            tried,
            downloaded: report.downloaded,
            uploaded: report.uploaded,
            download_rate: report.download_rate,
            upload_rate: report.upload_rate,
            choking_us: report.choking_us,
            choked: report.choked,
            interested_in_us: report.interested_in_us,
            interesting: report.interesting,
            chunk_count: report.chunk_count,
            banned: report.banned.map(|misbehaviour| misbehaviour.to_string()),
            agent: report.agent,
        }
    }
}
