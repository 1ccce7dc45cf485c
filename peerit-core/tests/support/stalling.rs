//! A transport that falls silent after a number of bytes: a transfer that stops at a known place.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::io::{AsyncRead, AsyncWrite};
use peerit_core::runtime::{BoxFuture, BoxStream, ByteStream};
use peerit_core::transport::{
    Connection, Identity, Incoming, TcpTransport, Transport, TransportError,
};

/// TCP and TLS, of which at most some bytes can be read in all.
pub(crate) struct StallingTransport {
    inner: TcpTransport,
    left: Arc<AtomicUsize>,
}

impl StallingTransport {
    pub(crate) fn new(identity: &Identity, bytes: usize) -> Self {
        let runtime = peerit_core::runtime::default().unwrap();
        let inner = TcpTransport::bind(runtime, identity, ([127, 0, 0, 1], 0).into()).unwrap();
        Self { inner, left: Arc::new(AtomicUsize::new(bytes)) }
    }
}

impl Transport for StallingTransport {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>> {
        Box::pin(async move {
            let connection = self.inner.dial(address).await?;
            let stream = Stalling { inner: connection.stream, left: Arc::clone(&self.left) };
            Ok(Connection { stream: Box::new(stream), ..connection })
        })
    }

    fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        self.inner.accept()
    }

    fn listen_port(&self) -> u16 {
        self.inner.listen_port()
    }
}

struct Stalling {
    inner: BoxStream,
    left: Arc<AtomicUsize>,
}

impl ByteStream for Stalling {}

impl AsyncRead for Stalling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = self.left.load(Ordering::SeqCst).min(buffer.len());
        if allowed == 0 {
            // Never woken: silence.
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.inner).poll_read(cx, &mut buffer[..allowed]);
        if let Poll::Ready(Ok(count)) = read {
            self.left.fetch_sub(count, Ordering::SeqCst);
        }
        read
    }
}

impl AsyncWrite for Stalling {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
