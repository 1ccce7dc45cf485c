//! The tokio runtime of the application as a [`Runtime`]. Only this file and those that watch UDP sockets
//! name it.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::io::ReadBuf;
use ::tokio::net;
use ::tokio::runtime::Handle;
use socket2::SockRef;

use super::tcp_options::tune;
use super::tcp_watch::Watched;
use super::{BoxFuture, BoxStream, Runtime, TcpListener, UdpSocket, UdpWatch, udp_watch};

/// A tokio runtime, with its time and IO drivers on; blocking jobs run on its blocking threads (512 by
/// tokio's default).
#[derive(Clone, Debug)]
pub struct Tokio(Handle);

impl Tokio {
    /// The runtime that `handle` belongs to.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// The runtime this is called in; none outside of one.
    #[must_use]
    pub fn current() -> Option<Self> {
        Handle::try_current().ok().map(Self)
    }
}

impl Runtime for Tokio {
    fn spawn(&self, future: BoxFuture<'static, ()>) {
        // The handle can be dropped: the task goes on.
        drop(self.0.spawn(future));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _context = self.0.enter();
        Box::pin(::tokio::time::sleep(duration))
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        drop(self.0.spawn_blocking(job));
    }

    fn connect_tcp(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>> {
        within(&self.0, async move {
            let stream = net::TcpStream::connect(address).await?;
            tune(&SockRef::from(&stream))?;
            Ok(watched(stream, &self.0))
        })
    }

    fn tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn TcpListener>> {
        let _context = self.0.enter();
        listener.set_nonblocking(true)?;
        let listener = net::TcpListener::from_std(listener)?;
        Ok(Arc::new(Socket { socket: listener, runtime: self.0.clone() }))
    }

    fn udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpSocket>> {
        let _context = self.0.enter();
        socket.set_nonblocking(true)?;
        Ok(Arc::new(net::UdpSocket::from_std(socket)?))
    }

    fn watch_udp(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpWatch>> {
        udp_watch::watch(&self.0, socket)
    }

    #[cfg(unix)]
    fn connect_unix(&self, path: std::path::PathBuf) -> BoxFuture<'_, io::Result<BoxStream>> {
        within(&self.0, async move {
            Ok(Box::new(Stream(net::UnixStream::connect(path).await?)) as BoxStream)
        })
    }

    #[cfg(unix)]
    fn unix_listener(
        &self,
        listener: std::os::unix::net::UnixListener,
    ) -> io::Result<Arc<dyn super::UnixListener>> {
        let _context = self.0.enter();
        listener.set_nonblocking(true)?;
        let listener = net::UnixListener::from_std(listener)?;
        Ok(Arc::new(Socket { socket: listener, runtime: self.0.clone() }))
    }
}

/// A listening socket, and the runtime that its connections belong to.
struct Socket<S> {
    socket: S,
    runtime: Handle,
}

/// Polls `future` inside the runtime, whoever awaits it: new sockets look for their driver there.
fn within<'a, F>(runtime: &Handle, future: F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    let runtime = runtime.clone();
    let mut future = Box::pin(future);
    Box::pin(poll_fn(move |context| {
        let _context = runtime.enter();
        future.as_mut().poll(context)
    }))
}

impl TcpListener for Socket<net::TcpListener> {
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        within(&self.runtime, async {
            let (stream, from) = self.socket.accept().await?;
            // Fails on a connection that is gone already: reading from it will tell.
            let _ = tune(&SockRef::from(&stream));
            Ok((watched(stream, &self.runtime), from))
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl UdpSocket for net::UdpSocket {
    fn send_to<'a>(&'a self, datagram: &'a [u8], to: SocketAddr) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { self.send_to(datagram, to).await.map(drop) })
    }

    fn recv_from<'a>(
        &'a self,
        buffer: &'a mut [u8],
    ) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>> {
        Box::pin(self.recv_from(buffer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

#[cfg(unix)]
impl super::UnixListener for Socket<net::UnixListener> {
    fn accept(&self) -> BoxFuture<'_, io::Result<BoxStream>> {
        within(&self.runtime, async {
            Ok(Box::new(Stream(self.socket.accept().await?.0)) as BoxStream)
        })
    }
}

fn watched(stream: net::TcpStream, runtime: &Handle) -> BoxStream {
    Box::new(Watched::new(Stream(stream), Tokio(runtime.clone())))
}

/// A tokio stream with the traits of `futures_io`.
///
/// tokio-util's adapter does not pass vectored writes on, which would cost TLS a system call for each
/// record instead of one for many.
struct Stream<S>(S);

#[cfg(unix)]
impl super::ByteStream for Stream<net::UnixStream> {}

#[cfg(unix)]
impl<S: AsFd> AsFd for Stream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<S: ::tokio::io::AsyncRead + Unpin> futures_io::AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<S: ::tokio::io::AsyncWrite + Unpin> futures_io::AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Hands `test` a tokio runtime that ends with it.
#[cfg(test)]
pub(super) fn on_own_runtime(test: impl FnOnce(Tokio)) {
    let runtime = ::tokio::runtime::Runtime::new().unwrap();
    test(Tokio::new(runtime.handle().clone()));
}
