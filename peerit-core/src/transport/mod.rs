//! Ordered, encrypted, authenticated byte streams between peers.

mod frames;
mod handshake;
mod identity;
pub mod memory;
pub(crate) mod messages;
mod pipe;
mod quic;
mod racing;
mod relay;
mod tcp;
mod tls;
mod udp;

use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::id::PeerId;
use crate::path::Path;
use crate::runtime::{BoxFuture, BoxStream};

pub use frames::{FrameError, FrameReader, FrameWriter, framed};
pub use handshake::{HandshakeError, PeerStream, answer_swarm, dial_swarm};
pub use identity::{Identity, IdentityError};
pub use quic::QuicTransport;
pub use racing::RacingTransport;
pub use relay::{RelayDialer, RelayError};
pub use tcp::TcpTransport;
pub use udp::SharedUdp;

/// A way to reach peers and be reached.
///
/// TCP with TLS 1.3 is one, QUIC another; tests use memory; an application may bring its own.
pub trait Transport: Send + Sync {
    /// Opens a connection and ends its handshake. Dropping the future gives the dial up. No
    /// deadline of its own: the caller has one.
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>>;

    /// The next peer that dials. Cancel safe. An error ends the listening for good; what a single
    /// peer does wrong is an error of its [`Incoming`].
    fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>>;

    /// The port on which peers can dial this transport; 0: none.
    fn listen_port(&self) -> u16;

    /// Ends what is still open and lets the peers know, for two seconds at most. For transports whose
    /// connections do not outlive the process in the system; the default does nothing.
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>> {
        (**self).dial(address)
    }

    fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        (**self).accept()
    }

    fn listen_port(&self) -> u16 {
        (**self).listen_port()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        (**self).shutdown()
    }
}

/// A connection whose handshake is yet to be done: to be awaited in a task of its own, with a
/// deadline.
pub struct Incoming {
    /// Where it comes from.
    pub address: SocketAddr,
    /// Ends the handshake.
    pub handshake: BoxFuture<'static, Result<Connection, TransportError>>,
}

/// An open connection: both sides have proved their peer ids, everything is encrypted.
pub struct Connection {
    /// Who is at the other end.
    pub peer_id: PeerId,
    /// Its address: as dialled, or as seen.
    pub address: SocketAddr,
    /// How it is reached.
    pub path: Path,
    /// What carries it.
    pub carrier: Carrier,
    /// 32 bytes that both ends and nobody else know, different for every connection (RFC 9266).
    pub binding: [u8; 32],
    /// The bytes.
    pub stream: BoxStream,
}

/// What carries a connection's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// TLS over TCP.
    Tcp,
    /// QUIC over UDP.
    Quic,
    /// Memory, or something of the application's own.
    Other,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The system or the peer ended it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// TLS could not be agreed on.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// TLS was agreed on, and yet the peer showed no ed25519 key.
    #[error("peer showed no ed25519 key")]
    NoPeerId,
    /// A relay does not lead to the peer.
    #[error("{0}")]
    Relay(#[from] RelayError),
    /// The transport does not listen any more.
    #[error("transport is closed")]
    Closed,
}

#[cfg(test)]
mod tests;
