//! A byte stream in memory, as bounded as one of the network.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead, AsyncWrite};

use crate::runtime::ByteStream;

/// How many bytes are on the way in one direction at most; as a small socket buffer.
pub(super) const PIPE_LENGTH: usize = 64 << 10;

/// One end of a stream; the other one is made with it.
pub(super) struct Pipe {
    incoming: Direction,
    outgoing: Direction,
}

/// Two connected ends. What is written to one is read from the other; dropping one is the end of both directions.
pub(super) fn pipe() -> (Pipe, Pipe) {
    let (here, there) = (Direction::default(), Direction::default());
    let other = Pipe { incoming: there.clone(), outgoing: here.clone() };
    (Pipe { incoming: here, outgoing: there }, other)
}

#[derive(Clone, Default)]
struct Direction(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The writer is gone or has closed: after `bytes` comes the end.
    ended: bool,
    /// The reader is gone.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that runs under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        wake(&mut state.reader);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl ByteStream for Pipe {}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.incoming.lock();
        if state.bytes.is_empty() && !state.ended && !buffer.is_empty() {
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        wake(&mut state.writer);
        Poll::Ready(state.bytes.read(buffer))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.outgoing.lock();
        if state.abandoned || state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = PIPE_LENGTH - state.bytes.len();
        if room == 0 {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        wake(&mut state.reader);
        Poll::Ready(state.bytes.write(&bytes[..bytes.len().min(room)]))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.outgoing.end();
        let mut state = self.incoming.lock();
        state.abandoned = true;
        state.bytes = VecDeque::new();
        wake(&mut state.writer);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;
    use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt};

    use super::*;
    use crate::runtime::testing::block_on;

    #[test]
    fn bytes_arrive_in_order_and_the_end_after_them() {
        block_on(async {
            let (mut here, mut there) = pipe();
            let sent: Vec<u8> = (0..=250).cycle().take(PIPE_LENGTH * 3).collect();
            let write = async {
                here.write_all(&sent).await.unwrap();
                here.close().await.unwrap();
            };
            let mut received = Vec::new();
            let ((), length) = join(write, there.read_to_end(&mut received)).await;
            assert_eq!(length.unwrap(), sent.len());
            assert_eq!(received, sent);
            there.write_all(b"the other direction is open").await.unwrap();
        });
    }

    #[test]
    fn a_writer_waits_for_its_reader() {
        let (mut here, _there) = pipe();
        assert!(here.write_all(&[0; PIPE_LENGTH]).now_or_never().is_some());
        assert!(here.write_all(&[0]).now_or_never().is_none());
    }

    #[test]
    fn a_dropped_end_is_noticed() {
        block_on(async {
            let (mut here, there) = pipe();
            drop(there);
            assert_eq!(here.read(&mut [0; 1]).await.unwrap(), 0);
            let error = here.write_all(&[0]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
    }
}
