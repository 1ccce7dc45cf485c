//! The state of shares, as Rust and as messages.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use peerit_proto::daemon::v1 as proto;

use crate::id::{ContentId, PeerId};
use crate::nat::Report;
use crate::node::{PeerStatus, RateLimits, ShareState, ShareStatus};
use crate::swarm;
use crate::tracker::TrackerStatus;
use crate::transport::Carrier;
use crate::wire::address::{decode_address, encode_address};

/// A message field that says what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not valid")]
pub(super) struct Invalid(pub(super) &'static str);

pub(super) fn path_to_bytes(path: &Path) -> Bytes {
    path.as_os_str().as_bytes().to_vec().into()
}

pub(super) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

pub(super) fn id_to_bytes(id: &[u8; 32]) -> Bytes {
    Bytes::copy_from_slice(id)
}

pub(super) fn content_id(bytes: &[u8]) -> Result<ContentId, Invalid> {
    ContentId::try_from(bytes).map_err(|_| Invalid("content_id"))
}

pub(super) fn peer_id(bytes: &[u8]) -> Result<PeerId, Invalid> {
    PeerId::try_from(bytes).map_err(|_| Invalid("peer_id"))
}

pub(super) fn limits_to_proto(limits: RateLimits) -> proto::RateLimits {
    let bytes = |limit: Option<NonZeroU64>| limit.map_or(0, NonZeroU64::get);
    proto::RateLimits {
        upload_bytes: bytes(limits.up),
        download_bytes: bytes(limits.down),
        background: limits.background,
    }
}

pub(super) fn limits_from_proto(limits: proto::RateLimits) -> RateLimits {
    RateLimits {
        up: NonZeroU64::new(limits.upload_bytes),
        down: NonZeroU64::new(limits.download_bytes),
        background: limits.background,
    }
}

pub(super) fn share_to_proto(status: &ShareStatus) -> proto::ShareStatus {
    proto::ShareStatus {
        content_id: id_to_bytes(&status.content_id.0),
        name: status.name.clone(),
        state: state_to_proto(status.state).into(),
        reason: status.reason.clone(),
        complete: status.complete,
        verified_bytes: status.verified,
        total_bytes: status.total,
        download_rate_bytes: status.download_rate,
        upload_rate_bytes: status.upload_rate,
        downloaded_bytes: status.downloaded,
        uploaded_bytes: status.uploaded,
        peers: status.peers.iter().map(peer_to_proto).collect(),
        trackers: status.trackers.iter().map(tracker_to_proto).collect(),
        path: path_to_bytes(&status.path),
        limits: Some(limits_to_proto(status.limits)),
    }
}

pub(super) fn share_from_proto(status: proto::ShareStatus) -> Result<ShareStatus, Invalid> {
    Ok(ShareStatus {
        content_id: content_id(&status.content_id)?,
        state: state_from_proto(status.state())?,
        name: status.name,
        reason: status.reason,
        complete: status.complete,
        verified: status.verified_bytes,
        total: status.total_bytes,
        download_rate: status.download_rate_bytes,
        upload_rate: status.upload_rate_bytes,
        downloaded: status.downloaded_bytes,
        uploaded: status.uploaded_bytes,
        peers: status.peers.into_iter().map(peer_from_proto).collect::<Result<_, _>>()?,
        trackers: status.trackers.into_iter().map(tracker_from_proto).collect(),
        path: path_from_bytes(&status.path),
        limits: status.limits.map(limits_from_proto).unwrap_or_default(),
    })
}

fn state_to_proto(state: ShareState) -> proto::ShareState {
    match state {
        ShareState::FetchingManifest => proto::ShareState::FetchingManifest,
        ShareState::Checking => proto::ShareState::Checking,
        ShareState::Downloading => proto::ShareState::Downloading,
        ShareState::Seeding => proto::ShareState::Seeding,
        ShareState::Paused => proto::ShareState::Paused,
        ShareState::Failed => proto::ShareState::Failed,
    }
}

fn state_from_proto(state: proto::ShareState) -> Result<ShareState, Invalid> {
    match state {
        proto::ShareState::Unspecified => Err(Invalid("state")),
        proto::ShareState::FetchingManifest => Ok(ShareState::FetchingManifest),
        proto::ShareState::Checking => Ok(ShareState::Checking),
        proto::ShareState::Downloading => Ok(ShareState::Downloading),
        proto::ShareState::Seeding => Ok(ShareState::Seeding),
        proto::ShareState::Paused => Ok(ShareState::Paused),
        proto::ShareState::Failed => Ok(ShareState::Failed),
    }
}

fn peer_to_proto(peer: &PeerStatus) -> proto::PeerStatus {
    proto::PeerStatus {
        peer_id: id_to_bytes(&peer.peer_id.0),
        address: Some(encode_address(peer.address)),
        path: path_kind_to_proto(peer.path).into(),
        carrier: carrier_to_proto(peer.carrier).into(),
        downloaded_bytes: peer.downloaded,
        uploaded_bytes: peer.uploaded,
        download_rate_bytes: peer.download_rate,
        upload_rate_bytes: peer.upload_rate,
        choking_us: peer.choking_us,
        choked: peer.choked,
        interested_in_us: peer.interested_in_us,
        interesting: peer.interesting,
        chunk_count: peer.chunk_count,
        banned: peer.banned.clone().unwrap_or_default(),
        agent: peer.agent.clone(),
        tried: peer.tried.as_ref().map(Into::into),
    }
}

fn peer_from_proto(peer: proto::PeerStatus) -> Result<PeerStatus, Invalid> {
    let address = peer.address.as_ref().and_then(|address| decode_address(address).ok());
    Ok(PeerStatus {
        peer_id: peer_id(&peer.peer_id)?,
        address: address.ok_or(Invalid("address"))?,
        path: path_kind_from_proto(peer.path()),
        carrier: carrier_from_proto(peer.carrier()),
        downloaded: peer.downloaded_bytes,
        uploaded: peer.uploaded_bytes,
        download_rate: peer.download_rate_bytes,
        upload_rate: peer.upload_rate_bytes,
        choking_us: peer.choking_us,
        choked: peer.choked,
        interested_in_us: peer.interested_in_us,
        interesting: peer.interesting,
        chunk_count: peer.chunk_count,
        banned: Some(peer.banned).filter(|reason| !reason.is_empty()),
        agent: peer.agent,
        tried: peer.tried.map(Report::try_from).transpose().map_err(|_| Invalid("tried"))?,
    })
}

fn path_kind_to_proto(path: swarm::Path) -> proto::Path {
    match path {
        swarm::Path::Direct => proto::Path::Direct,
        swarm::Path::Mapped => proto::Path::Mapped,
        swarm::Path::Punched => proto::Path::Punched,
        swarm::Path::Relayed => proto::Path::Relayed,
    }
}

fn path_kind_from_proto(path: proto::Path) -> swarm::Path {
    match path {
        proto::Path::Unspecified | proto::Path::Direct => swarm::Path::Direct,
        proto::Path::Mapped => swarm::Path::Mapped,
        proto::Path::Punched => swarm::Path::Punched,
        proto::Path::Relayed => swarm::Path::Relayed,
    }
}

fn carrier_to_proto(carrier: Option<Carrier>) -> proto::Carrier {
    match carrier {
        None => proto::Carrier::Unspecified,
        Some(Carrier::Tcp) => proto::Carrier::Tcp,
        Some(Carrier::Quic) => proto::Carrier::Quic,
        Some(Carrier::Other) => proto::Carrier::Other,
    }
}

fn carrier_from_proto(carrier: proto::Carrier) -> Option<Carrier> {
    match carrier {
        proto::Carrier::Unspecified => None,
        proto::Carrier::Tcp => Some(Carrier::Tcp),
        proto::Carrier::Quic => Some(Carrier::Quic),
        proto::Carrier::Other => Some(Carrier::Other),
    }
}

fn tracker_to_proto(tracker: &TrackerStatus) -> proto::TrackerStatus {
    proto::TrackerStatus {
        tracker: tracker.tracker.clone(),
        reachable: tracker.reachable,
        seeds: tracker.seeds,
        leeches: tracker.leeches,
        problem: tracker.problem.clone(),
    }
}

fn tracker_from_proto(tracker: proto::TrackerStatus) -> TrackerStatus {
    TrackerStatus {
        tracker: tracker.tracker,
        reachable: tracker.reachable,
        seeds: tracker.seeds,
        leeches: tracker.leeches,
        problem: tracker.problem,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::nat::{Method, Outcome, Trial};

    fn status() -> ShareStatus {
        let peer = PeerStatus {
            peer_id: PeerId([2; 32]),
            address: SocketAddr::from(([192, 0, 2, 1], 7)),
            path: swarm::Path::Punched,
            carrier: Some(Carrier::Quic),
            downloaded: 1,
            uploaded: 2,
            download_rate: 3,
            upload_rate: 4,
            choking_us: true,
            choked: false,
            interested_in_us: true,
            interesting: false,
            chunk_count: 5,
            banned: Some("sent corrupt chunk 6".to_owned()),
            agent: "peerit/1".to_owned(),
            tried: Some(Report {
                trials: vec![Trial {
                    method: Method::Punch,
                    target: None,
                    outcome: Outcome::Worked,
                }],
                ..Report::default()
            }),
        };
        let tracker = TrackerStatus {
            tracker: "host:1".to_owned(),
            reachable: true,
            seeds: 2,
            leeches: 3,
            problem: "slow".to_owned(),
        };
        ShareStatus {
            content_id: ContentId([1; 32]),
            name: "name".to_owned(),
            state: ShareState::Paused,
            reason: "why".to_owned(),
            complete: true,
            verified: 1,
            total: 2,
            download_rate: 3,
            upload_rate: 4,
            downloaded: 5,
            uploaded: 6,
            peers: vec![peer],
            trackers: vec![tracker],
            path: PathBuf::from("/path"),
            limits: RateLimits { up: None, down: NonZeroU64::new(7), background: true },
        }
    }

    #[test]
    fn a_status_survives_its_message() {
        let before = status();
        let after = share_from_proto(share_to_proto(&before)).unwrap();
        assert_eq!(format!("{after:?}"), format!("{before:?}"));
    }

    #[test]
    fn messages_that_say_what_cannot_be_are_refused() {
        let good = share_to_proto(&status());
        let bad_state = proto::ShareStatus { state: 99, ..good.clone() };
        assert_eq!(share_from_proto(bad_state).unwrap_err(), Invalid("state"));
        let bad_id = proto::ShareStatus { content_id: Bytes::from_static(b"x"), ..good.clone() };
        assert_eq!(share_from_proto(bad_id).unwrap_err(), Invalid("content_id"));
        let mut bad_address = good;
        bad_address.peers[0].address = None;
        assert_eq!(share_from_proto(bad_address).unwrap_err(), Invalid("address"));
    }
}
