//! What the daemon does with shares: each change is saved, so that it outlives the process.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use futures_util::StreamExt;
use futures_util::lock::Mutex;

use super::catalogue::{Catalogue, Entry};
use super::changes::Changes;
use super::data_dir::{DataDir, Saved, Source};
use super::error::DaemonError;
use super::record::Record;
use super::wanted::{Wanted, with_new_trackers};
use crate::id::ContentId;
use crate::manifest::{Manifest, ManifestError, TRACKER_COUNT_MAX};
use crate::node::{
    DownloadOptions, Node, NodeError, RateLimits, SeedOptions, Share, ShareError, ShareOptions,
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
    Manifest(#[from] ManifestError),
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

    pub(super) fn trackers(&self) -> &[String] {
        match self {
            Self::Manifest(manifest) => manifest.trackers(),
            Self::Link(link) => &link.trackers,
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

    /// The share of this content, unless it could not be loaded.
    pub(super) fn running(&self, content_id: ContentId) -> Option<Share> {
        match self.catalogue.find(content_id)? {
            Entry::Running { share, .. } => Some(share),
            Entry::Failed { .. } => None,
        }
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
                Ok(saved) => self.load(saved).await,
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
        mut options: ShareOptions,
        more_trackers: Vec<String>,
    ) -> Result<Hashed, RequestError> {
        if options.trackers.is_empty() {
            self.start_tracker().await?;
        }
        let mut trackers = self.node.trackers(&options.trackers);
        let room = TRACKER_COUNT_MAX.saturating_sub(trackers.len());
        let more = more_trackers.into_iter().filter(|more| !trackers.contains(more));
        trackers.extend(more.take(room).collect::<Vec<_>>());
        options.trackers.clone_from(&trackers);
        let share = self.node.share(path.clone(), options).await?;
        Ok(Hashed { share, path, trackers })
    }

    /// The address is saved first: it will be in `.p2p` files.
    async fn start_tracker(&self) -> Result<(), RequestError> {
        let _starting = self.tracker.lock().await;
        let tracker = self.node.start_tracker((Ipv4Addr::UNSPECIFIED, 0).into())?;
        Ok(self.on_disk(move |data_dir| data_dir.save_tracker(tracker)).await?)
    }

    /// Bounds all shares together. Saved first: what was answered is not forgotten.
    pub(super) async fn limit(&self, limits: RateLimits) -> Result<(), RequestError> {
        self.on_disk(move |data_dir| data_dir.save_limits(limits)).await?;
        self.node.set_rate_limits(limits);
        Ok(())
    }

    /// Remembers a share that was hashed; resolves once it is seeded. One that is there already goes on, with the
    /// trackers that it has not.
    pub(super) async fn adopt(self: &Arc<Self>, hashed: Hashed) -> Result<Manifest, RequestError> {
        let Hashed { share, path, trackers } = hashed;
        let _change = self.changes.begin(share.content_id()).await;
        if path.parent() != Some(share.folder()) {
            return Err(RequestError::Elsewhere(share.status().path));
        }
        if let Some(Entry::Running { share, record }) = self.catalogue.find(share.content_id()) {
            self.go_on(&share, record.clone()).await?;
            let manifest = known_manifest(&share).await?;
            let Some(manifest) = with_new_trackers(&manifest, &trackers)? else {
                return Ok(manifest);
            };
            let record = Record { paused: false, ..record };
            let share = self.put_anew(Some(share), record, Source::Manifest(manifest)).await?;
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
            limits: RateLimits::default(),
        };
        let (saved, source) = (record.clone(), Source::Manifest(manifest.clone()));
        self.on_disk(move |data_dir| data_dir.save(&saved, &source)).await?;
        self.catalogue.put(Entry::Running { share: share.clone(), record });
        Ok(manifest)
    }

    /// Begins a download. One of the same content in the same folder goes on, with the new trackers and options
    /// when there are any; what is verified stays. One that failed with nothing verified moves to a new folder.
    pub(super) async fn download(
        self: &Arc<Self>,
        mut wanted: Wanted,
    ) -> Result<ContentId, RequestError> {
        let content_id = wanted.source.content_id();
        let _change = self.changes.begin(content_id).await;
        let mut sequence = self.catalogue.next_sequence();
        let mut limits = RateLimits::default();
        let mut before = None;
        if let Some(Entry::Running { share, mut record }) = self.catalogue.find(content_id) {
            if share.folder() != wanted.folder {
                if !Wanted::may_move(&share, &record) {
                    return Err(RequestError::Elsewhere(share.status().path));
                }
            } else if record.origin || share.status().complete || !wanted.adds_to(&share, &record) {
                self.go_on(&share, record).await?;
                return Ok(content_id);
            }
            record.overwrite &=
                !self.on_disk(move |data_dir| Ok(data_dir.was_complete(content_id))).await?;
            wanted.join(&share, &record)?;
            (sequence, limits) = (record.sequence, record.limits);
            before = Some(share);
        }
        let Wanted { source, folder, peers, overwrite } = wanted;
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
            limits,
        };
        self.put_anew(before, record, source).await?;
        Ok(content_id)
    }

    /// Saves a share and starts it, in the place of the one `before`.
    async fn put_anew(
        self: &Arc<Self>,
        before: Option<Share>,
        record: Record,
        source: Source,
    ) -> Result<Share, RequestError> {
        let (saved, saved_source) = (record.clone(), source.clone());
        self.on_disk(move |data_dir| data_dir.save(&saved, &saved_source)).await?;
        if let Some(before) = before {
            before.remove().await;
        }
        let share = self.start(&record, source).await?;
        self.catalogue.put(Entry::Running { share: share.clone(), record });
        Ok(share)
    }

    /// Stops the traffic of a share until it is resumed, also after a restart.
    pub(super) async fn pause(&self, content_id: ContentId) -> Result<(), RequestError> {
        let _change = self.changes.begin(content_id).await;
        match self.catalogue.find(content_id) {
            None => Err(RequestError::Unknown(content_id)),
            Some(Entry::Failed { reason, .. }) => Err(RequestError::NotRunning(reason)),
            Some(Entry::Running { share, record }) => {
                self.keep(&share, Record { paused: true, ..record }).await?;
                share.pause().await;
                Ok(())
            }
        }
    }

    /// Bounds one share.
    pub(super) async fn limit_share(
        &self,
        content_id: ContentId,
        limits: RateLimits,
    ) -> Result<(), RequestError> {
        let _change = self.changes.begin(content_id).await;
        match self.catalogue.find(content_id) {
            None => Err(RequestError::Unknown(content_id)),
            Some(Entry::Failed { reason, .. }) => Err(RequestError::NotRunning(reason)),
            Some(Entry::Running { share, record }) => {
                self.keep(&share, Record { limits, ..record }).await?;
                share.set_rate_limits(limits);
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
                let entry = self.load(saved).await?;
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

    async fn load(self: &Arc<Self>, saved: Saved) -> Result<Entry, RequestError> {
        let Saved { record, source } = saved;
        let share = self.start(&record, source).await?;
        Ok(Entry::Running { share, record })
    }

    async fn start(
        self: &Arc<Self>,
        record: &Record,
        source: Source,
    ) -> Result<Share, RequestError> {
        let Record { paused, overwrite, limits: rate_limits, .. } = *record;
        let folder = record.folder.clone();
        let share = match source {
            Source::Manifest(manifest) if record.origin => {
                let path = folder.join(manifest.name());
                self.node.seed(manifest, path, SeedOptions { paused, rate_limits }).await?
            }
            Source::Manifest(manifest) => {
                let peers = record.peers.clone();
                let options = DownloadOptions { peers, overwrite, paused, rate_limits };
                self.node.download(manifest, folder, options).await?
            }
            Source::Link(link) => {
                let peers = record.peers.clone();
                let options = DownloadOptions { peers, overwrite, paused, rate_limits };
                let share = self.node.download_link(link, folder, options).await?;
                self.runtime.spawn(Box::pin(keep_manifest(Arc::downgrade(self), share.clone())));
                share
            }
        };
        Ok(share)
    }

    /// Resumes a share that does not run as it should; one that does looks at its files.
    async fn go_on(&self, share: &Share, record: Record) -> Result<(), RequestError> {
        if record.paused {
            self.keep(share, Record { paused: false, ..record }).await?;
        }
        share.resume().await;
        Ok(())
    }

    /// Saves what is to be remembered of a share.
    async fn keep(&self, share: &Share, record: Record) -> Result<(), RequestError> {
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
    /// Those asked for, or the daemon's own at the addresses that it has now.
    trackers: Vec<String>,
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
    let Some(shares) = shares.upgrade() else { return };
    let _change = shares.changes.begin(share.content_id()).await;
    // The share may have been started again meanwhile, with more trackers.
    let Some(Entry::Running { share, .. }) = shares.catalogue.find(share.content_id()) else {
        return;
    };
    if let Some(manifest) = share.manifest().cloned() {
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
