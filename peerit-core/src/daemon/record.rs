//! What the daemon remembers of one share.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use peerit_proto::Message;
use peerit_proto::daemon::v1 as proto;

use super::convert::{limits_from_proto, limits_to_proto};
use crate::id::ContentId;
use crate::manifest::Link;
use crate::node::RateLimits;

/// What the daemon remembers of one share, besides its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) content_id: ContentId,
    /// The folder that holds the file or folder; absolute.
    pub(super) folder: PathBuf,
    /// The content was here first: never written to.
    pub(super) origin: bool,
    pub(super) paused: bool,
    /// Peers to dial besides those of the trackers.
    pub(super) peers: Vec<SocketAddr>,
    /// The link it began with.
    pub(super) link: Option<Link>,
    /// Orders the shares.
    pub(super) sequence: u64,
    /// Files that are there, but not part of the content, may be replaced.
    pub(super) overwrite: bool,
    /// How fast content is sent and received.
    pub(super) limits: RateLimits,
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let record = proto::ShareRecord {
            content_id: self.content_id.0.to_vec().into(),
            folder: self.folder.as_os_str().as_bytes().to_vec().into(),
            origin: self.origin,
            paused: self.paused,
            peers: self.peers.iter().map(SocketAddr::to_string).collect(),
            link: self.link.as_ref().map(Link::to_string).unwrap_or_default(),
            sequence: self.sequence,
            overwrite: self.overwrite,
            limits: (self.limits != RateLimits::default()).then(|| limits_to_proto(self.limits)),
        };
        record.encode_to_vec()
    }

    /// # Errors
    /// Says what is wrong with the bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let record = proto::ShareRecord::decode(bytes).map_err(|error| error.to_string())?;
        let content_id = ContentId::try_from(&*record.content_id)
            .map_err(|error| format!("content id: {error}"))?;
        let folder = PathBuf::from(OsString::from_vec(record.folder.to_vec()));
        if !folder.is_absolute() {
            return Err("folder is not an absolute path".to_owned());
        }
        let link = match record.link.as_str() {
            "" => None,
            link => Some(link.parse::<Link>().map_err(|error| format!("link: {error}"))?),
        };
        let peers = record.peers.iter().map(|peer| peer.parse()).collect::<Result<_, _>>();
        Ok(Self {
            content_id,
            folder,
            origin: record.origin,
            paused: record.paused,
            peers: peers.map_err(|error| format!("peers: {error}"))?,
            link,
            sequence: record.sequence,
            overwrite: record.overwrite,
            limits: record.limits.map(limits_from_proto).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn record() -> Record {
        Record {
            content_id: ContentId([7; 32]),
            folder: PathBuf::from(OsString::from_vec(b"/not \xff utf-8".to_vec())),
            origin: true,
            paused: true,
            peers: vec![([127, 0, 0, 1], 1).into()],
            link: Some(Link { content_id: ContentId([7; 32]), trackers: vec!["t:2".to_owned()] }),
            sequence: 3,
            overwrite: true,
            limits: RateLimits { up: NonZeroU64::new(5), down: None, background: true },
        }
    }

    #[test]
    fn a_record_survives_its_bytes() {
        assert_eq!(Record::decode(&record().encode()), Ok(record()));
        let limits = RateLimits::default();
        let plain = Record { link: None, peers: Vec::new(), limits, ..record() };
        assert_eq!(Record::decode(&plain.encode()), Ok(plain));
    }

    #[test]
    fn a_record_from_before_there_was_overwriting_allows_none() {
        let allowed = Record { limits: RateLimits::default(), ..record() };
        let forbidden = Record { overwrite: false, ..allowed.clone() };
        let (allowing, older) = (allowed.encode(), forbidden.encode());
        assert_eq!(allowing, [&*older, &[8 << 3, 1]].concat(), "a false one is left out");
        assert_eq!(Record::decode(&older), Ok(forbidden));
    }

    #[test]
    fn damaged_records_are_refused() {
        assert!(Record::decode(&[0xff; 9]).is_err());
        assert!(Record::decode(&[]).unwrap_err().contains("content id"));
        let relative = Record { folder: PathBuf::from("here"), ..record() };
        assert!(Record::decode(&relative.encode()).unwrap_err().contains("absolute"));
        let mut bytes = record().encode();
        bytes.truncate(bytes.len() / 2);
        assert!(Record::decode(&bytes).is_err());
    }
}
