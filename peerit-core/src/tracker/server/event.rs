//! What a tracker is told and what it wants done.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::tracker::relay::RelayOpen;

/// What a tracker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A datagram came.
    Datagram {
        /// From where, as the socket gave it.
        from: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// A datagram came to the other port.
    OtherPort {
        /// From where, as the socket gave it.
        from: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// A request came over TCP, without its length prefix.
    Request {
        /// The driver's name for the connection.
        connection: u64,
        /// From where.
        from: SocketAddr,
        /// What.
        request: Bytes,
    },
    /// A TCP connection that is attended has ended.
    Closed {
        /// Which one.
        connection: u64,
    },
}

/// What a tracker wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a datagram of at most 1,200 bytes.
    Send {
        /// Where to.
        to: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// Send a datagram of at most 1,200 bytes from the other port.
    SendFromOther {
        /// Where to.
        to: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// Send a response of at most 4,096 bytes over TCP, after its length prefix.
    Reply {
        /// The connection.
        connection: u64,
        /// What.
        response: Bytes,
    },
    /// Keep this TCP connection for [`ATTENDED_IDLE_MAX`](crate::tracker::ATTENDED_IDLE_MAX) after each request: it is attended
    /// from now on. Its end is told by [`Event::Closed`].
    Attend {
        /// The connection.
        connection: u64,
    },
    /// Send a signal of at most 1,200 bytes down a TCP connection that is attended, or drop it if its peer is slow.
    Push {
        /// The connection.
        connection: u64,
        /// What.
        response: Bytes,
    },
    /// Join a TCP connection with that of the other side, or refuse: see [`crate::tracker::relay`].
    Relay {
        /// The connection.
        connection: u64,
        /// To be repeated in the answer.
        transaction: u64,
        /// What is asked.
        open: RelayOpen,
    },
    /// Close a TCP connection: what came was no request.
    Close {
        /// The connection.
        connection: u64,
    },
}
