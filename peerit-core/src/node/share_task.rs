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
use super::swarm_driver::SwarmDriver;
use super::trackers;
use crate::bitfield::Bitfield;
use crate::manifest::{Link, Manifest};
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

/// The user wants no more of the share.
pub(crate) struct Stopped;

impl ShareTask {
    /// Runs until the share is removed.
    pub(crate) async fn run(mut self) {
        loop {
            match self.take_part().await {
                Ok(Stopped) => break,
                Err(error) => {
                    log::warn!("{}: {error}", self.share.content_id());
                    self.share.update(|status| {
                        status.state = ShareState::Failed;
                        status.complete = false;
                        status.reason = error.to_string();
                        status.peers.clear();
                        status.download_rate = 0;
                        status.upload_rate = 0;
                    });
                }
            }
            if self.wait_for_resume().await.is_err() {
                break;
            }
        }
    }

    async fn take_part(&mut self) -> Result<Stopped, ShareError> {
        let Ok(manifest) = self.manifest().await else { return Ok(Stopped) };
        self.enter(ShareState::Checking);
        let Ok(opened) = self.open(&manifest).await else { return Ok(Stopped) };
        // What was counted while it was checked is no part of the content.
        let (store, held) =
            opened.inspect_err(|_| self.share.update(|status| status.verified = 0))?;
        self.share.update(|status| status.path = store.path());
        if self.open.origin && !held.is_full() {
            return Err(ShareError::Changed(self.share.status().path));
        }
        let driver = SwarmDriver::new(self, manifest, Arc::new(store), held);
        let ended = driver.run().await;
        // Once the content was complete, what differs from it is somebody's work.
        self.open.overwrite &= !self.share.status().complete;
        ended
    }

    /// The manifest; asked of peers the first time when there is only a link.
    async fn manifest(&mut self) -> Result<Manifest, Stopped> {
        let link = match &self.origin {
            Origin::Manifest(manifest) => return Ok(manifest.clone()),
            Origin::Link(link) => link.clone(),
        };
        let manifest = loop {
            if self.paused {
                self.enter(ShareState::Paused);
                self.wait_for_resume().await?;
            }
            self.enter(ShareState::FetchingManifest);
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
                            self.enter(ShareState::Paused);
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

    fn enter(&self, state: ShareState) {
        self.share.update(|status| {
            status.state = state;
            status.complete = false;
            status.reason.clear();
        });
    }

    async fn wait_for_resume(&mut self) -> Result<(), Stopped> {
        while let Ok(input) = self.inputs.recv().await {
            match input {
                Input::Command { command: Command::Stop, .. } => return Err(Stopped),
                Input::Command { command: Command::Resume, .. } => {
                    self.paused = false;
                    // Before the handle is answered, so that it never sees the old failure.
                    self.enter(ShareState::Checking);
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
