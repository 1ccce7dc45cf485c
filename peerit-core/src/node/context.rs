//! What all tasks of a node share.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};

use super::announcer::{Announcer, Found};
use super::clock::Clock;
use super::memory::Memory;
use super::paths::Paths;
use super::ports::Ports;
use super::rate_limit::Limits;
use super::share::Share;
use super::tracker_service::TrackerService;
use super::workers::Workers;
use crate::id::{ContentId, PeerId, SwarmKey, Topic};
use crate::runtime::Runtime;
use crate::store::HandleCache;
use crate::swarm;
use crate::transport::{HandshakeError, PeerStream, Transport, TransportError, dial_swarm};
use crate::wire::Hello;

/// How long a dial and its handshake may take: a TCP SYN is repeated after 1, 3 and 7 s (RFC 6298).
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Context {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) peer_id: PeerId,
    pub(crate) agent: String,
    pub(crate) clock: Clock,
    pub(crate) announcer: Announcer,
    /// Of begun chunks.
    pub(crate) memory: Arc<Memory>,
    /// How fast content is sent and received.
    pub(crate) limits: Arc<Limits>,
    /// Finds ways through NATs; none with a transport of the application's own, of which nothing is known.
    pub(crate) paths: Option<Paths>,
    /// Has the router map ports; none unless it is wanted.
    pub(crate) ports: Option<Ports>,
    /// The embedded tracker, once there is one.
    pub(crate) tracker: Mutex<Option<Arc<TrackerService>>>,
    /// Hash and write: bounded by the cores.
    pub(crate) checkers: Workers,
    /// Long work: hashing what is there, making files durable.
    pub(crate) chores: Workers,
    /// Read for uploads: bounded by what a disk can queue.
    pub(crate) readers: Workers,
    /// Where what vouches for complete content is kept.
    pub(crate) stamps: Option<PathBuf>,
    /// Open files of all shares.
    pub(crate) handles: Arc<HandleCache>,
    pub(crate) shares: Mutex<Shares>,
    /// Closed at shutdown, not before: a node goes on also when its last handle is dropped.
    pub(crate) closing: Sender<Infallible>,
}

/// The shares of a node.
#[derive(Default)]
pub(crate) struct Shares {
    /// In the order of adding.
    pub(crate) all: Vec<Share>,
    /// Those that take part in their swarms, by what a dialling peer asks for.
    pub(crate) answering: BTreeMap<Topic, Share>,
    pub(crate) closed: bool,
}

/// Why a dial did not lead into a swarm.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

impl Context {
    pub(crate) fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tracker(&self) -> MutexGuard<'_, Option<Arc<TrackerService>>> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn listen_port(&self) -> u16 {
        self.transport.listen_port()
    }

    /// What is said by who has no manifest yet.
    pub(crate) fn hello_without_manifest(&self) -> Hello {
        let (agent, listen_port) = (self.agent.clone(), self.listen_port());
        Hello { agent, listen_port, chunk_count: 0, complete: false }
    }

    pub(crate) fn swarm_config(&self) -> swarm::Config {
        swarm::Config {
            agent: self.agent.clone(),
            listen_port: self.listen_port(),
            ..swarm::Config::default()
        }
    }

    /// A seed that no peer can guess. Without randomness from the system the clock must do: the
    /// seed breaks ties, it protects nothing.
    pub(crate) fn random_seed(&self) -> u64 {
        getrandom::u64().unwrap_or_else(|_| self.clock.now().since_origin().subsec_nanos().into())
    }

    /// Opens a connection to a peer of a swarm. No deadline of its own.
    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        content_id: ContentId,
    ) -> Result<PeerStream, DialError> {
        let connection = self.transport.dial(address).await?;
        Ok(dial_swarm(connection, self.peer_id, content_id).await?)
    }

    /// From now on peers find this share and may take part in it, until [`Self::leave`]; what is returned are those
    /// that are found.
    pub(crate) fn join(
        &self,
        share: &Share,
        trackers: &[String],
        seed: bool,
    ) -> Receiver<Vec<Found>> {
        let (content_id, port) = (share.content_id(), self.listen_port());
        let found = self.announcer.join(content_id.topic(), trackers.to_vec(), port, seed);
        if let Some(paths) = &self.paths {
            paths.join(content_id, trackers.to_vec(), share.inputs().clone());
        }
        self.shares().answering.insert(content_id.topic(), share.clone());
        found
    }

    pub(crate) fn leave(&self, share: &Share) {
        let topic = share.content_id().topic();
        self.shares().answering.remove(&topic);
        self.announcer.leave(topic);
        if let Some(paths) = &self.paths {
            paths.leave(topic);
        }
    }

    /// The share that a dialling peer asks for.
    pub(crate) fn answering(&self, topic: Topic) -> Option<Share> {
        self.shares().answering.get(&topic).cloned()
    }

    pub(crate) fn swarm_key(&self, topic: Topic) -> Option<SwarmKey> {
        self.answering(topic).map(|share| share.content_id().swarm_key())
    }
}
