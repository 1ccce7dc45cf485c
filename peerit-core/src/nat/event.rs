//! What a traversal is told and what it wants done.

use std::net::SocketAddr;

use bytes::Bytes;

use super::candidate::Candidate;
use super::report::{Fault, Report};
use crate::id::{PeerId, SwarmKey, Topic};
use crate::path::Path;

/// Local name of an attempt; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey(pub u64);

/// Local name of a connection that is being opened; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WayKey(pub u64);

/// What both sides of a connection show to a relay.
pub type RelayToken = [u8; 16];

/// What a traversal is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Take part in a swarm; again: with these relays instead.
    Join {
        /// The swarm.
        topic: Topic,
        /// What its signals are sealed with.
        key: SwarmKey,
        /// Relays of the swarm, best first; the first two are used.
        relays: Vec<SocketAddr>,
    },
    /// Take part no more: its attempts fail.
    Leave {
        /// The swarm.
        topic: Topic,
    },
    /// All that this machine knows of its own places, in place of what it said before: interfaces (for TCP
    /// with the port on which connections are taken, for UDP with that of the shared socket) and mapped
    /// ports. The first 64 are looked at.
    LocalCandidates {
        /// Where.
        candidates: Vec<Candidate>,
    },
    /// A tracker or STUN server sees the shared socket at an address.
    Observed {
        /// Who saw it.
        observer: SocketAddr,
        /// Where.
        address: SocketAddr,
        /// Port of the observer's address that answers STUN requests too, and is asked as well; 0: none.
        other_port: u16,
    },
    /// Find a path to a peer. Answered by exactly one [`Action::Established`] or [`Action::Failed`], for
    /// all that are asked while one attempt goes on.
    Want {
        /// The swarm.
        topic: Topic,
        /// Whom.
        peer: PeerId,
        /// Where it may take TCP connections; the first four are used.
        addresses: Vec<SocketAddr>,
    },
    /// The peer is wanted no more: its attempt fails.
    Unwant {
        /// The swarm.
        topic: Topic,
        /// Whom.
        peer: PeerId,
    },
    /// A tracker has pushed a signal.
    Signal {
        /// The swarm.
        topic: Topic,
        /// From whom, as the tracker says.
        sender: PeerId,
        /// Where the tracker sees the sender; none if it does not say.
        sender_address: Option<SocketAddr>,
        /// What; sealed.
        sealed: Bytes,
    },
    /// A STUN datagram came to the shared socket.
    Stun {
        /// From where.
        from: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// The answer to [`Action::Open`]: the connection is open, the peer has proved who it is and that it
    /// knows the swarm key.
    Opened {
        /// Which one.
        way: WayKey,
    },
    /// The answer to [`Action::Open`]: there is no connection.
    OpenFailed {
        /// Which one.
        way: WayKey,
        /// Why.
        fault: Fault,
    },
    /// A peer has opened a connection to us and proved the same.
    Accepted {
        /// The swarm.
        topic: Topic,
        /// Who.
        peer: PeerId,
        /// From where it came.
        address: SocketAddr,
        /// Whether by QUIC; else by TCP.
        by_quic: bool,
    },
    /// The answer to [`Action::OpenSockets`].
    SocketsOpened {
        /// How many there are, numbered from 0; fewer than were asked for where the system allows no more.
        count: u16,
    },
    /// A STUN datagram came to one of these sockets.
    StunAt {
        /// Which one.
        socket: u16,
        /// From where.
        from: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// The last connection to a peer is gone; the look for a better one fails with it.
    Disconnected {
        /// The swarm.
        topic: Topic,
        /// Who.
        peer: PeerId,
    },
}

/// What a traversal wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a signal through the trackers of the swarm.
    SendSignal {
        /// The swarm.
        topic: Topic,
        /// To whom.
        receiver: PeerId,
        /// What; at most 740 bytes, sealed.
        sealed: Bytes,
    },
    /// Send a STUN datagram from the shared socket.
    SendStun {
        /// Where to.
        to: SocketAddr,
        /// What; less than 300 bytes.
        datagram: Bytes,
    },
    /// Open sockets for IPv4 beside the shared one, and watch them for STUN; answered by [`Event::SocketsOpened`].
    OpenSockets {
        /// How many, at most.
        count: u16,
    },
    /// Send a STUN datagram from one of these sockets.
    SendFrom {
        /// Which one.
        socket: u16,
        /// Where to.
        to: SocketAddr,
        /// What; less than 300 bytes.
        datagram: Bytes,
    },
    /// Close these sockets, but for one that a connection is opened from.
    CloseSockets,
    /// Open a connection, with its handshake, within 10 s; answered by [`Event::Opened`] or
    /// [`Event::OpenFailed`].
    Open {
        /// Names the connection.
        way: WayKey,
        /// The swarm.
        topic: Topic,
        /// Who must be there.
        peer: PeerId,
        /// How.
        opening: Opening,
    },
    /// Stop opening a connection: another one was quicker. No answer is needed.
    Close {
        /// Which one.
        way: WayKey,
    },
    /// The end of an attempt: there is a connection.
    Established {
        /// Which attempt.
        attempt: AttemptKey,
        /// The swarm.
        topic: Topic,
        /// Who.
        peer: PeerId,
        /// The connection, if it is one of ours; none: one that the peer has opened.
        way: Option<WayKey>,
        /// How the peer is reached.
        path: Path,
        /// What was tried.
        report: Report,
    },
    /// The end of an attempt: there is no connection, or no better one.
    Failed {
        /// Which attempt.
        attempt: AttemptKey,
        /// The swarm.
        topic: Topic,
        /// Who.
        peer: PeerId,
        /// What was tried.
        report: Report,
    },
}

/// How to open a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// TLS over TCP.
    Tcp {
        /// Where to.
        address: SocketAddr,
    },
    /// QUIC from the shared socket.
    Quic {
        /// Where to.
        address: SocketAddr,
    },
    /// QUIC from one of the sockets of [`Action::OpenSockets`], which is the connection's from then on.
    QuicFrom {
        /// Which one.
        socket: u16,
        /// Where to.
        address: SocketAddr,
    },
    /// TLS over TCP through a relay: whoever has the smaller peer id is the TLS client.
    Relay {
        /// Where the relay is.
        relay: SocketAddr,
        /// What both sides show to the relay.
        token: RelayToken,
    },
}
