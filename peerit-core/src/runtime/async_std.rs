//! async-std as a [`Runtime`]. The only file that names it.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

#[cfg(unix)]
use ::async_std::os::unix::net as unix;
use ::async_std::{net, task};
use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

use super::tcp_options::tune;
use super::tcp_watch::Watched;
use super::{BoxFuture, BoxStream, Runtime, TcpListener, UdpSocket, UdpWatch, udp_watch};

/// async-std's global runtime: a thread per core, and up to 500 threads for blocking jobs, started on
/// first use.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

impl AsyncStd {
    /// Runs `future` to its end on this thread; for `main` functions and tests.
    pub fn block_on<F: Future>(future: F) -> F::Output {
        task::block_on(future)
    }
}

impl Runtime for AsyncStd {
    fn spawn(&self, future: BoxFuture<'static, ()>) {
        // The handle can be dropped: the task goes on.
        drop(task::spawn(future));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(task::sleep(duration))
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        drop(task::spawn_blocking(job));
    }

    fn connect_tcp(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>> {
        Box::pin(async move {
            let stream = net::TcpStream::connect(address).await?;
            tune(&SockRef::from(&stream))?;
            Ok(watched(stream))
        })
    }

    fn tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn TcpListener>> {
        Ok(Arc::new(net::TcpListener::from(listener)))
    }

    fn udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpSocket>> {
        Ok(Arc::new(net::UdpSocket::from(socket)))
    }

    fn watch_udp(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpWatch>> {
        udp_watch::watch(udp_watch::thread()?, socket)
    }

    #[cfg(unix)]
    fn connect_unix(&self, path: std::path::PathBuf) -> BoxFuture<'_, io::Result<BoxStream>> {
        Box::pin(async move { Ok(boxed(unix::UnixStream::connect(path).await?)) })
    }

    #[cfg(unix)]
    fn unix_listener(
        &self,
        listener: std::os::unix::net::UnixListener,
    ) -> io::Result<Arc<dyn super::UnixListener>> {
        Ok(Arc::new(unix::UnixListener::from(listener)))
    }
}

impl TcpListener for net::TcpListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.accept().await?;
            // Fails on a connection that is gone already: reading from it will tell.
            let _ = tune(&SockRef::from(&stream));
            Ok((watched(stream), from))
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.local_addr()
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
impl super::UnixListener for unix::UnixListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<BoxStream>> {
        Box::pin(async move { Ok(boxed(self.accept().await?.0)) })
    }
}

/// A stream whose writing side closes when it is told to; async-std's own close only flushes, so the
/// other end would wait for more.
struct Stream<S>(S);

trait CloseWrite {
    fn close_write(&self) -> io::Result<()>;
}

impl CloseWrite for net::TcpStream {
    fn close_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

fn watched(stream: net::TcpStream) -> BoxStream {
    Box::new(Watched::new(Stream(stream), AsyncStd))
}

#[cfg(unix)]
impl super::ByteStream for Stream<unix::UnixStream> {}

#[cfg(unix)]
impl<S: AsFd> AsFd for Stream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(unix)]
impl CloseWrite for unix::UnixStream {
    fn close_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
fn boxed(stream: unix::UnixStream) -> BoxStream {
    Box::new(Stream(stream))
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + CloseWrite + Unpin> AsyncWrite for Stream<S> {
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
        ready!(Pin::new(&mut self.0).poll_flush(context))?;
        Poll::Ready(self.0.close_write())
    }
}
