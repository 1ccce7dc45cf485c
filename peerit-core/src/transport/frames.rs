//! Frames and their payloads on a byte stream.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::io::{ReadHalf, WriteHalf};
use futures_util::{AsyncReadExt, AsyncWriteExt};

use crate::block_buffer::BlockBuffer;
use crate::runtime::{BoxStream, RoundTrip};
use crate::wire::{
    FRAME_LENGTH_MAX, Frame, LENGTH_PREFIX_MAX, WireError, encode_frame, peek_frame,
};

/// Length of the read buffer: exactly the greatest frame, so that every frame fits. 500 peers: 32 MiB.
const READ_BUFFER_LENGTH: usize = LENGTH_PREFIX_MAX + FRAME_LENGTH_MAX;
/// Small frames are held back until there are this many bytes, or a flush. Four full TLS records.
const WRITE_BUFFER_LENGTH: usize = 64 << 10;

/// Why frames cannot be read or written any more.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The system or the peer ended the connection.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer sent what is no frame.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The peer ended the connection in an orderly way, between two frames.
    #[error("peer closed the connection")]
    Closed,
}

/// The frames of both directions, each for a task of its own: one that waits does not hold up the other.
#[must_use]
pub fn framed(stream: BoxStream) -> (FrameReader, FrameWriter) {
    let round_trip = stream.round_trip();
    let (read, write) = stream.split();
    let reader = FrameReader {
        stream: read,
        buffer: vec![0; READ_BUFFER_LENGTH].into_boxed_slice(),
        start: 0,
        end: 0,
        payload: None,
    };
    (reader, FrameWriter { stream: write, buffer: BytesMut::new(), round_trip })
}

/// Reads frames and their payloads.
///
/// Holds a buffer of 64 KiB and at most one payload of 256 KiB.
pub struct FrameReader {
    stream: ReadHalf<BoxStream>,
    /// `start..end` is read and not used yet.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The payload under way, so that a dropped `next` loses nothing.
    payload: Option<Payload>,
}

struct Payload {
    frame: Frame,
    bytes: BlockBuffer,
    /// How much of `bytes` is there.
    filled: usize,
}

impl FrameReader {
    /// The next frame, and its payload if it has one. Cancel safe.
    ///
    /// # Errors
    /// [`FrameError::Closed`] at the orderly end; all others mean that the connection broke, or is to be
    /// given up.
    pub async fn next(&mut self) -> Result<(Frame, Option<Bytes>), FrameError> {
        loop {
            self.fill_payload().await?;
            if let Some(payload) = self.payload.take() {
                return Ok((payload.frame, Some(payload.bytes.into())));
            }
            let frame = self.next_frame().await?;
            match frame.payload_length() {
                0 => return Ok((frame, None)),
                length => self.start_payload(frame, length as usize),
            }
        }
    }

    /// The next frame alone: for one that must have no payload, or end the connection.
    pub(super) async fn next_frame(&mut self) -> Result<Frame, FrameError> {
        loop {
            if let Some((frame, length)) = peek_frame(&self.buffer[self.start..self.end])? {
                self.start += length;
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    /// Reads what there is behind an incomplete frame.
    async fn fill(&mut self) -> Result<(), FrameError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // There is room: the buffer holds the greatest frame, and this one is incomplete.
        match self.stream.read(&mut self.buffer[self.end..]).await? {
            0 if self.end == 0 => Err(FrameError::Closed),
            0 => Err(ended_early().into()),
            length => {
                self.end += length;
                Ok(())
            }
        }
    }

    /// Takes what the buffer has of the payload; the rest is read straight into its place.
    fn start_payload(&mut self, frame: Frame, length: usize) {
        let filled = length.min(self.end - self.start);
        let mut bytes = BlockBuffer::new(length);
        bytes[..filled].copy_from_slice(&self.buffer[self.start..self.start + filled]);
        self.start += filled;
        self.payload = Some(Payload { frame, bytes, filled });
    }

    async fn fill_payload(&mut self) -> Result<(), FrameError> {
        let Some(payload) = &mut self.payload else { return Ok(()) };
        while payload.filled < payload.bytes.len() {
            match self.stream.read(&mut payload.bytes[payload.filled..]).await? {
                0 => return Err(ended_early().into()),
                length => payload.filled += length,
            }
        }
        Ok(())
    }
}

fn ended_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "connection ended inside a frame")
}

/// Writes frames and their payloads.
///
/// Small frames are gathered until 64 KiB are there, a payload is sent, or [`Self::flush`] is called: call
/// it whenever there is nothing more to send for now. None of the methods is cancel safe: a frame cut
/// short ends the connection. Whoever gives up on one drops the writer.
pub struct FrameWriter {
    stream: WriteHalf<BoxStream>,
    /// At most [`WRITE_BUFFER_LENGTH`] and one frame: 128 KiB; little when no frame is great.
    buffer: BytesMut,
    round_trip: Option<RoundTrip>,
}

impl FrameWriter {
    /// The round trip time of the path, if it is measured.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.as_ref().and_then(RoundTrip::get)
    }

    /// Sends a frame without payload, now or with the next ones.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, frame: &Frame) -> Result<(), FrameError> {
        debug_assert_eq!(frame.payload_length(), 0, "the payload is part of the message");
        encode_frame(frame, &mut self.buffer);
        if self.buffer.len() < WRITE_BUFFER_LENGTH {
            return Ok(());
        }
        self.write(&[]).await
    }

    /// Sends a frame whose [`Frame::payload_length`] is that of `payload`, behind all that was gathered.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send_with_payload(
        &mut self,
        frame: &Frame,
        payload: &[u8],
    ) -> Result<(), FrameError> {
        debug_assert_eq!(frame.payload_length() as usize, payload.len());
        encode_frame(frame, &mut self.buffer);
        self.write(payload).await
    }

    /// Begins a frame whose payload follows, all of it, by [`Self::send_part`].
    pub(crate) fn begin(&mut self, frame: &Frame) {
        encode_frame(frame, &mut self.buffer);
    }

    /// Sends a part of a payload, now.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) async fn send_part(&mut self, part: &[u8]) -> Result<(), FrameError> {
        self.write(part).await?;
        Ok(self.stream.flush().await?)
    }

    /// Hands everything to the network.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn flush(&mut self) -> Result<(), FrameError> {
        self.write(&[]).await?;
        Ok(self.stream.flush().await?)
    }

    /// Hands everything to the network and ends this direction, so that the peer knows that nothing was cut
    /// off (TLS: `close_notify`). The reader can go on. Waits as long as the peer takes no bytes: give it a deadline.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn close(mut self) -> Result<(), FrameError> {
        self.write(&[]).await?;
        Ok(self.stream.close().await?)
    }

    /// Writes what was gathered and `payload`, together: they share TLS records and system calls.
    async fn write(&mut self, payload: &[u8]) -> Result<(), FrameError> {
        let gathered = self.buffer.split();
        let mut parts = [IoSlice::new(&gathered), IoSlice::new(payload)];
        let mut parts = parts.as_mut_slice();
        // Drops the empty ones at the front.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match self.stream.write_vectored(parts).await? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                length => IoSlice::advance_slices(&mut parts, length),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
