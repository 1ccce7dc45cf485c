//! Drives one swarm's state machine: sockets, disk and clock on one side, events and actions on the
//! other. One task owns it all.

mod peers;
mod publishing;

pub(crate) use publishing::verified_bytes;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use futures_util::{FutureExt, select_biased};

use super::connection::{Connection, Outgoing, Source};
use super::context::Context;
use super::error::ShareError;
use super::input::{Command, Input};
use super::known_peers::KnownPeers;
use super::memory::Allotment;
use super::rate_limit::Bounds;
use super::share::Share;
use super::share_task::{ShareTask, Stopped};
use super::trackers;
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerId, PeerKey};
use crate::manifest::Manifest;
use crate::nat;
use crate::runtime::{BoxFuture, blocking};
use crate::store::Store;
use crate::swarm::{Action, Event, Swarm};
use crate::time::Timestamp;

/// One share taking part in its swarm.
pub(crate) struct SwarmDriver<'a> {
    context: Arc<Context>,
    share: Share,
    inputs: &'a Receiver<Input>,
    paused: &'a mut bool,
    swarm: Swarm,
    source: Source,
    connections: BTreeMap<PeerKey, Connection>,
    /// Who is at the other end of each.
    connected: BTreeMap<PeerKey, PeerId>,
    /// What was tried to reach them.
    reports: BTreeMap<PeerId, nat::Report>,
    /// Why nobody is connected, as far as that is known.
    trouble: Option<String>,
    /// Who is where, as trackers say.
    named: KnownPeers,
    next_peer: &'a mut u32,
    /// What begun chunks may take, until all are stored, and as the swarm has heard last.
    memory: Option<(Allotment, u64)>,
    /// Held by every job that writes, or makes durable before a pause is answered.
    job: Option<Sender<Infallible>>,
    /// Closed when there are no such jobs and will be none.
    jobs: Receiver<Infallible>,
    /// The files are final: what was downloaded may be called complete.
    finished: bool,
    published: Timestamp,
    /// Something has happened since.
    unpublished: bool,
    /// What was published will change by itself: somebody is connected, or a rate is not zero yet.
    moving: bool,
}

impl<'a> SwarmDriver<'a> {
    pub(crate) fn new(
        task: &'a mut ShareTask,
        manifest: Manifest,
        store: Arc<dyn Store>,
        held: Bitfield,
    ) -> Self {
        let context = Arc::clone(&task.context);
        let (config, seed) = (context.swarm_config(), context.random_seed());
        let mut swarm = Swarm::new(config, manifest.layout(), held, context.peer_id, seed);
        let now = context.clock.now();
        let chunk_length = manifest.layout().chunk_length();
        let memory = (!swarm.is_complete()).then(|| (context.memory.join(chunk_length), u64::MAX));
        if task.paused {
            swarm.handle_event(now, Event::Pause);
        }
        swarm.handle_event(now, Event::AddressesFound { addresses: task.peers.clone() });
        let source = Source {
            runtime: Arc::clone(&context.runtime),
            manifest,
            store,
            readers: context.readers.clone(),
            clock: context.clock,
            bounds: Bounds {
                share: Arc::clone(task.share.limits()),
                node: Arc::clone(&context.limits),
            },
            inputs: task.share.inputs().clone(),
        };
        let (job, jobs) = async_channel::bounded(1);
        Self {
            context,
            memory,
            job: Some(job),
            jobs,
            share: task.share.clone(),
            inputs: &task.inputs,
            paused: &mut task.paused,
            swarm,
            source,
            connections: BTreeMap::new(),
            connected: BTreeMap::new(),
            reports: BTreeMap::new(),
            trouble: None,
            named: KnownPeers::new(peers::NAMED_MAX),
            next_peer: &mut task.next_peer,
            finished: false,
            published: Timestamp::ZERO,
            unpublished: false,
            moving: false,
        }
    }

    /// Takes part until the user stops it (`Ok`) or the content cannot be read or written. When this
    /// ends, nothing writes to the files any more.
    pub(crate) async fn run(mut self) -> Result<Stopped, ShareError> {
        let (trackers, seed) = (self.source.manifest.trackers(), self.swarm.is_complete());
        let found = self.context.join(&self.share, trackers, seed);
        let follow = trackers::follow(Arc::clone(&self.context), self.share.clone(), found);
        self.context.runtime.spawn(Box::pin(follow));
        if self.swarm.is_complete() {
            self.finish();
        }
        self.hold_memory();
        self.publish();
        let ended = self.drive().await;
        self.context.leave(&self.share);
        self.connections.clear();
        let stopped = self.end_jobs().await;
        self.sync().await;
        if stopped { Ok(Stopped) } else { ended }
    }

    /// Waits for the jobs that are queued or running; they wait for room among the inputs, so those
    /// are taken meanwhile. Returns whether the user has stopped the share.
    async fn end_jobs(&mut self) -> bool {
        self.job.take();
        let mut stopped = false;
        loop {
            select_biased! {
                input = self.inputs.recv().fuse() => match input {
                    Ok(Input::Command { command: Command::Stop, .. }) => stopped = true,
                    Ok(Input::Command { command, .. }) => *self.paused = command == Command::Pause,
                    Ok(_) => {}
                    Err(_) => return stopped,
                },
                // Nothing is ever sent: this is the end of the last job.
                _ = self.jobs.recv().fuse() => return stopped,
            }
        }
    }

    async fn drive(&mut self) -> Result<Stopped, ShareError> {
        let mut timer = Timer::default();
        loop {
            self.look_at_memory();
            self.act();
            self.publish_when_due();
            let wake = self.swarm.poll_timeout().into_iter().chain(self.next_publish()).min();
            let input = match self.inputs.try_recv() {
                Ok(input) => Some(input),
                Err(_) => select_biased! {
                    input = self.inputs.recv().fuse() => input.ok(),
                    () = timer.wait(&self.context, wake).fuse() => None,
                },
            };
            let now = self.context.clock.now();
            if self.swarm.poll_timeout().is_some_and(|due| due <= now) {
                self.swarm.handle_timeout(now);
                self.unpublished = true;
            }
            // One at a time: peers that talk without end must not keep us from acting on it.
            if let Some(input) = input
                && let Some(stopped) = self.handle(now, input).await?
            {
                return Ok(stopped);
            }
        }
    }

    async fn handle(
        &mut self,
        now: Timestamp,
        input: Input,
    ) -> Result<Option<Stopped>, ShareError> {
        self.unpublished = true;
        match input {
            Input::Swarm(event) => {
                if let Event::Disconnected { peer } = event {
                    self.disconnect(peer);
                }
                self.swarm.handle_event(now, event);
            }
            Input::Broken { peer, why } => {
                self.trouble = why.map(|why| why.to_string());
                self.look_again(peer);
                self.swarm.handle_event(now, Event::Disconnected { peer });
            }
            Input::Found(peers) => self.found(now, peers),
            Input::Opened(opened) => self.open(now, opened),
            Input::Tried { peer, reached, report } => self.tried(peer, reached, report),
            Input::StoreFailed(error) => return Err(error.into()),
            Input::Finished => {
                self.finished = true;
                self.publish();
                // Without stamps nobody asks later whether it is durable, and the end of a process would wait for it.
                if self.context.stamps.is_some() {
                    let store = Arc::clone(&self.source.store);
                    self.context.chores.submit(move || sync(&*store));
                }
            }
            Input::Command { command: Command::Stop, .. } => return Ok(Some(Stopped)),
            Input::Command { command, done } => {
                *self.paused = command == Command::Pause;
                let event = if *self.paused { Event::Pause } else { Event::Resume };
                self.swarm.handle_event(now, event);
                self.act();
                self.hold_memory();
                self.publish();
                match (*self.paused, self.finished) {
                    (true, false) => self.work_before(done, |source| sync(&*source.store)),
                    (false, true) => self.work_before(done, look),
                    (true, true) | (false, false) => {}
                }
            }
        }
        Ok(None)
    }

    /// Does what the swarm wants done.
    fn act(&mut self) {
        while let Some(action) = self.swarm.poll() {
            match action {
                Action::Dial { address } => self.dial(address),
                Action::Disconnect { peer, reason } => {
                    log::debug!("disconnecting peer {}: {reason:?}", peer.0);
                    self.disconnect(peer);
                }
                Action::Send { peer, frame } => self.send(peer, Outgoing::Frame(frame)),
                Action::SendBlock { peer, block } => self.send(peer, Outgoing::Block(block)),
                Action::SendManifest { peer, offset, length } => {
                    self.send(peer, Outgoing::Manifest { offset, length });
                }
                Action::VerifyChunk { chunk, blocks } => self.verify(chunk, blocks),
                Action::Completed => {
                    self.memory = None;
                    self.context.announcer.completed(self.share.content_id().topic());
                    self.finish();
                }
            }
        }
    }

    fn send(&mut self, peer: PeerKey, outgoing: Outgoing) {
        let Some(connection) = self.connections.get(&peer) else { return };
        if !connection.send(outgoing) {
            log::debug!("peer {} reads too slowly", peer.0);
            self.disconnect(peer);
        }
    }

    /// Tells the swarm how much memory it may use, when that has changed: at the latest a second later, as long as
    /// somebody is connected.
    fn look_at_memory(&mut self) {
        let Some((allotment, told)) = &mut self.memory else { return };
        let bytes_max = allotment.bytes_max();
        if std::mem::replace(told, bytes_max) != bytes_max {
            let now = self.context.clock.now();
            self.swarm.handle_event(now, Event::Memory { bytes_max });
        }
    }

    fn waits_for_memory(&self) -> bool {
        self.memory.as_ref().is_some_and(|(allotment, _)| allotment.bytes_max() == 0)
    }

    /// A download that is paused leaves to others what it does not hold.
    fn hold_memory(&self) {
        match &self.memory {
            Some((allotment, _)) if *self.paused => allotment.pause(self.swarm.begun_bytes()),
            Some((allotment, _)) => allotment.resume(),
            None => {}
        }
    }

    /// Hashes and stores a chunk on a worker; the answer comes back as an input.
    fn verify(&self, chunk: ChunkIndex, blocks: Vec<bytes::Bytes>) {
        let (source, job) = (self.source.clone(), self.job.clone());
        self.context.checkers.submit(move || {
            let input = if source.manifest.matches(chunk, &blocks) {
                let start = source.manifest.layout().chunk_start(chunk);
                match source.store.write_chunk(chunk, start, &blocks) {
                    Ok(()) => Input::Swarm(Event::ChunkStored { chunk, blocks }),
                    Err(error) => Input::StoreFailed(error),
                }
            } else {
                Input::Swarm(Event::ChunkCorrupt { chunk, blocks })
            };
            // Fails when the share has ended: a restart finds the chunk on disk.
            let _ = source.inputs.send_blocking(input);
            drop(job);
        });
    }

    /// Everything is stored: makes the files final, then says so.
    fn finish(&self) {
        let (source, job) = (self.source.clone(), self.job.clone());
        self.context.checkers.submit(move || {
            let input = match source.store.finish() {
                Ok(()) => Input::Finished,
                Err(error) => Input::StoreFailed(error),
            };
            let _ = source.inputs.send_blocking(input);
            drop(job);
        });
    }

    /// Makes an unfinished download durable; a finished one is seen to in the background. Not among the chores, where
    /// it would wait until other contents are hashed.
    async fn sync(&self) {
        if !self.finished {
            let store = Arc::clone(&self.source.store);
            blocking(&*self.context.runtime, move || sync(&*store)).await;
        }
    }

    /// Works on the files before `done` is dropped; inputs are taken meanwhile, as workers wait for it that serve other
    /// shares.
    fn work_before(&self, done: Sender<()>, work: impl FnOnce(&Source) + Send + 'static) {
        let (source, job) = (self.source.clone(), self.job.clone());
        self.context.runtime.spawn_blocking(Box::new(move || {
            work(&source);
            drop((done, job));
        }));
    }
}

/// Looks whether the files of complete content are still what they were.
fn look(source: &Source) {
    if let Err(error) = source.store.check() {
        let _ = source.inputs.send_blocking(Input::StoreFailed(error));
    }
}

/// Makes what was stored durable; a failure only costs a check at the next start.
fn sync(store: &dyn Store) {
    if let Err(error) = store.sync() {
        log::warn!("content is not durable yet: {error}");
    }
}

/// One timer that is set anew only when it must ring earlier: a swarm's deadline moves with every
/// event, a system timer should not.
#[derive(Default)]
struct Timer {
    set: Option<(Timestamp, BoxFuture<'static, ()>)>,
}

impl Timer {
    /// Resolves at `due` or before; never when there is nothing to wait for. Cancel safe.
    async fn wait(&mut self, context: &Context, due: Option<Timestamp>) {
        let Some(due) = due else { return std::future::pending().await };
        if self.set.as_ref().is_none_or(|(set, _)| *set > due) {
            self.set = Some((due, context.clock.sleep_until(&*context.runtime, Some(due))));
        }
        if let Some((_, sleep)) = &mut self.set {
            sleep.await;
        }
        self.set = None;
    }
}
