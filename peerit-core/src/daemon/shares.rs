//! What the daemon does with shares: each change is saved, so that it outlives the process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use futures_util::StreamExt;
use futures_util::lock::Mutex;

use super::catalogue::{Catalogue, Entry};
use super::changes::Changes;
use super::data_dir::{DataDir, Source};
use super::error::DaemonError;
use super::record::Record;
use crate::id::ContentId;
use crate::manifest::Manifest;
use crate::node::{
    DownloadOptions, Node, NodeError, SeedOptions, Share, ShareError, ShareOptions, ShareState,
    ShareStatus,
};
use crate::runtime::{Runtime, blocking};

/// A node whose shares are saved in a data folder.
pub(super) struct Shares {
    node: Node,
    data_dir: Arc<DataDir>,
    runtime: Arc<dyn Runtime>,
    catalogue: Catalogue,
    changes: Changes,
    /// Held while the tracker is started.
    tracker: Mutex<()>,
}

/// A download that a client wants.
pub(super) struct Wanted {
    pub(super) source: Source,
    pub(super) folder: PathBuf,
    pub(super) peers: Vec<SocketAddr>,
    pub(super) overwrite: bool,
}

/// Why a request fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("{0}")]
    Invalid(String),
    #[error("there is no share {0}: see `peerit status`")]
    Unknown(ContentId),
    #[error("the content is already at {}: remove that share first, its files stay", .0.display())]
    Elsewhere(PathBuf),
    #[error("the share is not running: {0}")]
    NotRunning(String),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Share(#[from] ShareError),
}

impl RequestError {
    /// Whether the cause is the request or the machine, not the content.
    pub(super) fn is_usage(&self) -> bool {
        !matches!(self, Self::Share(_) | Self::NotRunning(_))
    }
}

impl Source {
    pub(super) fn content_id(&self) -> ContentId {
        match self {
            Self::Manifest(manifest) => manifest.content_id(),
            Self::Link(link) => link.content_id,
        }
    }
}

impl Shares {
    pub(super) fn new(node: Node, data_dir: Arc<DataDir>, runtime: Arc<dyn Runtime>) -> Arc<Self> {
        let (catalogue, changes) = (Catalogue::default(), Changes::default());
        Arc::new(Self { node, data_dir, runtime, catalogue, changes, tracker: Mutex::new(()) })
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// The status of one share, or of all.
    pub(super) fn status(
        &self,
        wanted: Option<ContentId>,
    ) -> Result<Vec<ShareStatus>, RequestError> {
        let shares = self.catalogue.status(wanted);
        match wanted {
            Some(id) if shares.is_empty() => Err(RequestError::Unknown(id)),
            _ => Ok(shares),
        }
    }

    /// Starts what was saved. What cannot be started is listed as failed.
    pub(super) async fn load_all(self: &Arc<Self>) -> Result<(), DaemonError> {
        for (content_id, saved) in self.on_disk(DataDir::saved_shares).await? {
            let entry = match saved {
                Ok(saved) => self.start(saved.record, saved.source).await,
                Err(error) => Err(error.into()),
            };
            self.catalogue.put(entry.unwrap_or_else(|error| {
                log::error!("{content_id}: {error}");
                Entry::Failed { content_id, reason: error.to_string() }
            }));
        }
        Ok(())
    }

    /// Hashes what is at `path`; starts the daemon's tracker if this share is the first to need it. To be followed by
    /// [`Shares::adopt`] without a wait between. Dropping the future is free.
    pub(super) async fn hash(
        &self,
        path: PathBuf,
        options: ShareOptions,
    ) -> Result<Hashed, RequestError> {
        if options.trackers.is_empty() {
            self.start_tracker().await?;
        }
        let share = self.node.share(path.clone(), options).await?;
        Ok(Hashed { share, path })
    }

    /// The address is saved first: it will be in `.p2p` files.
    async fn start_tracker(&self) -> Result<(), RequestError> {
        let _starting = self.tracker.lock().await;
        let tracker = self.node.start_tracker((Ipv4Addr::UNSPECIFIED, 0).into())?;
        Ok(self.on_disk(move |data_dir| data_dir.save_tracker(tracker)).await?)
    }

    /// Remembers a share that was hashed; resolves once it is seeded.
    pub(super) async fn adopt(&self, hashed: Hashed) -> Result<Manifest, RequestError> {
        let Hashed { share, path } = hashed;
        let _change = self.changes.begin(share.content_id()).await;
        if path.parent() != Some(share.folder()) {
            return Err(RequestError::Elsewhere(share.status().path));
        }
        if let Some(Entry::Running { share, record }) = self.catalogue.find(share.content_id()) {
            self.go_on(&share, record).await?;
            return known_manifest(&share).await;
        }
        let adopted = self.adopt_new(&share).await;
        if adopted.is_err() {
            share.remove().await;
        }
        adopted
    }

    async fn adopt_new(&self, share: &Share) -> Result<Manifest, RequestError> {
        let manifest = known_manifest(share).await?;
        let record = Record {
            content_id: share.content_id(),
            folder: share.folder().to_owned(),
            origin: true,
            paused: false,
            peers: Vec::new(),
            link: None,
            sequence: self.catalogue.next_sequence(),
            overwrite: false,
        };
        let (saved, source) = (record.clone(), Source::Manifest(manifest.clone()));
        self.on_disk(move |data_dir| data_dir.save(&saved, &source)).await?;
        self.catalogue.put(Entry::Running { share: share.clone(), record });
        Ok(manifest)
    }

    /// Begins a download. One of the same content in the same folder goes on, with the new options when there
    /// are any; what is verified stays.
    pub(super) async fn download(
        self: &Arc<Self>,
        wanted: Wanted,
    ) -> Result<ContentId, RequestError> {
        let Wanted { mut source, folder, mut peers, overwrite } = wanted;
        let content_id = source.content_id();
        let _change = self.changes.begin(content_id).await;
        let mut sequence = self.catalogue.next_sequence();
        if let Some(Entry::Running { share, record }) = self.catalogue.find(content_id) {
            if share.folder() != folder {
                return Err(RequestError::Elsewhere(share.status().path));
            }
            let same_options = peers.is_empty() && !overwrite;
            if record.origin || same_options || share.status().complete {
                self.go_on(&share, record).await?;
                return Ok(content_id);
            }
            share.remove().await;
            source = share.manifest().cloned().map_or(source, Source::Manifest);
            peers.extend(
                record
                    .peers
                    .iter()
                    .filter(|peer| !peers.contains(peer))
                    .copied()
                    .collect::<Vec<_>>(),
            );
            sequence = record.sequence;
        }
        let link = match &source {
            Source::Link(link) => Some(link.clone()),
            Source::Manifest(_) => None,
        };
        let record = Record {
            content_id,
            folder,
            origin: false,
            paused: false,
            peers,
            link,
            sequence,
            overwrite,
        };
        let (saved, saved_source) = (record.clone(), source.clone());
        self.on_disk(move |data_dir| data_dir.save(&saved, &saved_source)).await?;
        let entry = self.start(record, source).await?;
        self.catalogue.put(entry);
        Ok(content_id)
    }

    /// Stops the traffic of a share until it is resumed, also after a restart.
    pub(super) async fn pause(&self, content_id: ContentId) -> Result<(), RequestError> {
        let _change = self.changes.begin(content_id).await;
        match self.catalogue.find(content_id) {
            None => Err(RequestError::Unknown(content_id)),
            Some(Entry::Failed { reason, .. }) => Err(RequestError::NotRunning(reason)),
            Some(Entry::Running { share, record }) => {
                self.set_paused(&share, record, true).await?;
                share.pause().await;
                Ok(())
            }
        }
    }

    /// Starts a share again that is paused or failed.
    pub(super) async fn resume(
        self: &Arc<Self>,
        content_id: ContentId,
    ) -> Result<(), RequestError> {
        let _change = self.changes.begin(content_id).await;
        match self.catalogue.find(content_id) {
            None => Err(RequestError::Unknown(content_id)),
            Some(Entry::Failed { .. }) => {
                let saved = self.on_disk(move |data_dir| data_dir.saved(content_id)).await?;
                let entry = self.start(saved.record, saved.source).await?;
                self.catalogue.put(entry);
                Ok(())
            }
            Some(Entry::Running { share, record }) => self.go_on(&share, record).await,
        }
    }

    /// Forgets a share; its files stay.
    pub(super) async fn remove(&self, content_id: ContentId) -> Result<(), RequestError> {
        let _change = self.changes.begin(content_id).await;
        match self.catalogue.find(content_id) {
            None => return Err(RequestError::Unknown(content_id)),
            Some(Entry::Failed { .. }) => {}
            Some(Entry::Running { share, .. }) => {
                share.remove().await;
                let reason = "it was removed, but not forgotten".to_owned();
                self.catalogue.put(Entry::Failed { content_id, reason });
            }
        }
        self.on_disk(move |data_dir| data_dir.forget(content_id)).await?;
        self.catalogue.remove(content_id);
        Ok(())
    }

    /// Ends all traffic and makes durable what was received. Repeating it is harmless.
    pub(super) async fn shut_down(&self) {
        self.node.shutdown().await;
    }

    async fn start(
        self: &Arc<Self>,
        record: Record,
        source: Source,
    ) -> Result<Entry, RequestError> {
        let (paused, overwrite) = (record.paused, record.overwrite);
        let folder = record.folder.clone();
        let share = match source {
            Source::Manifest(manifest) if record.origin => {
                let path = folder.join(manifest.name());
                self.node.seed(manifest, path, SeedOptions { paused }).await?
            }
            Source::Manifest(manifest) => {
                let peers = record.peers.clone();
                let options = DownloadOptions { peers, overwrite, paused };
                self.node.download(manifest, folder, options).await?
            }
            Source::Link(link) => {
                let peers = record.peers.clone();
                let options = DownloadOptions { peers, overwrite, paused };
                let share = self.node.download_link(link, folder, options).await?;
                self.runtime.spawn(Box::pin(keep_manifest(Arc::downgrade(self), share.clone())));
                share
            }
        };
        Ok(Entry::Running { share, record })
    }

    /// Resumes a share that does not run as it should, and leaves others alone.
    async fn go_on(&self, share: &Share, record: Record) -> Result<(), RequestError> {
        let paused = record.paused;
        if paused {
            self.set_paused(share, record, false).await?;
        }
        // One that is still checked does not look paused yet, but will be.
        if paused || matches!(share.status().state, ShareState::Paused | ShareState::Failed) {
            share.resume().await;
        }
        Ok(())
    }

    async fn set_paused(
        &self,
        share: &Share,
        record: Record,
        paused: bool,
    ) -> Result<(), RequestError> {
        let record = Record { paused, ..record };
        let saved = record.clone();
        self.on_disk(move |data_dir| data_dir.save_record(&saved)).await?;
        self.catalogue.put(Entry::Running { share: share.clone(), record });
        Ok(())
    }

    /// Does what blocks on a thread for it.
    async fn on_disk<T: Send + 'static>(
        &self,
        job: impl FnOnce(&DataDir) -> Result<T, DaemonError> + Send + 'static,
    ) -> Result<T, DaemonError> {
        let data_dir = Arc::clone(&self.data_dir);
        blocking(&*self.runtime, move || job(&data_dir)).await
    }
}

/// Content that is hashed, and that the node seeds, but that is not saved yet.
pub(super) struct Hashed {
    share: Share,
    path: PathBuf,
}

/// The manifest of a share that began with one, once it is complete.
async fn known_manifest(share: &Share) -> Result<Manifest, RequestError> {
    share.completed().await?;
    Ok(share.manifest().ok_or(ShareError::Removed)?.clone())
}

/// Saves the manifest of a share that began with a link, as soon as it is known.
async fn keep_manifest(shares: Weak<Shares>, share: Share) {
    let mut progress = share.progress();
    while share.manifest().is_none() && progress.next().await.is_some() {}
    let (Some(manifest), Some(shares)) = (share.manifest().cloned(), shares.upgrade()) else {
        return;
    };
    let _change = shares.changes.begin(share.content_id()).await;
    if shares.catalogue.find(share.content_id()).is_some() {
        let saved = shares.on_disk(move |data_dir| data_dir.save_manifest(&manifest)).await;
        if let Err(error) = saved {
            log::warn!("the manifest will have to be fetched again: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use futures_util::FutureExt;

    use super::*;
    use crate::manifest::Link;

    #[test]
    fn a_share_that_is_slow_to_change_delays_no_other() {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let data_dir = Arc::new(DataDir::open(folder.path()).unwrap());
            let runtime = crate::runtime::default().unwrap();
            let node = Node::builder().listen(([127, 0, 0, 1], 0).into()).start().await.unwrap();
            let shares = Shares::new(node, data_dir, runtime);
            let [slow, quick] = [ContentId([1; 32]), ContentId([2; 32])];
            for content_id in [slow, quick] {
                let source = Source::Link(Link { content_id, trackers: Vec::new() });
                let folder = folder.path().to_owned();
                let wanted = Wanted { source, folder, peers: Vec::new(), overwrite: false };
                shares.download(wanted).await.unwrap();
            }
            let changing = shares.changes.begin(slow).await;
            shares.pause(quick).await.unwrap();
            shares.remove(quick).await.unwrap();
            let mut removing = Box::pin(shares.remove(slow));
            assert!(removing.as_mut().now_or_never().is_none(), "the same share waits");
            drop(changing);
            removing.await.unwrap();
            shares.shut_down().await;
        });
    }
}
