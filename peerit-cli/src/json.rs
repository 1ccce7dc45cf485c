//! What `--json` prints. Fields are added, never renamed: programs read them.

mod doctor;

pub(crate) use doctor::Doctor;
use peerit_core::daemon::DaemonStatus;
use peerit_core::manifest::Manifest;
use peerit_core::nat::{self, Trial};
use peerit_core::node::{PeerStatus, RateLimits, ShareState, ShareStatus};
use peerit_core::swarm::Path;
use peerit_core::tracker::TrackerStatus;
use peerit_core::transport::Carrier;
use serde::Serialize;

use crate::amount::RateLimit;
use crate::env::Env;
use crate::error::CliError;
use crate::waiting;

/// `peerit status`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// The daemon's peer id, in hexadecimal.
    pub(crate) peer_id: String,
    /// Where peers dial the daemon.
    pub(crate) listen_port: u16,
    #[serde(flatten)]
    pub(crate) limits: Limits,
    /// In the order of adding.
    pub(crate) shares: Vec<Share>,
}

/// `peerit limit`; null: as fast as it goes.
#[derive(Debug, Serialize)]
pub(crate) struct Limits {
    pub(crate) upload_limit_bytes_per_s: RateLimit,
    pub(crate) download_limit_bytes_per_s: RateLimit,
    /// Whether sending gives way to other traffic.
    pub(crate) background: bool,
}

/// One share; also each line of `peerit download`.
#[derive(Debug, Serialize)]
pub(crate) struct Share {
    /// The content id, in hexadecimal.
    pub(crate) id: String,
    /// Empty until the manifest is known.
    pub(crate) name: String,
    /// `fetching_manifest`, `checking`, `downloading`, `seeding`, `paused` or `failed`.
    pub(crate) state: &'static str,
    /// Why it is in this state, or why nothing comes; empty where the state says it all.
    pub(crate) reason: String,
    /// Whether every byte is verified, and the files are final.
    pub(crate) complete: bool,
    pub(crate) verified_bytes: u64,
    /// 0 until the manifest is known.
    pub(crate) total_bytes: u64,
    pub(crate) download_bytes_per_s: u64,
    pub(crate) upload_bytes_per_s: u64,
    /// Since the daemon started.
    pub(crate) downloaded_bytes: u64,
    /// Since the daemon started.
    pub(crate) uploaded_bytes: u64,
    #[serde(flatten)]
    pub(crate) limits: Limits,
    /// Where the file or folder is, or will be.
    pub(crate) path: String,
    /// Connected or banned.
    pub(crate) peers: Vec<Peer>,
    pub(crate) trackers: Vec<Tracker>,
}

/// One peer of a share.
#[derive(Debug, Serialize)]
pub(crate) struct Peer {
    /// Its public key, in hexadecimal.
    pub(crate) id: String,
    pub(crate) address: String,
    /// `direct`, `mapped`, `punched` or `relayed`.
    pub(crate) path: &'static str,
    /// `tcp`, `quic` or `other`; none: not connected.
    pub(crate) carrier: Option<&'static str>,
    pub(crate) downloaded_bytes: u64,
    pub(crate) uploaded_bytes: u64,
    pub(crate) download_bytes_per_s: u64,
    pub(crate) upload_bytes_per_s: u64,
    /// It does not serve us.
    pub(crate) choking_us: bool,
    /// We do not serve it.
    pub(crate) choked: bool,
    /// It wants something of us.
    pub(crate) interested_in_us: bool,
    /// We want something of it.
    pub(crate) interesting: bool,
    /// Chunks it has.
    pub(crate) chunk_count: u32,
    /// Why it is banned; null when it is not.
    pub(crate) banned: Option<String>,
    /// Program and version, as it says.
    pub(crate) agent: String,
    /// What was tried to reach it, in words, in the order in which each was begun; null: it came by itself, or was
    /// dialled without more ado.
    pub(crate) tried: Option<Vec<String>>,
    /// Whether the NAT here is symmetric: maps each destination to another address; null: not known.
    pub(crate) nat_is_symmetric: Option<bool>,
    /// The same of the peer's NAT, as it says.
    pub(crate) its_nat_is_symmetric: Option<bool>,
}

/// One tracker of a share.
#[derive(Debug, Serialize)]
pub(crate) struct Tracker {
    /// "host:port".
    pub(crate) tracker: String,
    pub(crate) reachable: bool,
    pub(crate) seeds: u32,
    pub(crate) leeches: u32,
    /// What went wrong last; empty: nothing.
    pub(crate) problem: String,
}

/// `peerit show`, and the field `manifest` of others.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// The content id, in hexadecimal.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) total_bytes: u64,
    pub(crate) chunk_length_bytes: u32,
    pub(crate) chunk_count: u32,
    /// `blake3` or `sha1`.
    pub(crate) hash_algorithm: String,
    pub(crate) link: String,
    pub(crate) trackers: Vec<String>,
    pub(crate) comment: String,
    /// Seconds since 1970; 0: not said.
    pub(crate) created_unix_s: u64,
    pub(crate) files: Vec<File>,
    pub(crate) empty_folders: Vec<String>,
}

/// One file of a content.
#[derive(Debug, Serialize)]
pub(crate) struct File {
    /// Inside the content; empty for a single file.
    pub(crate) path: String,
    pub(crate) length_bytes: u64,
    pub(crate) executable: bool,
}

/// `peerit create` and `peerit share`.
#[derive(Debug, Serialize)]
pub(crate) struct Created {
    /// The content id, in hexadecimal.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) total_bytes: u64,
    /// The `.p2p` file.
    pub(crate) file: String,
    pub(crate) link: String,
}

/// `peerit verify`.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    /// The content id, in hexadecimal.
    pub(crate) id: String,
    pub(crate) name: String,
    /// Whether every chunk matches.
    pub(crate) complete: bool,
    pub(crate) good_chunk_count: u32,
    pub(crate) chunk_count: u32,
    pub(crate) bad_files: Vec<BadFile>,
}

/// One file that is not as the manifest says.
#[derive(Debug, Serialize)]
pub(crate) struct BadFile {
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// Prints one document: over many lines for people, in one when more follow.
pub(crate) fn print(
    env: &mut Env,
    document: &impl Serialize,
    more_follow: bool,
) -> Result<(), CliError> {
    let text = match more_follow {
        true => serde_json::to_string(document),
        false => serde_json::to_string_pretty(document),
    };
    env.print(&text.map_err(|error| CliError::Usage(format!("JSON: {error}")))?)
}

/// The name of a state, as in [`Share::state`].
pub(crate) fn state(state: ShareState) -> &'static str {
    match state {
        ShareState::FetchingManifest => "fetching_manifest",
        ShareState::Checking => "checking",
        ShareState::Downloading => "downloading",
        ShareState::Seeding => "seeding",
        ShareState::Paused => "paused",
        ShareState::Failed => "failed",
    }
}

/// The name of a path, as in [`Peer::path`].
pub(crate) fn path(path: Path) -> &'static str {
    match path {
        Path::Direct => "direct",
        Path::Mapped => "mapped",
        Path::Punched => "punched",
        Path::Relayed => "relayed",
    }
}

/// The name of what carries a connection, as in [`Peer::carrier`].
pub(crate) fn carrier(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Tcp => "tcp",
        Carrier::Quic => "quic",
        Carrier::Other => "other",
    }
}

impl Status {
    pub(crate) fn of(status: &DaemonStatus) -> Self {
        Self {
            peer_id: status.peer_id.to_string(),
            listen_port: status.listen_port,
            limits: Limits::of(status.limits),
            shares: status.shares.iter().map(Share::of).collect(),
        }
    }
}

impl Limits {
    pub(crate) fn of(limits: RateLimits) -> Self {
        Self {
            upload_limit_bytes_per_s: limits.up,
            download_limit_bytes_per_s: limits.down,
            background: limits.background,
        }
    }
}

impl Share {
    pub(crate) fn of(status: &ShareStatus) -> Self {
        Self {
            id: status.content_id.to_string(),
            name: status.name.clone(),
            state: state(status.state),
            reason: waiting::reason(status),
            complete: status.complete,
            verified_bytes: status.verified,
            total_bytes: status.total,
            download_bytes_per_s: status.download_rate,
            upload_bytes_per_s: status.upload_rate,
            downloaded_bytes: status.downloaded,
            uploaded_bytes: status.uploaded,
            limits: Limits::of(status.limits),
            path: status.path.display().to_string(),
            peers: status.peers.iter().map(Peer::of).collect(),
            trackers: status.trackers.iter().map(Tracker::of).collect(),
        }
    }
}

impl Peer {
    fn of(peer: &PeerStatus) -> Self {
        let tried = peer.tried.as_ref();
        Self {
            id: peer.peer_id.to_string(),
            address: peer.address.to_string(),
            path: path(peer.path),
            carrier: peer.carrier.map(carrier),
            downloaded_bytes: peer.downloaded,
            uploaded_bytes: peer.uploaded,
            download_bytes_per_s: peer.download_rate,
            upload_bytes_per_s: peer.upload_rate,
            choking_us: peer.choking_us,
            choked: peer.choked,
            interested_in_us: peer.interested_in_us,
            interesting: peer.interesting,
            chunk_count: peer.chunk_count,
            banned: peer.banned.as_ref().map(ToString::to_string),
            agent: peer.agent.clone(),
            tried: tried.map(|report| report.trials.iter().map(Trial::to_string).collect()),
            nat_is_symmetric: tried.and_then(|report| is_symmetric(report.mapping)),
            its_nat_is_symmetric: tried.and_then(|report| is_symmetric(report.remote_mapping)),
        }
    }
}

fn is_symmetric(mapping: nat::Mapping) -> Option<bool> {
    (mapping != nat::Mapping::Unknown).then_some(mapping == nat::Mapping::EndpointDependent)
}

impl Tracker {
    fn of(tracker: &TrackerStatus) -> Self {
        Self {
            tracker: tracker.tracker.to_string(),
            reachable: tracker.reachable,
            seeds: tracker.seeds,
            leeches: tracker.leeches,
            problem: tracker.problem.clone(),
        }
    }
}

impl Shown {
    pub(crate) fn of(manifest: &Manifest, link: String) -> Self {
        let file = |file: &peerit_core::manifest::FileEntry| File {
            path: file.path.clone(),
            length_bytes: file.length,
            executable: file.executable,
        };
        Self {
            id: manifest.content_id().to_string(),
            name: manifest.name().to_owned(),
            total_bytes: manifest.layout().length(),
            chunk_length_bytes: manifest.layout().chunk_length(),
            chunk_count: manifest.layout().chunk_count(),
            hash_algorithm: manifest.hash_algorithm().to_string(),
            link,
            trackers: manifest.trackers().to_vec(),
            comment: manifest.comment().to_owned(),
            created_unix_s: manifest.created_unix_s(),
            files: manifest.files().iter().map(file).collect(),
            empty_folders: manifest.empty_folders().to_vec(),
        }
    }
}
