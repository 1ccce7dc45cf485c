//! One UDP socket for QUIC, trackers and STUN, so that the address which a tracker or a STUN server sees
//! is the one that peers reach.
//!
//! QUIC's endpoint reads the socket, many datagrams with one system call. On the way there each is looked at
//! ([`kind`]); those of trackers and STUN go into a lane of their own, which is a socket to its reader.

mod kind;
mod lane;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use socket2::SockRef;

use self::kind::{Kind, sift};
use self::lane::{Inlet, Lane, lane};
use crate::runtime::{BoxFuture, Runtime, UdpSocket, UdpWatch};
use crate::wire::address::{canonical, mapped};

/// What the kernel is asked to hold in each direction, in bytes. To receive, what comes while the reader
/// waits for a core: 1 Gbit/s for 16 ms are 2 MB, and the kernel counts its own bookkeeping, about as
/// much again. To send, a burst of paced packets. Linux gives what `net.core.rmem_max` and `wmem_max` allow, by
/// default 208 KiB: that is 1.6 ms, beyond which QUIC sees loss and slows down.
const BUFFER_LENGTH: usize = 4 << 20;

/// A bound UDP socket that QUIC, a tracker's client and STUN share.
///
/// The two lanes are sockets: addresses come as they are, IPv4 ones also on a socket for both families, and may
/// be given so. They receive as long as a [`QuicTransport`](super::QuicTransport) on this socket lives, which does
/// the reading. What comes faster than it is read is dropped: at most 768 KiB wait in a lane.
pub struct SharedUdp {
    inner: Arc<Inner>,
    tracker: Arc<Lane>,
    stun: Arc<Lane>,
}

/// The socket, as QUIC sees it.
struct Inner {
    socket: std::net::UdpSocket,
    watch: Arc<dyn UdpWatch>,
    /// How the system calls are made: GSO, GRO, ECN.
    calls: UdpSocketState,
    local_address: SocketAddr,
    tracker: Inlet,
    stun: Inlet,
}

impl SharedUdp {
    /// Takes over a bound socket.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(runtime: &dyn Runtime, socket: std::net::UdpSocket) -> io::Result<Self> {
        // Sets what QUIC needs: non-blocking, GRO, ECN, no fragments.
        let calls = UdpSocketState::new((&socket).into())?;
        enlarge_buffers(&socket);
        let (to_tracker, tracker) = lane();
        let (to_stun, stun) = lane();
        let inner = Arc::new(Inner {
            watch: runtime.watch_udp(socket.try_clone()?)?,
            calls,
            local_address: socket.local_addr()?,
            socket,
            tracker: to_tracker,
            stun: to_stun,
        });
        let lane = |outlet| Arc::new(Lane { inner: Arc::clone(&inner), outlet });
        Ok(Self { tracker: lane(tracker), stun: lane(stun), inner })
    }

    /// The lane of trackers' datagrams. Every call gives the same one: it is for one reader.
    #[must_use]
    pub fn tracker(&self) -> Arc<dyn UdpSocket> {
        Arc::clone(&self.tracker) as Arc<dyn UdpSocket>
    }

    /// The lane of STUN, for ICE. Every call gives the same one: it is for one reader.
    #[must_use]
    pub fn stun(&self) -> Arc<dyn UdpSocket> {
        Arc::clone(&self.stun) as Arc<dyn UdpSocket>
    }

    /// Where the socket is bound.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.inner.local_address
    }

    /// What runs the tasks of QUIC.
    pub(super) fn watch(&self) -> Arc<dyn UdpWatch> {
        Arc::clone(&self.inner.watch)
    }

    /// The lane of QUIC.
    pub(super) fn quic(&self) -> Arc<dyn AsyncUdpSocket> {
        Arc::clone(&self.inner) as Arc<dyn AsyncUdpSocket>
    }
}

/// As much as the system allows: less costs speed on fast links, which is no reason not to start.
fn enlarge_buffers(socket: &std::net::UdpSocket) {
    let socket = SockRef::from(socket);
    let set = socket
        .set_recv_buffer_size(BUFFER_LENGTH)
        .and_then(|()| socket.set_send_buffer_size(BUFFER_LENGTH))
        .and_then(|()| socket.recv_buffer_size());
    match set {
        Ok(length) if length < BUFFER_LENGTH => log::debug!(
            "the system's buffer for datagrams is {length} bytes; QUIC is faster on fast links with \
             net.core.rmem_max and net.core.wmem_max of {BUFFER_LENGTH}"
        ),
        Ok(_) => {}
        Err(error) => log::debug!("cannot enlarge the buffers for datagrams: {error}"),
    }
}

impl Inner {
    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = if self.local_address.is_ipv6() { mapped(to).into() } else { to };
        loop {
            let mut call = || self.socket.send_to(datagram, to).map(drop);
            match self.watch.try_send(&mut call) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Arc::clone(&self.watch).writable().await?;
                }
                result => return result,
            }
        }
    }

    /// Leaves QUIC's datagrams in the buffer.
    fn share_out(&self, buffer: &mut [u8], meta: &mut RecvMeta) {
        let from = canonical(meta.addr);
        meta.len = sift(&mut buffer[..meta.len], meta.stride, |kind, datagram| match kind {
            Kind::Tracker => self.tracker.put(datagram, from),
            Kind::Stun => self.stun.put(datagram, from),
            Kind::Quic | Kind::Unknown => {}
        });
    }
}

impl AsyncUdpSocket for Inner {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable { watch: Arc::clone(&self.watch), waiting: Mutex::default() })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.watch.try_send(&mut || self.calls.send((&self.socket).into(), transmit))
    }

    /// Returns also when nothing of what came is QUIC's: quinn counts it as work, and so gives way to
    /// connections in a flood.
    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.watch.poll_readable(context))?;
            let mut count = 0;
            let received = self.watch.try_receive(&mut || {
                count = self.calls.recv((&self.socket).into(), buffers, metas)?;
                Ok(())
            });
            match received {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Poll::Ready(Err(error)),
            }
            for (buffer, meta) in buffers.iter_mut().zip(metas).take(count) {
                self.share_out(buffer, meta);
            }
            return Poll::Ready(Ok(count));
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local_address)
    }

    fn max_transmit_segments(&self) -> usize {
        self.calls.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.calls.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.calls.may_fragment()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shared UDP socket on {}", self.local_address)
    }
}

/// One task's wait for room to send, again and again.
struct Writable {
    watch: Arc<dyn UdpWatch>,
    /// Never contended: only makes it `Sync`, which a boxed future is not.
    waiting: Mutex<Option<BoxFuture<'static, io::Result<()>>>>,
}

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { watch, waiting } = &mut *self;
        let waiting = waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        let wait = waiting.get_or_insert_with(|| Arc::clone(watch).writable());
        let result = ready!(wait.as_mut().poll(context));
        *waiting = None;
        Poll::Ready(result)
    }
}

impl fmt::Debug for Writable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wait for room to send")
    }
}
