//! The one stream of a QUIC connection as a byte stream.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_channel::Sender;
use futures_io::{AsyncRead, AsyncWrite};
use quinn::{Connection, ReadError, RecvStream, SendStream, VarInt, WriteError};

use super::dead_path;
use super::window::ReceiveWindow;
use crate::runtime::{ByteStream, RoundTrip, Runtime, timeout};

/// Most bytes that are taken from the writer beyond what the congestion window lets out, as for TCP: what is
/// taken is decided, no other block can overtake it, and a cancel comes too late. It lasts for a scheduler's
/// tick at 1 Gbit/s.
const UNSENT_MAX: u64 = 128 << 10;

/// How long a closed and dropped stream goes on sending what was written.
const LINGER: Duration = Duration::from_secs(10);

/// Why a connection ended, for the peer.
const DONE: VarInt = VarInt::from_u32(0);
const BROKEN: VarInt = VarInt::from_u32(1);

/// Closing ends our side after what was written. Dropping ends both: at once when it was not closed, so
/// that the peer sees a broken connection; else when the peer has everything, after 10 s at the latest.
pub(super) struct QuicStream {
    runtime: Arc<dyn Runtime>,
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    window: ReceiveWindow,
    closed: bool,
    round_trip: RoundTrip,
    /// Ends the watch over the path.
    _watched: Sender<Infallible>,
}

impl QuicStream {
    pub(super) fn new(
        runtime: Arc<dyn Runtime>,
        connection: Connection,
        (send, receive): (SendStream, RecvStream),
    ) -> Self {
        let window = ReceiveWindow::new(Instant::now());
        let (watched, stop) = async_channel::bounded(1);
        let round_trip = RoundTrip::default();
        let path = (connection.clone(), round_trip.clone());
        runtime.spawn(Box::pin(dead_path::watch(Arc::clone(&runtime), path, stop)));
        let closed = false;
        Self { runtime, connection, send, receive, window, closed, round_trip, _watched: watched }
    }
}

impl ByteStream for QuicStream {
    fn round_trip(&self) -> Option<RoundTrip> {
        Some(self.round_trip.clone())
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let count = ready!(this.receive.poll_read(context, buffer)).map_err(read_error)?;
        let grown = this.window.read(count, Instant::now, || this.connection.rtt());
        if let Some(length) = grown {
            this.connection.set_receive_window(VarInt::from_u32(length));
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Counts what is on the way as well. A writer that waits is woken by what arrives, and looks again.
        let on_the_way_max = self.connection.stats().path.cwnd;
        self.connection.set_send_window(on_the_way_max + UNSENT_MAX);
        Pin::new(&mut self.send).poll_write(context, bytes).map_err(write_error)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is held back.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        // Fails when it is closed already, or the peer reads no more: either way it is at its end.
        let _ended = self.send.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for QuicStream {
    fn drop(&mut self) {
        if !self.closed {
            return self.connection.close(BROKEN, b"");
        }
        let (runtime, connection) = (Arc::clone(&self.runtime), self.connection.clone());
        let arrived = self.send.stopped();
        self.runtime.spawn(Box::pin(async move {
            // However it ends: the connection is not needed any more.
            let _ = timeout(&*runtime, LINGER, arrived).await;
            connection.close(DONE, b"");
        }));
    }
}

fn read_error(error: ReadError) -> io::Error {
    match error {
        ReadError::ConnectionLost(error) => error.into(),
        error => error.into(),
    }
}

fn write_error(error: WriteError) -> io::Error {
    match error {
        WriteError::ConnectionLost(error) => error.into(),
        WriteError::Stopped(_) | WriteError::ClosedStream => io::ErrorKind::BrokenPipe.into(),
        error @ WriteError::ZeroRttRejected => error.into(),
    }
}
