//! The node as an application holds it.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{join_all, join3};

use super::builder::{NodeBuilder, start_tracker};
use super::context::Context;
use super::error::NodeError;
use super::interfaces::reachable_addresses;
use super::options::{DownloadOptions, SeedOptions, ShareOptions};
use super::rate_limit::{Limits, RateLimits};
use super::share::Share;
use super::share_task::{Origin, ShareTask};
use crate::id::{ContentId, PeerId};
use crate::manifest::{Link, Manifest};
use crate::store::OpenOptions;
use crate::store::create::{CreateOptions, Created, create};

/// Seeds and downloads content. Cheap to clone; the work goes on in tasks of the runtime until
/// [`Node::shutdown`].
#[derive(Clone)]
pub struct Node {
    context: Arc<Context>,
}

impl Node {
    /// How a node is started.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::new()
    }

    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Makes the manifest of a file or folder (each byte is read once, hashed on all cores) and seeds
    /// it where it is; resolves when peers can have it. The files are never written to. A content that
    /// the node has already is not added twice: it is resumed. Cancel safe: dropping the call ends the
    /// hashing, and nothing is shared that was not before.
    ///
    /// # Errors
    /// When the content cannot be read, changes meanwhile, holds what a manifest cannot describe, or
    /// is a share in another folder already; when the share fails or is removed meanwhile.
    pub async fn share(
        &self,
        path: impl Into<PathBuf>,
        options: ShareOptions,
    ) -> Result<Share, NodeError> {
        let path = absolute(path.into())?;
        let created = self.create_manifest(path.clone(), &options).await?;
        let open = OpenOptions { stamp: Some(created.stamp), ..self.open_origin(&path)? };
        let folder = open.folder.clone();
        let origin = Origin::Manifest(created.manifest);
        match self.add(origin, open, DownloadOptions::default()).await? {
            Added::New(share) => {
                let unfinished = RemovedOnDrop { node: self, share: Some(share) };
                unfinished.completed().await
            }
            Added::Before(share) if share.folder() == folder => {
                share.resume().await;
                share.completed().await?;
                Ok(share)
            }
            Added::Before(share) => Err(NodeError::Elsewhere(share.status().path)),
        }
    }

    /// Seeds content of which there is a manifest already: what does not match it fails the share.
    /// `path` is the file or folder. Returns at once, or when a share of the same content that is being removed is gone;
    /// the check goes on in the background.
    ///
    /// # Errors
    /// When `path` is in no folder, or the node is shutting down.
    pub async fn seed(
        &self,
        manifest: Manifest,
        path: impl Into<PathBuf>,
        options: SeedOptions,
    ) -> Result<Share, NodeError> {
        let open = self.open_origin(&absolute(path.into())?)?;
        let SeedOptions { paused, rate_limits } = options;
        let options = DownloadOptions { paused, rate_limits, ..DownloadOptions::default() };
        self.add(Origin::Manifest(manifest), open, options).await.map(Added::into)
    }

    /// Fetches content into `folder`, and seeds it. What is there already is checked and used. Returns at once, or
    /// when a share of the same content that is being removed is gone; see [`Share::completed`]. A content that the node has
    /// already is not added twice.
    ///
    /// # Errors
    /// When the node is shutting down.
    pub async fn download(
        &self,
        manifest: Manifest,
        folder: impl Into<PathBuf>,
        options: DownloadOptions,
    ) -> Result<Share, NodeError> {
        self.add_download(Origin::Manifest(manifest), folder.into(), options).await
    }

    /// As [`Node::download`], but asks peers for the manifest first.
    ///
    /// # Errors
    /// When the node is shutting down.
    pub async fn download_link(
        &self,
        link: Link,
        folder: impl Into<PathBuf>,
        options: DownloadOptions,
    ) -> Result<Share, NodeError> {
        self.add_download(Origin::Link(link), folder.into(), options).await
    }

    /// All shares, in the order of adding.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        self.context.shares().all.clone()
    }

    /// The share of a content.
    #[must_use]
    pub fn find(&self, content_id: ContentId) -> Option<Share> {
        self.context.shares().all.iter().find(|share| share.content_id() == content_id).cloned()
    }

    /// Who this node is.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.context.peer_id
    }

    /// How fast content is sent and received, from now on.
    pub fn set_rate_limits(&self, limits: RateLimits) {
        self.context.limits.set(limits);
    }

    /// How fast content is sent and received at most.
    #[must_use]
    pub fn rate_limits(&self) -> RateLimits {
        self.context.limits.get()
    }

    /// The port on which peers can dial this node; 0: none.
    #[must_use]
    pub fn listen_port(&self) -> u16 {
        self.context.listen_port()
    }

    /// Where the embedded tracker is bound.
    #[must_use]
    pub fn tracker_address(&self) -> Option<SocketAddr> {
        self.context.tracker().as_ref().map(|tracker| tracker.local_address())
    }

    /// Runs a tracker on this address (UDP and TCP), for shares to come that name none, and tells where it is bound.
    /// One that runs already stays where it is.
    ///
    /// # Errors
    /// When the port is taken, or the node is shutting down.
    pub fn start_tracker(&self, listen: SocketAddr) -> Result<SocketAddr, NodeError> {
        // Held to the end, so that a shutdown comes before, or finds the tracker.
        let shares = self.context.shares();
        if shares.closed {
            return Err(NodeError::ShutDown);
        }
        let mut running = self.context.tracker();
        if let Some(tracker) = &*running {
            return Ok(tracker.local_address());
        }
        let tracker = running.insert(start_tracker(&self.context.runtime, listen)?);
        Ok(tracker.local_address())
    }

    /// Stops all shares, makes what they have durable, tells peers, trackers and the router that maps ports. The
    /// handles that are left do nothing any more; with the last of them the node's sockets close. Cancel safe: a second
    /// call goes on.
    pub async fn shutdown(&self) {
        let shares = {
            let mut shares = self.context.shares();
            shares.closed = true;
            shares.all.clone()
        };
        join_all(shares.iter().map(Share::remove)).await;
        self.context.closing.close();
        let release = async {
            if let Some(ports) = &self.context.ports {
                ports.shutdown(&*self.context.runtime).await;
            }
        };
        join3(self.context.announcer.shutdown(), self.context.transport.shutdown(), release).await;
        let tracker = self.context.tracker().clone();
        if let Some(tracker) = tracker {
            tracker.shutdown().await;
        }
    }

    async fn create_manifest(
        &self,
        path: PathBuf,
        options: &ShareOptions,
    ) -> Result<Created, NodeError> {
        let cancelled = SetOnDrop::default();
        let wanted = CreateOptions {
            cancelled: Arc::clone(&cancelled.0),
            chunk_length: options.chunk_length,
            hash_algorithm: options.hash_algorithm,
            trackers: self.trackers(&options.trackers),
            ..CreateOptions::default()
        };
        let progress = options.progress.clone();
        let created = self.context.chores.run(move || {
            create(&path, &wanted, &|done, total| {
                if let Some(progress) = &progress {
                    progress(done, total);
                }
            })
        });
        Ok(created.await?)
    }

    /// The trackers asked for, or else the embedded one at this machine's addresses.
    pub(crate) fn trackers(&self, wanted: &[String]) -> Vec<String> {
        match self.tracker_address() {
            Some(bound) if wanted.is_empty() => {
                reachable_addresses(bound).iter().map(SocketAddr::to_string).collect()
            }
            _ => wanted.to_vec(),
        }
    }

    async fn add_download(
        &self,
        origin: Origin,
        folder: PathBuf,
        options: DownloadOptions,
    ) -> Result<Share, NodeError> {
        let open = OpenOptions {
            folder: absolute(folder)?,
            overwrite: options.overwrite,
            handles: Arc::clone(&self.context.handles),
            ..OpenOptions::default()
        };
        self.add(origin, open, options).await.map(Added::into)
    }

    /// Content that its user gives: it keeps its name and is never written to.
    fn open_origin(&self, path: &Path) -> Result<OpenOptions, NodeError> {
        let no_folder = || NodeError::NoFolder(path.to_owned());
        Ok(OpenOptions {
            folder: path.parent().ok_or_else(no_folder)?.to_owned(),
            name: path.file_name().and_then(|name| name.to_str()).map(str::to_owned),
            origin: true,
            handles: Arc::clone(&self.context.handles),
            ..OpenOptions::default()
        })
    }

    async fn add(
        &self,
        origin: Origin,
        open: OpenOptions,
        options: DownloadOptions,
    ) -> Result<Added, NodeError> {
        let content_id = origin.content_id();
        loop {
            let leaving = {
                let mut shares = self.context.shares();
                if shares.closed {
                    return Err(NodeError::ShutDown);
                }
                match shares.all.iter().find(|share| share.content_id() == content_id).cloned() {
                    None => {
                        let (share, task) = self.prepare(origin, open, options);
                        shares.all.push(share.clone());
                        self.context.runtime.spawn(Box::pin(task.run()));
                        return Ok(Added::New(share));
                    }
                    Some(share) if share.is_leaving() => share,
                    Some(share) => return Ok(Added::Before(share)),
                }
            };
            // It still has the files.
            leaving.ended().await;
        }
    }

    fn prepare(
        &self,
        origin: Origin,
        mut open: OpenOptions,
        options: DownloadOptions,
    ) -> (Share, ShareTask) {
        let content_id = origin.content_id();
        open.stamp_path =
            self.context.stamps.as_ref().map(|folder| folder.join(content_id.to_string()));
        let runtime = Arc::clone(&self.context.runtime);
        let limits = Limits::new(self.context.clock, options.rate_limits);
        let folder = open.folder.clone();
        let (share, inputs) = Share::new(content_id, origin.manifest(), folder, runtime, limits);
        let task = ShareTask {
            context: Arc::clone(&self.context),
            share: share.clone(),
            inputs,
            origin,
            peers: options.peers,
            open,
            paused: options.paused,
            next_peer: 0,
        };
        (share, task)
    }
}

/// What became of a share that was to be added.
enum Added {
    New(Share),
    /// The node has this content already.
    Before(Share),
}

impl Added {
    fn into(self) -> Share {
        match self {
            Self::New(share) | Self::Before(share) => share,
        }
    }
}

/// A share whose caller may still lose interest.
struct RemovedOnDrop<'a> {
    node: &'a Node,
    share: Option<Share>,
}

impl RemovedOnDrop<'_> {
    async fn completed(mut self) -> Result<Share, NodeError> {
        if let Some(share) = &self.share {
            share.completed().await?;
        }
        self.share.take().ok_or(NodeError::ShutDown)
    }
}

impl Drop for RemovedOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(share) = self.share.take() {
            // Whoever shares it again at once waits for that.
            share.leave();
            self.node.context.runtime.spawn(Box::pin(async move { share.remove().await }));
        }
    }
}

/// Tells a blocking job that nobody waits for it any more.
#[derive(Default)]
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn absolute(path: PathBuf) -> Result<PathBuf, NodeError> {
    std::path::absolute(&path).map_err(|_| NodeError::NoFolder(path))
}
