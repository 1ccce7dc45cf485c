//! Peers that meet at a relay: TLS 1.3 inside a stream that a tracker passes on.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::messages::{MessageError, read_message, write_message};
use super::tls::Tls;
use super::{Connection, Identity, TransportError};
use crate::path::Path;
use crate::runtime::{BoxStream, ByteStream, RoundTrip, Runtime};
use crate::tracker::DATAGRAM_MAX;
use crate::tracker::relay::{
    RelayEnd, RelayOpen, RelayRefusal, RelaySide, encode_open, parse_answer,
};

/// Names the only request of a connection to a relay.
const TRANSACTION: u64 = 1;

/// Why a relay does not lead to a peer.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// It refuses.
    #[error("{0}")]
    Refused(#[from] RelayRefusal),
    /// It closed the connection, or answered what is no answer.
    #[error("the relay gave no answer")]
    NoAnswer,
}

/// Opens connections through relays. Cheap to clone.
#[derive(Clone)]
pub struct RelayDialer {
    runtime: Arc<dyn Runtime>,
    tls: Tls,
}

impl RelayDialer {
    /// For the node of this identity.
    ///
    /// # Errors
    /// When TLS does not take the identity's key.
    pub fn new(runtime: Arc<dyn Runtime>, identity: &Identity) -> Result<Self, TransportError> {
        Ok(Self { runtime, tls: Tls::new(identity)? })
    }

    /// Meets the peer that shows the same token to this relay, and ends the handshake with it. The
    /// relay learns both addresses and how much they say to each other, no more.
    ///
    /// The address of the connection is the relay's. Who the peer is, only its `peer_id` tells: whoever
    /// has read the token on its way may have come in its place. When the relay ends the session, reading
    /// fails with a [`RelayEnd`] inside the error. Dropping the future gives the attempt up. No deadline
    /// of its own but the relay's, which waits for the peer for 30 s by default.
    ///
    /// # Errors
    /// When the relay cannot be reached, refuses, or the peer cannot prove its peer id.
    pub async fn meet(
        &self,
        relay: SocketAddr,
        open: RelayOpen,
    ) -> Result<Connection, TransportError> {
        let mut stream = self.runtime.connect_tcp(relay).await?;
        write_message(&mut stream, &encode_open(TRANSACTION, open)).await?;
        let answer = match read_message(&mut stream, DATAGRAM_MAX).await {
            Ok(Some(answer)) => parse_answer(answer, TRANSACTION).ok_or(RelayError::NoAnswer)?,
            Ok(None) | Err(MessageError::TooLong(_)) => return Err(RelayError::NoAnswer.into()),
            Err(MessageError::Io(error)) => return Err(error.into()),
        };
        answer.map_err(RelayError::Refused)?;
        let stream = Box::new(Unframed { stream, state: State::default() });
        let connection = match open.side {
            RelaySide::Offer => self.tls.dial(stream, relay).await?,
            RelaySide::Answer => self.tls.answer(stream, relay).await?,
        };
        Ok(Connection { path: Path::Relayed, ..connection })
    }
}

/// Takes the other side's bytes out of the relay's frames; what is written goes as it is.
struct Unframed {
    stream: BoxStream,
    state: State,
}

/// Where in the frames reading is.
enum State {
    /// In a head, of which so many bytes are there.
    Head([u8; 2], usize),
    /// In a frame, of which so many bytes are to come.
    Body(usize),
    /// In the reason after a frame of length 0.
    Reason,
    /// The relay has said why it ends.
    Ended(RelayEnd),
}

impl Default for State {
    fn default() -> Self {
        Self::Head([0; 2], 0)
    }
}

impl ByteStream for Unframed {
    /// To the relay: what is in the way here is in that part of the path.
    fn round_trip(&self) -> Option<RoundTrip> {
        self.stream.round_trip()
    }
}

impl AsyncRead for Unframed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, state } = &mut *self;
        let mut read = |bytes: &mut [u8]| Pin::new(&mut *stream).poll_read(context, bytes);
        loop {
            match state {
                State::Head(head, filled) => {
                    let length = ready!(read(&mut head[*filled..]))?;
                    match (length, *filled) {
                        // The other side writes no more.
                        (0, 0) => return Poll::Ready(Ok(0)),
                        (0, _) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                        _ => *filled += length,
                    }
                    if *filled == head.len() {
                        *state = match u16::from_be_bytes(*head) {
                            0 => State::Reason,
                            length => State::Body(length.into()),
                        };
                    }
                }
                State::Body(left) => {
                    let most = buffer.len().min(*left);
                    let length = ready!(read(&mut buffer[..most]))?;
                    if length == 0 && most > 0 {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    *left -= length;
                    if *left == 0 {
                        *state = State::default();
                    }
                    return Poll::Ready(Ok(length));
                }
                State::Reason => {
                    let mut reason = [0];
                    let end = match ready!(read(&mut reason))? {
                        0 => RelayEnd::Other,
                        _ => RelayEnd::from_byte(reason[0]),
                    };
                    *state = State::Ended(end);
                }
                State::Ended(end) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        *end,
                    )));
                }
            }
        }
    }
}

impl AsyncWrite for Unframed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

#[cfg(test)]
mod tests;
