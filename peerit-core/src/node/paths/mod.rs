//! A [`NatTraversal`] on the node's sockets: finds paths to the peers that swarms want to dial.
//!
//! [`NatTraversal`]: crate::nat::NatTraversal

mod driver;
mod open;
mod relays;
mod sockets;
#[cfg(feature = "webrtc-ice")]
mod webrtc_agent;

use std::net::SocketAddr;
use std::sync::Arc;

use async_channel::{Receiver, Sender};

use super::input::{Input, Opened};
use crate::id::{ContentId, PeerId, Topic};
use crate::nat::{self, Candidate, IceBackend};
use crate::runtime::UdpSocket;
use crate::transport::{QuicTransport, RelayDialer};

/// What paths are made of, besides the node's usual transport.
pub(crate) struct Means {
    /// The STUN lane of the shared socket.
    pub(crate) stun: Arc<dyn UdpSocket>,
    /// QUIC on the same socket.
    pub(crate) quic: Arc<QuicTransport>,
    pub(crate) relays: RelayDialer,
    /// What does the checks.
    pub(crate) ice: IceBackend,
}

/// Which library does the connectivity checks of ICE (RFC 8445). Both speak the same: peers need not have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IceLibrary {
    /// `is`, among the node's own tasks: 50 KB an attempt.
    #[default]
    Is,
    /// `webrtc-ice`, with a thread for each attempt: to compare with.
    #[cfg(feature = "webrtc-ice")]
    WebrtcIce,
}

impl IceLibrary {
    /// All that were built in.
    const ALL: &[Self] = &[
        Self::Is,
        #[cfg(feature = "webrtc-ice")]
        Self::WebrtcIce,
    ];

    /// That of this name, if it was built in.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|library| library.name() == name)
    }

    /// The name of its crate.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Is => "is",
            #[cfg(feature = "webrtc-ice")]
            Self::WebrtcIce => "webrtc-ice",
        }
    }

    pub(crate) fn backend(self) -> IceBackend {
        match self {
            Self::Is => nat::start_is,
            #[cfg(feature = "webrtc-ice")]
            Self::WebrtcIce => webrtc_agent::start,
        }
    }
}

/// Finds paths in the background. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Paths {
    /// Without a bound: only this program's own calls are in it, what trackers push at a bounded rate, and connections
    /// of strangers, who have a bounded number of places.
    commands: Sender<Command>,
}

/// What the task is told.
pub(crate) enum Command {
    Join { content_id: ContentId, trackers: Vec<String>, inputs: Sender<Input> },
    Want { topic: Topic, peer: PeerId, address: SocketAddr },
    Accepted { topic: Topic, opened: Opened },
    Mapped(Vec<Candidate>),
    Event(nat::Event),
}

impl Paths {
    /// The handle, and what [`driver::run`] takes.
    pub(crate) fn new() -> (Self, Receiver<Command>) {
        let (commands, inbox) = async_channel::unbounded();
        (Self { commands }, inbox)
    }

    /// Takes part in a swarm. Connections to its peers are handed to `inputs`. Its trackers are tried as relays:
    /// those that are none say so.
    pub(crate) fn join(&self, content_id: ContentId, trackers: Vec<String>, inputs: Sender<Input>) {
        self.send(Command::Join { content_id, trackers, inputs });
    }

    pub(crate) fn leave(&self, topic: Topic) {
        self.event(nat::Event::Leave { topic });
    }

    /// Finds a path to a peer that a tracker has named; the swarm is told that it is connected, or that dialling
    /// this address failed.
    pub(crate) fn want(&self, topic: Topic, peer: PeerId, address: SocketAddr) {
        self.send(Command::Want { topic, peer, address });
    }

    /// A peer has connected to us; the swarm is told, once it is known by which path.
    pub(crate) fn accepted(&self, topic: Topic, opened: Opened) {
        self.send(Command::Accepted { topic, opened });
    }

    /// These ports of the router lead to us, in place of those before.
    pub(crate) fn mapped(&self, candidates: Vec<Candidate>) {
        self.send(Command::Mapped(candidates));
    }

    pub(crate) fn event(&self, event: nat::Event) {
        self.send(Command::Event(event));
    }

    fn send(&self, command: Command) {
        // An error means that the node has shut down.
        let _ended = self.commands.try_send(command);
    }
}

pub(crate) use driver::run;
