//! The life of a share: manifest, check, swarm; after a failure again when the user resumes.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_channel::Receiver;
use futures_util::{FutureExt, select_biased};

use super::context::Context;
use super::error::ShareError;
use super::input::{Command, Input};
use super::manifest_fetch::{Arrival, fetch_manifest};
use super::share::Share;
use super::status::ShareState;
use super::swarm_driver::{SwarmDriver, verified_bytes};
use super::trackers;
use crate::bitfield::Bitfield;
use crate::id::ContentId;
use crate::manifest::{Link, Manifest};
use crate::runtime::blocking;
use crate::store::{FileStore, OpenOptions, StoreError};
use crate::swarm::Event;

/// Owns everything of one share but its handles.
pub(crate) struct ShareTask {
    pub(crate) context: Arc<Context>,
    pub(crate) share: Share,
    pub(crate) inputs: Receiver<Input>,
    pub(crate) origin: Origin,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) open: OpenOptions,
    pub(crate) paused: bool,
    /// Key of the next connection. Never used twice, also after a failure: what an older connection
    /// still says must not be taken for a newer one's word.
    pub(crate) next_peer: u32,
}

/// What a share starts from.
pub(crate) enum Origin {
    Manifest(Manifest),
    Link(Link),
}

impl Origin {
    pub(crate) fn content_id(&self) -> ContentId {
        match self {
            Self::Manifest(manifest) => manifest.content_id(),
            Self::Link(link) => link.content_id,
        }
    }

    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Manifest(manifest) => Some(manifest),
            Self::Link(_) => None,
        }
    }
}

/// The user wants no more of the share.
pub(crate) struct Stopped;

impl ShareTask {
    /// Runs until the share is removed.
    pub(crate) async fn run(mut self) {
        loop {
            match self.take_part().await {
                Ok(Stopped) => break,
                Err(error) if self.may_be_whole(&error) => {
                    log::warn!("{}: {error}: checking", self.share.content_id());
                    continue;
                }
                Err(error) => {
                    log::warn!("{}: {error}", self.share.content_id());
                    let kept = self.kept().await;
                    self.share.fail(error, kept);
                }
            }
            if self.wait_for_resume().await.is_err() {
                break;
            }
        }
    }

    async fn take_part(&mut self) -> Result<Stopped, ShareError> {
        let Ok(manifest) = self.manifest().await else { return Ok(Stopped) };
        self.share.enter(ShareState::Checking);
        let Ok(opened) = self.open(&manifest).await else { return Ok(Stopped) };
        let (store, held) = opened.map_err(|error| self.name_change(error))?;
        self.share.update(|status| status.path = store.path());
        let store = Arc::new(store);
        let driver = SwarmDriver::new(self, manifest, Arc::<FileStore>::clone(&store), held);
        let ended = driver.run().await;
        store.release();
        // Once the content was complete, what differs from it is somebody's work.
        self.open.overwrite &= !self.share.status().complete;
        ended
    }

    /// Whether files that were written to may have the content still, as after a `touch`: worth reading them all. What
    /// somebody took out of a download is not fetched again unless they resume it.
    fn may_be_whole(&self, error: &ShareError) -> bool {
        let ShareError::Store(error) = error else { return false };
        match **error {
            StoreError::Modified { .. } => true,
            StoreError::Length { .. } | StoreError::Removed { .. } => self.open.origin,
            _ => false,
        }
    }

    /// How many bytes stay verified when the share fails.
    async fn kept(&self) -> u64 {
        let status = self.share.status();
        match &self.origin {
            // Nothing vouches for it any more.
            _ if self.open.origin => 0,
            _ if status.complete => status.verified,
            // What was counted while it was checked, or told last, is not what the marker has.
            Origin::Manifest(manifest) => {
                let (manifest, open) = (manifest.clone(), self.open.clone());
                let recorded =
                    move || verified_bytes(&FileStore::recorded(&manifest, &open), &manifest);
                blocking(&*self.context.runtime, recorded).await
            }
            Origin::Link(_) => 0,
        }
    }

    /// Says of shared content that does not match what to do about it.
    fn name_change(&self, error: StoreError) -> ShareError {
        match error {
            StoreError::Modified { path } | StoreError::Length { path, .. } if self.open.origin => {
                ShareError::Changed(path)
            }
            error => error.into(),
        }
    }

    /// The manifest; asked of peers the first time when there is only a link.
    async fn manifest(&mut self) -> Result<Manifest, Stopped> {
        let link = match &self.origin {
            Origin::Manifest(manifest) => return Ok(manifest.clone()),
            Origin::Link(link) => link.clone(),
        };
        let manifest = loop {
            if self.paused {
                self.share.enter(ShareState::Paused);
                self.wait_for_resume().await?;
            }
            self.share.enter(ShareState::FetchingManifest);
            if let Some(manifest) = self.fetch(&link).await? {
                break manifest;
            }
        };
        self.share.know(&manifest);
        self.origin = Origin::Manifest(manifest.clone());
        Ok(manifest)
    }

    /// Asks peers for the manifest; none when the share is paused meanwhile.
    async fn fetch(&mut self, link: &Link) -> Result<Option<Manifest>, Stopped> {
        let context = Arc::clone(&self.context);
        let found = context.join(&self.share, &link.trackers, false);
        // As many as were wanted, or let in.
        let (arrived, arrivals) = async_channel::unbounded();
        let fetched = {
            let fetching = fetch_manifest(&context, link, &found, &self.peers, &arrivals);
            let mut fetching = pin!(fetching.fuse());
            let mut watching = pin!(trackers::watch(&context, &self.share).fuse());
            loop {
                select_biased! {
                    manifest = fetching => break Ok(Some(manifest)),
                    never = watching => match never {},
                    input = self.inputs.recv().fuse() => match input {
                        Ok(Input::Command { command: Command::Pause, .. }) => {
                            self.paused = true;
                            self.share.enter(ShareState::Paused);
                            break Ok(None);
                        }
                        Ok(Input::Command { command: Command::Stop, .. }) | Err(_) => {
                            break Err(Stopped);
                        }
                        Ok(input) => {
                            // Cannot fail, as the receiver is there.
                            let _ended = arrival(input).map(|arrival| arrived.try_send(arrival));
                        }
                    },
                }
            }
        };
        context.leave(&self.share);
        fetched
    }

    /// Opens the files on a thread that may block.
    async fn open(
        &mut self,
        manifest: &Manifest,
    ) -> Result<Result<(FileStore, Bitfield), StoreError>, Stopped> {
        let (share, manifest, options) = (self.share.clone(), manifest.clone(), self.open.clone());
        let (ticket, opening) = self.context.chores.run_revocable(move || {
            FileStore::open(&manifest, options, &|checked| {
                share.update(|status| status.verified = checked);
            })
        });
        let mut opening = pin!(opening);
        let opened = unless_stopped(&self.inputs, &mut self.paused, opening.as_mut()).await;
        // Whoever has stopped a share may do as they like with its files: what has begun is waited for.
        if opened.is_err() && !ticket.take_back() {
            self.open.cancelled.store(true, Ordering::Relaxed);
            let _cancelled = opening.await;
        }
        opened
    }

    async fn wait_for_resume(&mut self) -> Result<(), Stopped> {
        while let Ok(input) = self.inputs.recv().await {
            match input {
                Input::Command { command: Command::Stop, .. } => return Err(Stopped),
                Input::Command { command: Command::Resume, .. } => {
                    self.paused = false;
                    // Before the handle is answered, so that it never sees the old failure.
                    self.share.enter(ShareState::Checking);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(Stopped)
    }
}

/// What an input says of peers that may have the manifest.
fn arrival(input: Input) -> Option<Arrival> {
    match input {
        Input::Opened(opened) => Some(Arrival::Opened(opened.stream)),
        Input::Swarm(Event::DialFailed { address }) => Some(Arrival::Failed(address)),
        _ => None,
    }
}

/// However the task ends, also by a panic or with its runtime: whoever waits for its end is told.
impl Drop for ShareTask {
    fn drop(&mut self) {
        let content_id = self.share.content_id();
        self.context.shares().all.retain(|share| share.content_id() != content_id);
        self.share.end();
        // Handles keep the channel, and with it what nobody has taken: their own commands, and connections.
        while self.inputs.try_recv().is_ok() {}
    }
}

/// Awaits `work`, answering the share's handles meanwhile: what has no traffic yet is paused by
/// remembering it.
async fn unless_stopped<T>(
    inputs: &Receiver<Input>,
    paused: &mut bool,
    work: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let mut work = pin!(work.fuse());
    loop {
        select_biased! {
            done = work => return Ok(done),
            input = inputs.recv().fuse() => match input {
                Ok(Input::Command { command: Command::Stop, .. }) | Err(_) => return Err(Stopped),
                Ok(Input::Command { command, .. }) => *paused = command == Command::Pause,
                // Connections are not expected yet.
                Ok(_) => {}
            },
        }
    }
}
