//! A handle on one share of a node.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use event_listener::Event;
use futures_util::{FutureExt, Stream, select_biased, stream};

use super::error::ShareError;
use super::input::{Command, Input};
use super::rate_limit::{Limits, RateLimits};
use super::status::{ShareState, ShareStatus};
use crate::id::ContentId;
use crate::manifest::{Link, Manifest};
use crate::runtime::Runtime;

/// Time between two items of [`Share::progress`]: ten a second look smooth and cost nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Inputs that wait for a share's task. A block in each is 256 KiB, so at most 16 MiB wait here.
const INPUTS_MAX: usize = 64;

/// A handle on one share: content that a node seeds or downloads. Cheap to clone.
#[derive(Clone)]
pub struct Share(Arc<Inner>);

struct Inner {
    content_id: ContentId,
    folder: PathBuf,
    runtime: Arc<dyn Runtime>,
    manifest: OnceLock<Manifest>,
    state: Mutex<State>,
    changed: Event,
    inputs: Sender<Input>,
    limits: Arc<Limits>,
}

struct State {
    status: ShareStatus,
    /// Why it has failed.
    failure: Option<ShareError>,
    /// Its task has been told to end.
    leaving: bool,
    ended: bool,
}

impl Share {
    pub(crate) fn new(
        content_id: ContentId,
        manifest: Option<&Manifest>,
        folder: PathBuf,
        runtime: Arc<dyn Runtime>,
        limits: Limits,
    ) -> (Self, Receiver<Input>) {
        let (inputs, receiver) = async_channel::bounded(INPUTS_MAX);
        let mut status = ShareStatus::new(content_id, folder.clone(), ShareState::Checking);
        status.limits = limits.get();
        let share = Self(Arc::new(Inner {
            content_id,
            folder,
            runtime,
            manifest: OnceLock::new(),
            state: Mutex::new(State { status, failure: None, leaving: false, ended: false }),
            changed: Event::new(),
            inputs,
            limits: Arc::new(limits),
        }));
        if let Some(manifest) = manifest {
            share.know(manifest);
        }
        (share, receiver)
    }

    /// Names the content.
    #[must_use]
    pub fn content_id(&self) -> ContentId {
        self.0.content_id
    }

    /// The manifest, once it is known: at once, unless the share began with a link.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.0.manifest.get()
    }

    /// The folder in which the content is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// What to hand to others: the content id and the manifest's trackers.
    #[must_use]
    pub fn link(&self) -> Link {
        Link {
            content_id: self.content_id(),
            trackers: self
                .manifest()
                .map(|manifest| manifest.trackers().to_vec())
                .unwrap_or_default(),
        }
    }

    /// What the share is doing now, at most 100 ms old. Never waits for disk or network.
    #[must_use]
    pub fn status(&self) -> ShareStatus {
        self.state().status.clone()
    }

    /// The status again and again, ten times a second, and at once when it is complete or has failed; ends when
    /// the share is removed or the node shuts down. Dropping the stream is free.
    pub fn progress(&self) -> impl Stream<Item = ShareStatus> + Send + Unpin + use<> {
        Box::pin(stream::unfold((self.clone(), None), |(share, was_at_end)| async move {
            if let Some(was_at_end) = was_at_end {
                share.after(PROGRESS_INTERVAL, was_at_end).await;
            }
            let status = {
                let state = share.state();
                (!state.ended).then(|| state.status.clone())
            };
            status.map(|status| {
                let at_end = status.is_at_end();
                (status, (share, Some(at_end)))
            })
        }))
    }

    /// As [`ShareStatus::is_at_end`].
    pub(crate) fn is_at_end(&self) -> bool {
        self.state().status.is_at_end()
    }

    /// Resolves after `interval`, or when a share that was not at its end when it was looked at is so.
    pub(crate) async fn after(&self, interval: Duration, was_at_end: bool) {
        let interval = self.0.runtime.sleep(interval);
        if was_at_end {
            return interval.await;
        }
        select_biased! {
            _ended = self.completed().fuse() => {}
            () = interval.fuse() => {}
        }
    }

    /// Resolves once every chunk is verified and stored. Cancel safe.
    ///
    /// # Errors
    /// When the share fails (it may be resumed, and awaited again) or is removed before.
    pub async fn completed(&self) -> Result<(), ShareError> {
        loop {
            let changed = self.0.changed.listen();
            {
                let state = self.state();
                if state.status.complete {
                    return Ok(());
                } else if let Some(failure) = &state.failure {
                    return Err(failure.clone());
                } else if state.ended {
                    return Err(ShareError::Removed);
                }
            }
            changed.await;
        }
    }

    /// How fast content of this share is sent and received, from now on, as well as by the limits of the node.
    pub fn set_rate_limits(&self, limits: RateLimits) {
        self.0.limits.set(limits);
        self.update(|status| status.limits = limits);
    }

    /// Stops all traffic; what is verified is made durable. Resolves when it is done. Dropping the
    /// call early may leave the share as it was.
    pub async fn pause(&self) {
        self.command(Command::Pause).await;
    }

    /// Takes part again, also after a failure. Resolves when the share has begun. Complete content is looked at: files
    /// that were written to since are checked. Dropping the call early may leave the share as it was.
    pub async fn resume(&self) {
        self.command(Command::Resume).await;
    }

    /// Takes the share out of the node; files stay as they are. Resolves once nothing touches them
    /// any more. Dropping the call early may leave the share as it was.
    pub async fn remove(&self) {
        self.command(Command::Stop).await;
        self.ended().await;
    }

    /// Resolves once nothing touches the files any more, and the node does not list the share.
    pub(crate) async fn ended(&self) {
        loop {
            let changed = self.0.changed.listen();
            if self.state().ended {
                return;
            }
            changed.await;
        }
    }

    /// Nobody may rely on the share any more. To be followed by a removal that is not given up.
    pub(crate) fn leave(&self) {
        self.state().leaving = true;
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.state().leaving
    }

    async fn command(&self, command: Command) {
        let (done, wait) = async_channel::bounded(1);
        if self.0.inputs.send(Input::Command { command, done }).await.is_ok() {
            if command == Command::Stop {
                self.leave();
            }
            // Fails when the share ends before it answers: then there is nothing to wait for.
            let _ = wait.recv().await;
        }
    }

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.0.limits
    }

    /// Where the share's task takes its inputs from.
    pub(crate) fn inputs(&self) -> &Sender<Input> {
        &self.0.inputs
    }

    pub(crate) fn know(&self, manifest: &Manifest) {
        let known = self.0.manifest.get_or_init(|| manifest.clone());
        self.update(|status| {
            status.name = known.name().to_owned();
            status.total = known.layout().length();
            status.path = self.0.folder.join(known.name());
        });
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut ShareStatus)) {
        self.change(|state| change(&mut state.status));
    }

    /// The share stops with this; so many bytes stay `verified`.
    pub(crate) fn fail(&self, error: ShareError, verified: u64) {
        self.change(|State { status, failure, .. }| {
            status.state = ShareState::Failed;
            status.complete = false;
            status.reason = error.to_string();
            status.verified = verified;
            status.peers.clear();
            status.download_rate = 0;
            status.upload_rate = 0;
            *failure = Some(error);
        });
    }

    /// Nothing is known of the content in this state.
    pub(crate) fn enter(&self, entered: ShareState) {
        self.change(|State { status, failure, .. }| {
            status.state = entered;
            status.complete = false;
            status.reason.clear();
            *failure = None;
        });
    }

    /// The share's task is over.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.0.inputs.close();
        self.0.changed.notify(usize::MAX);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.changed.notify(usize::MAX);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
