//! What is not QUIC's: the datagrams of trackers, and STUN.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_channel::{Receiver, Sender};

use super::Inner;
use crate::runtime::{BoxFuture, UdpSocket};

/// Datagrams that wait in a lane; while there are that many, new ones are dropped, since every protocol
/// here asks again. Enough for a reader that comes late by 10 ms in a flood of 50,000 a second. They hold
/// 512 x 1,536 B = 768 KiB at most.
const WAITING_MAX: usize = 512;

/// What is kept of a datagram: more than a tracker (1,200 bytes) or ICE (one MTU) ever sends, and so
/// enough to see that one is too long.
const LENGTH_MAX: usize = 1_536;

pub(super) struct Datagram {
    pub(super) bytes: Box<[u8]>,
    from: SocketAddr,
}

/// Where the datagrams of a lane are put.
pub(super) struct Inlet(Sender<Datagram>);

/// Where they come out again.
pub(super) struct Outlet(Receiver<Datagram>);

/// The two ends of a lane.
pub(super) fn lane() -> (Inlet, Outlet) {
    let (inlet, outlet) = async_channel::bounded(WAITING_MAX);
    (Inlet(inlet), Outlet(outlet))
}

impl Inlet {
    /// Hands a datagram on, or drops it.
    pub(super) fn put(&self, datagram: &[u8], from: SocketAddr) {
        if !self.0.is_full() {
            let bytes = datagram[..datagram.len().min(LENGTH_MAX)].into();
            // It cannot be full, as there is one who puts; an error means that nobody listens.
            let _unheard = self.0.try_send(Datagram { bytes, from });
        }
    }
}

impl Outlet {
    /// The next datagram. Cancel safe.
    pub(super) async fn next(&self) -> io::Result<Datagram> {
        // A lane's socket holds the inlet too, so this never fails there.
        self.0.recv().await.map_err(|_| io::ErrorKind::NotConnected.into())
    }
}

/// One lane as a socket of its own: it receives what is meant for it, and sends what it likes.
pub(super) struct Lane {
    pub(super) inner: Arc<Inner>,
    pub(super) outlet: Outlet,
}

impl UdpSocket for Lane {
    fn send_to<'a>(&'a self, datagram: &'a [u8], to: SocketAddr) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(self.inner.send_to(datagram, to))
    }

    fn recv_from<'a>(
        &'a self,
        buffer: &'a mut [u8],
    ) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>> {
        Box::pin(async move {
            let datagram = self.outlet.next().await?;
            let length = datagram.bytes.len().min(buffer.len());
            buffer[..length].copy_from_slice(&datagram.bytes[..length]);
            Ok((length, datagram.from))
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.inner.local_address)
    }
}
