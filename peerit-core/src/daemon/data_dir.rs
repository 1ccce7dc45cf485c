//! The data folder: what the daemon keeps on disk. All calls block.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use peerit_proto::Message;
use peerit_proto::daemon::v1 as proto;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::DaemonError;
use super::record::Record;
use super::{atomic, convert};
use crate::id::ContentId;
use crate::manifest::{Link, Manifest};
use crate::node::RateLimits;
use crate::transport::Identity;

/// A data folder that no other daemon uses while this lives.
pub(super) struct DataDir {
    path: PathBuf,
    /// Locked until it is closed, also by the death of the process.
    _lock: File,
    /// Held while the file `ports` is read and written anew.
    changing: Mutex<()>,
}

/// The sockets of the last run, and what else it was told of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) listen: SocketAddr,
    /// None until a share has needed one.
    pub(super) tracker: Option<SocketAddr>,
    /// Whether the router is asked to map ports.
    pub(super) port_mapping: bool,
    pub(super) limits: RateLimits,
}

/// A share as it was saved.
pub(super) struct Saved {
    pub(super) record: Record,
    pub(super) source: Source,
}

/// A share that was saved, or why it cannot be read.
pub(super) type MaybeSaved = (ContentId, Result<Saved, DaemonError>);

/// What a download starts from.
#[derive(Clone)]
pub(super) enum Source {
    Manifest(Manifest),
    Link(Link),
}

impl DataDir {
    /// Takes the folder for this process, and makes it if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, DaemonError> {
        let path = std::path::absolute(path).map_err(DaemonError::io(path))?;
        atomic::create_folder(&path.join("shares"))?;
        atomic::create_folder(&path.join("stamps"))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(DaemonError::io(&lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path, _lock: lock, changing: Mutex::default() }),
            Err(Errno::WOULDBLOCK) => Err(DaemonError::Locked(path)),
            Err(error) => Err(DaemonError::io(&lock_path)(error.into())),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Who the daemon is to peers; made on first use. A damaged one is put aside: a
    /// new peer id costs a reputation, a daemon that does not start costs everything.
    pub(super) fn identity(&self) -> Result<Identity, DaemonError> {
        let path = self.path.join("identity");
        if let Some(seed) = atomic::read(&path)? {
            if let Ok(identity) = Identity::from_seed(&seed) {
                return Ok(identity);
            }
            put_aside(&path)?;
        }
        let identity = Identity::generate()?;
        atomic::write(&path, &identity.to_seed())?;
        Ok(identity)
    }

    /// Where the last run listened; `None` on the first one.
    pub(super) fn addresses(&self) -> Result<Option<Addresses>, DaemonError> {
        let path = self.path.join("ports");
        let Some(content) = atomic::read(&path)? else { return Ok(None) };
        let addresses = decode_addresses(&content);
        if addresses.is_none() {
            put_aside(&path)?;
        }
        Ok(addresses)
    }

    pub(super) fn save_addresses(&self, addresses: Addresses) -> Result<(), DaemonError> {
        let ports = proto::Ports {
            listen: addresses.listen.to_string(),
            tracker: addresses.tracker.map(|tracker| tracker.to_string()).unwrap_or_default(),
            no_port_mapping: !addresses.port_mapping,
            limits: Some(convert::limits_to_proto(addresses.limits)),
        };
        atomic::write(&self.path.join("ports"), &ports.encode_to_vec())
    }

    /// Remembers where the tracker of this run listens.
    pub(super) fn save_tracker(&self, tracker: SocketAddr) -> Result<(), DaemonError> {
        self.change_addresses(|addresses| addresses.tracker = Some(tracker))
    }

    /// Remembers how fast content may be sent and received.
    pub(super) fn save_limits(&self, limits: RateLimits) -> Result<(), DaemonError> {
        self.change_addresses(|addresses| addresses.limits = limits)
    }

    fn change_addresses(&self, change: impl FnOnce(&mut Addresses)) -> Result<(), DaemonError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = self.addresses()? else { return Ok(()) };
        let mut addresses = last;
        change(&mut addresses);
        if addresses == last { Ok(()) } else { self.save_addresses(addresses) }
    }

    /// All shares that were saved, and for those that cannot be read the reason. What was begun, but not saved when
    /// the daemon was killed, is cleared away.
    pub(super) fn saved_shares(&self) -> Result<Vec<MaybeSaved>, DaemonError> {
        let folder = self.path.join("shares");
        let mut shares = Vec::new();
        for entry in fs::read_dir(&folder).map_err(DaemonError::io(&folder))? {
            let path = entry.map_err(DaemonError::io(&folder))?.path();
            let id = path.file_name().and_then(|name| name.to_str()?.parse::<ContentId>().ok());
            match id {
                Some(_) if matches!(path.join("share").try_exists(), Ok(false)) => {
                    clear(&path, fs::remove_dir_all(&path));
                }
                Some(id) => shares.push((id, self.saved(id))),
                None => log::warn!("{} is not the daemon's", path.display()),
            }
        }
        shares.sort_by_key(|(id, saved)| {
            (saved.as_ref().map_or(u64::MAX, |saved| saved.record.sequence), *id)
        });
        Ok(shares)
    }

    /// One share as it was saved.
    pub(super) fn saved(&self, id: ContentId) -> Result<Saved, DaemonError> {
        let path = self.share_folder(id).join("share");
        let content = fs::read(&path).map_err(DaemonError::io(&path))?;
        let mut record =
            Record::decode(&content).map_err(|problem| DaemonError::damaged(&path, &problem))?;
        if record.content_id != id {
            return Err(DaemonError::damaged(&path, &"it is of another content"));
        }
        record.overwrite &= !self.was_complete(id);
        let source = match (self.saved_manifest(id)?, &record.link) {
            (Some(manifest), _) => Source::Manifest(manifest),
            (None, Some(link)) => Source::Link(link.clone()),
            (None, None) => {
                return Err(DaemonError::damaged(
                    &path.with_file_name("manifest.p2p"),
                    &"it is gone",
                ));
            }
        };
        Ok(Saved { record, source })
    }

    /// Whether a content was complete once: then what differs from it is somebody's work.
    pub(super) fn was_complete(&self, id: ContentId) -> bool {
        self.stamps().join(id.to_string()).exists()
    }

    fn saved_manifest(&self, id: ContentId) -> Result<Option<Manifest>, DaemonError> {
        let path = self.share_folder(id).join("manifest.p2p");
        let Some(content) = atomic::read(&path)? else { return Ok(None) };
        let manifest =
            Manifest::parse(&content).map_err(|error| DaemonError::damaged(&path, &error))?;
        if manifest.content_id() != id {
            return Err(DaemonError::damaged(&path, &"it is of another content"));
        }
        Ok(Some(manifest))
    }

    /// Saves a share. It exists from the moment its record is there, so the manifest goes first.
    pub(super) fn save(&self, record: &Record, source: &Source) -> Result<(), DaemonError> {
        atomic::create_folder(&self.share_folder(record.content_id))?;
        if let Source::Manifest(manifest) = source {
            self.save_manifest(manifest)?;
        }
        self.save_record(record)
    }

    pub(super) fn save_record(&self, record: &Record) -> Result<(), DaemonError> {
        atomic::write(&self.share_folder(record.content_id).join("share"), &record.encode())
    }

    pub(super) fn save_manifest(&self, manifest: &Manifest) -> Result<(), DaemonError> {
        let path = self.share_folder(manifest.content_id()).join("manifest.p2p");
        atomic::write(&path, &manifest.encode())
    }

    /// Forgets a share. It is gone from the moment its record is, so that goes first.
    pub(super) fn forget(&self, id: ContentId) -> Result<(), DaemonError> {
        let folder = self.share_folder(id);
        atomic::remove(&folder.join("share"))?;
        atomic::remove(&self.stamps().join(id.to_string()))?;
        fs::remove_dir_all(&folder).map_err(DaemonError::io(&folder))
    }

    /// Where the node keeps what vouches for complete content.
    pub(super) fn stamps(&self) -> PathBuf {
        self.path.join("stamps")
    }

    fn share_folder(&self, id: ContentId) -> PathBuf {
        self.path.join("shares").join(id.to_string())
    }
}

fn decode_addresses(content: &[u8]) -> Option<Addresses> {
    let ports = proto::Ports::decode(content).ok()?;
    let tracker = match ports.tracker.as_str() {
        "" => None,
        tracker => Some(tracker.parse().ok()?),
    };
    let (listen, port_mapping) = (ports.listen.parse().ok()?, !ports.no_port_mapping);
    let limits = convert::limits_from_proto(ports.limits.unwrap_or_default());
    Some(Addresses { listen, tracker, port_mapping, limits })
}

fn put_aside(path: &Path) -> Result<(), DaemonError> {
    let (mut aside, mut number) = (path.with_extension("damaged"), 1);
    while aside.exists() {
        number += 1;
        aside = path.with_extension(format!("damaged-{number}"));
    }
    log::warn!("{} is damaged: kept as {}", path.display(), aside.display());
    fs::rename(path, &aside).map_err(DaemonError::io(path))
}

fn clear(path: &Path, removed: std::io::Result<()>) {
    match removed {
        Ok(()) => log::info!("{} was left over: removed", path.display()),
        Err(error) => log::warn!("{} is left over: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        (folder, data_dir)
    }

    fn addresses() -> Addresses {
        let tracker = Some(([127, 0, 0, 1], 2).into());
        let limits = RateLimits { up: std::num::NonZeroU64::new(7), down: None, background: true };
        Addresses { listen: ([0, 0, 0, 0], 1).into(), tracker, port_mapping: false, limits }
    }

    fn link_record(id: u8, sequence: u64) -> (Record, Source) {
        let link = Link { content_id: ContentId([id; 32]), trackers: Vec::new() };
        let record = Record {
            content_id: link.content_id,
            folder: PathBuf::from("/somewhere"),
            origin: false,
            paused: false,
            peers: Vec::new(),
            link: Some(link.clone()),
            sequence,
            overwrite: true,
            limits: RateLimits::default(),
        };
        (record, Source::Link(link))
    }

    #[test]
    fn two_daemons_never_share_a_folder() {
        let (folder, data_dir) = open();
        assert!(matches!(DataDir::open(folder.path()), Err(DaemonError::Locked(_))));
        drop(data_dir);
        assert!(DataDir::open(folder.path()).is_ok());
    }

    #[test]
    fn the_identity_stays() {
        let (_folder, data_dir) = open();
        let identity = data_dir.identity().unwrap();
        assert_eq!(data_dir.identity().unwrap().to_seed(), identity.to_seed());
    }

    #[test]
    fn a_damaged_identity_is_put_aside() {
        let (folder, data_dir) = open();
        fs::write(folder.path().join("identity"), b"short").unwrap();
        let identity = data_dir.identity().unwrap();
        assert_eq!(data_dir.identity().unwrap().to_seed(), identity.to_seed());
        fs::write(folder.path().join("identity"), b"again").unwrap();
        data_dir.identity().unwrap();
        let kept = |name| fs::read(folder.path().join(name)).unwrap();
        assert_eq!(kept("identity.damaged"), b"short");
        assert_eq!(kept("identity.damaged-2"), b"again");
    }

    #[test]
    fn addresses_stay_and_damaged_ones_are_put_aside() {
        let (folder, data_dir) = open();
        assert_eq!(data_dir.addresses().unwrap(), None);
        data_dir.save_addresses(addresses()).unwrap();
        assert_eq!(data_dir.addresses().unwrap(), Some(addresses()));
        fs::write(folder.path().join("ports"), [0xff; 7]).unwrap();
        assert_eq!(data_dir.addresses().unwrap(), None);
        data_dir.save_addresses(addresses()).unwrap();
        assert_eq!(data_dir.addresses().unwrap(), Some(addresses()));
    }

    #[test]
    fn the_tracker_s_address_is_added_when_there_is_one() {
        let (_folder, data_dir) = open();
        let before = Addresses { tracker: None, ..addresses() };
        data_dir.save_addresses(before).unwrap();
        assert_eq!(data_dir.addresses().unwrap(), Some(before));
        data_dir.save_tracker(([127, 0, 0, 1], 2).into()).unwrap();
        assert_eq!(data_dir.addresses().unwrap(), Some(addresses()));
    }

    #[test]
    fn shares_come_back_in_order_and_damaged_ones_last() {
        let (folder, data_dir) = open();
        for (id, sequence) in [(1, 7), (9, 3), (5, 5)] {
            let (record, source) = link_record(id, sequence);
            data_dir.save(&record, &source).unwrap();
        }
        let damaged = folder.path().join("shares").join("05".repeat(32)).join("share");
        fs::write(damaged, b"\xff").unwrap();
        let shares = data_dir.saved_shares().unwrap();
        let order: Vec<_> = shares.iter().map(|(id, saved)| (id.0[0], saved.is_ok())).collect();
        assert_eq!(order, [(9, true), (1, true), (5, false)]);
        let problem = shares[2].1.as_ref().err().unwrap().to_string();
        assert!(problem.contains("is damaged"), "{problem}");
    }

    #[test]
    fn a_share_that_was_not_saved_to_its_end_is_cleared_away() {
        let (folder, data_dir) = open();
        let shares = folder.path().join("shares");
        fs::create_dir(shares.join("01".repeat(32))).unwrap();
        fs::write(shares.join("01".repeat(32)).join("manifest.p2p"), b"x").unwrap();
        fs::write(shares.join("notes"), b"of the user").unwrap();
        assert!(data_dir.saved_shares().unwrap().is_empty());
        assert_eq!(fs::read_dir(&shares).unwrap().count(), 1);
    }

    #[test]
    fn a_record_of_another_content_is_refused() {
        let (folder, data_dir) = open();
        let (record, source) = link_record(1, 0);
        data_dir.save(&record, &source).unwrap();
        let shares = folder.path().join("shares");
        fs::rename(shares.join("01".repeat(32)), shares.join("02".repeat(32))).unwrap();
        assert!(data_dir.saved(ContentId([2; 32])).is_err());
    }

    #[test]
    fn a_share_without_manifest_and_link_is_refused() {
        let (_folder, data_dir) = open();
        let (record, source) = link_record(1, 0);
        data_dir.save(&Record { link: None, ..record }, &source).unwrap();
        let problem = data_dir.saved(ContentId([1; 32])).err().unwrap().to_string();
        assert!(problem.contains("manifest.p2p"), "{problem}");
    }

    #[test]
    fn files_may_be_replaced_until_the_content_was_complete() {
        let (folder, data_dir) = open();
        let (record, source) = link_record(1, 0);
        data_dir.save(&record, &source).unwrap();
        assert!(data_dir.saved(record.content_id).unwrap().record.overwrite);
        fs::write(folder.path().join("stamps").join("01".repeat(32)), b"stamp").unwrap();
        assert!(!data_dir.saved(record.content_id).unwrap().record.overwrite);
    }

    #[test]
    fn what_is_forgotten_is_gone() {
        let (folder, data_dir) = open();
        let (record, source) = link_record(1, 0);
        data_dir.save(&record, &source).unwrap();
        data_dir.forget(record.content_id).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("shares")).unwrap().count(), 0);
    }
}
