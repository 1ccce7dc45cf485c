//! What the client is told, what it wants done, and how it stands.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::id::{PeerId, Topic};

/// A tracker as a manifest names it: "host:port".
///
/// Any text is a key; one that names nothing is a tracker that cannot be resolved, and its status
/// says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerKey(Arc<str>);

impl TrackerKey {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TrackerKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for TrackerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Take part in a swarm; again: with these trackers instead.
    Join {
        /// The swarm.
        topic: Topic,
        /// The first 64 are used, all of them.
        trackers: Vec<TrackerKey>,
        /// TCP port on which we take connections; 0: none.
        listen_port: u16,
        /// Whether we have all chunks.
        seed: bool,
    },
    /// We have all chunks now.
    Completed {
        /// The swarm.
        topic: Topic,
    },
    /// Take part no more: the trackers that know us are told.
    Leave {
        /// The swarm.
        topic: Topic,
    },
    /// Send a signal to a peer, through at most three of the swarm's trackers. Whether it arrives, only an
    /// answer tells. More than 10 a second, after 100 at once, are dropped: trackers would drop them too.
    Signal {
        /// The swarm.
        topic: Topic,
        /// To whom.
        receiver: PeerId,
        /// What; at most 900 bytes, sealed.
        sealed: Bytes,
    },
    /// This machine's addresses are others now: all trackers are told at once.
    NetworkChanged,
    /// A path to a peer is dead: maybe our own address is another one, of which trackers that we speak to by UDP are
    /// asked now.
    PathLost,
    /// A router leads this address to the port on which we take connections; none: no more.
    Mapped {
        /// Trackers that see us at this IP address name this port to others.
        external: Option<SocketAddr>,
    },
    /// The answer to [`Action::Resolve`].
    Resolved {
        /// The tracker.
        tracker: TrackerKey,
        /// Those that can be reached from our socket; the first eight are used.
        addresses: Vec<SocketAddr>,
    },
    /// The answer to [`Action::Resolve`]: there is no address.
    ResolveFailed {
        /// The tracker.
        tracker: TrackerKey,
        /// Why, for people.
        reason: String,
    },
    /// A datagram came that may be a tracker's; others are ignored.
    Datagram {
        /// From where.
        from: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// A message came over a TCP connection to a tracker, without its length prefix.
    StreamMessage {
        /// The tracker.
        from: SocketAddr,
        /// What; at most 4,096 bytes.
        message: Bytes,
    },
    /// A TCP connection to a tracker could not be opened, or has ended, but for [`Action::CloseStream`].
    StreamLost {
        /// The tracker.
        to: SocketAddr,
    },
}

/// What a client wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look the name up; answered by [`Event::Resolved`] or [`Event::ResolveFailed`].
    Resolve {
        /// The tracker.
        tracker: TrackerKey,
    },
    /// Send a datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// What; at most 1,200 bytes.
        datagram: Bytes,
    },
    /// Send a message, after its length, over the TCP connection to a tracker, which is opened if there is none. What
    /// comes back is told by [`Event::StreamMessage`], and its end by [`Event::StreamLost`].
    SendStream {
        /// Where to.
        to: SocketAddr,
        /// What; at most 1,200 bytes.
        message: Bytes,
    },
    /// Close the TCP connection to a tracker, if there is one: it does not answer.
    CloseStream {
        /// Where to.
        to: SocketAddr,
    },
    /// A tracker knows these peers.
    Peers {
        /// The swarm.
        topic: Topic,
        /// At most 50; a peer may be there with several addresses.
        addresses: Vec<(PeerId, SocketAddr)>,
    },
    /// A tracker sees our socket at an address, other than the one it saw before.
    Observed {
        /// Where the tracker is.
        tracker: SocketAddr,
        /// The address.
        address: SocketAddr,
        /// The tracker's UDP port beside this one, which answers STUN; 0: none.
        other_port: u16,
    },
    /// A tracker has pushed a signal, at most 20 a second after 100 at once.
    Signal {
        /// The swarm; one that is joined.
        topic: Topic,
        /// From whom, as the tracker says; not ourselves.
        sender: PeerId,
        /// Where the tracker sees the sender; none if it does not say.
        sender_address: Option<SocketAddr>,
        /// What; at most 900 bytes, sealed.
        sealed: Bytes,
    },
}

/// One tracker of a topic, as it answered last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerStatus {
    /// "host:port".
    pub tracker: String,
    /// Whether its last answer came in time.
    pub reachable: bool,
    /// Peers that have all chunks, as it said.
    pub seeds: u32,
    /// Peers that do not, as it said.
    pub leeches: u32,
    /// What went wrong last, for people; empty: nothing.
    pub problem: String,
}
