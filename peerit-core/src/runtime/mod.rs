//! What the node needs of an async runtime: tasks, timers, blocking threads and sockets.
//!
//! An application on another runtime implements [`Runtime`] and hands it to the node.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};

#[cfg(feature = "async-std")]
pub mod async_std;
mod help;
mod round_trip;
#[cfg(any(feature = "async-std", feature = "tokio"))]
mod tcp_options;
#[cfg(any(feature = "async-std", feature = "tokio"))]
mod tcp_watch;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(any(feature = "async-std", feature = "tokio"))]
mod udp_watch;

pub use help::{Elapsed, blocking, timeout};
pub(crate) use help::{on_tokio, with_output};
pub use round_trip::RoundTrip;

/// The runtime of an application that names none: async-std when that feature is on, else the tokio
/// runtime this is called in.
///
/// None without either: the application then brings its own [`Runtime`].
#[must_use]
pub fn default() -> Option<Arc<dyn Runtime>> {
    #[cfg(feature = "async-std")]
    return Some(Arc::new(async_std::AsyncStd));
    #[cfg(all(feature = "tokio", not(feature = "async-std")))]
    return tokio::Tokio::current().map(|runtime| Arc::new(runtime) as Arc<dyn Runtime>);
    #[cfg(not(any(feature = "tokio", feature = "async-std")))]
    return None;
}

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An ordered byte stream. Closing it ends the writing side only: the other end reads what is left, then
/// the end. Dropping it ends both.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Where its round trip time is told, if that is measured while it is read: who sends in the background needs it, and
    /// else gives way to nobody. What wraps a stream hands it on. Default: it is not.
    fn round_trip(&self) -> Option<RoundTrip> {
        None
    }
}

/// A boxed byte stream.
pub type BoxStream = Box<dyn ByteStream>;

/// What the node needs of an async runtime.
pub trait Runtime: Send + Sync + 'static {
    /// Runs a future to its end in the background.
    fn spawn(&self, future: BoxFuture<'static, ()>);

    /// Resolves after `duration`. Dropping it is free.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs `job` on a thread that may block. The runtime bounds how many there are (both of ours:
    /// about 500); further jobs wait. See [`blocking`] for a job with a result.
    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send>);

    /// Opens a TCP connection, with Nagle's algorithm off. Dropping the future gives it up.
    ///
    /// # Errors
    /// Those of the system.
    fn connect_tcp(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>>;

    /// Takes over a bound and listening socket. The connections have Nagle's algorithm off.
    ///
    /// # Errors
    /// Those of the system.
    fn tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn TcpListener>>;

    /// Takes over a bound socket.
    ///
    /// # Errors
    /// Those of the system.
    fn udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpSocket>>;

    /// Watches a bound socket, set to non-blocking, on which the caller makes the system calls: QUIC
    /// sends and receives many datagrams with one. `socket` may be a duplicate of the caller's.
    ///
    /// # Errors
    /// Those of the system.
    fn watch_udp(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpWatch>>;

    /// Opens a connection to a Unix socket.
    ///
    /// # Errors
    /// Those of the system.
    #[cfg(unix)]
    fn connect_unix(&self, path: std::path::PathBuf) -> BoxFuture<'_, io::Result<BoxStream>>;

    /// Takes over a bound and listening Unix socket.
    ///
    /// # Errors
    /// Those of the system.
    #[cfg(unix)]
    fn unix_listener(
        &self,
        listener: std::os::unix::net::UnixListener,
    ) -> io::Result<Arc<dyn UnixListener>>;
}

/// A socket that takes TCP connections.
pub trait TcpListener: Send + Sync {
    /// The next connection and where it comes from. Cancel safe.
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>>;

    /// Where the socket listens.
    ///
    /// # Errors
    /// Those of the system.
    fn local_address(&self) -> io::Result<SocketAddr>;
}

/// A socket that takes connections of this machine.
#[cfg(unix)]
pub trait UnixListener: Send + Sync {
    /// The next connection. Cancel safe.
    fn accept(&self) -> BoxFuture<'_, io::Result<BoxStream>>;
}

/// A socket for datagrams.
pub trait UdpSocket: Send + Sync {
    /// Sends one datagram. Cancel safe.
    fn send_to<'a>(&'a self, datagram: &'a [u8], to: SocketAddr) -> BoxFuture<'a, io::Result<()>>;

    /// The next datagram, cut to the buffer, and where it comes from. Cancel safe.
    fn recv_from<'a>(
        &'a self,
        buffer: &'a mut [u8],
    ) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>>;

    /// Where the socket is bound.
    ///
    /// # Errors
    /// Those of the system.
    fn local_address(&self) -> io::Result<SocketAddr>;
}

/// When a non-blocking socket for datagrams is ready, and where those who work on it run best; see
/// [`Runtime::watch_udp`].
pub trait UdpWatch: Send + Sync {
    /// Runs a task that works on the socket, in the background: where it is woken at the least cost.
    fn spawn(&self, future: BoxFuture<'static, ()>);

    /// Resolves after `duration`, for such a task. Dropping it is free.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Whether there may be something to receive. Only the task that asked last is woken.
    ///
    /// # Errors
    /// When the runtime has ended.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Resolves when there may be room to send; any number of tasks may wait. Cancel safe.
    fn writable(self: Arc<Self>) -> BoxFuture<'static, io::Result<()>>;

    /// Makes a system call that receives. If it would block, [`UdpWatch::poll_readable`] waits from then
    /// on; this may also say that it would block without making it.
    ///
    /// # Errors
    /// Those of the call.
    fn try_receive(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;

    /// Makes a system call that sends, in the same way with [`UdpWatch::writable`].
    ///
    /// # Errors
    /// Those of the call.
    fn try_send(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}
