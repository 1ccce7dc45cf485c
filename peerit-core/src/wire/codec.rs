//! Frames to bytes and back.

use bytes::{Buf, BytesMut};
use peerit_proto::{Message, wire::v1 as proto};

use super::{Frame, body};

/// Greatest length of an encoded frame in bytes, without its length prefix and payload.
pub const FRAME_LENGTH_MAX: usize = 65_536;
/// Greatest length of the varint before a frame in bytes: three hold 21 bits.
pub const LENGTH_PREFIX_MAX: usize = 3;

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length before the frame is not a varint of the size that the greatest frame needs.
    #[error("frame length takes more than {LENGTH_PREFIX_MAX} bytes")]
    LengthPrefix,
    /// The frame says it is longer than any may be.
    #[error("frame of {0} bytes is longer than {FRAME_LENGTH_MAX}")]
    FrameTooLong(usize),
    /// The frame is not the protobuf message it should be.
    #[error("frame is not a valid protobuf message")]
    Malformed,
    /// A number, or the length of a field, is not one that the schema allows.
    #[error("{field} is {value}, not {min} to {max}")]
    OutOfRange {
        /// Message and field.
        field: &'static str,
        /// What the peer sent.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The greatest allowed.
        max: u64,
    },
}

/// Appends a frame and its length prefix to `buffer`.
///
/// The limits of the schema are the caller's to keep: a peer refuses what breaks them.
pub fn encode_frame(frame: &Frame, buffer: &mut BytesMut) {
    let message = proto::Frame { body: body::encode(frame) };
    // The only error is a buffer that is full, and this one grows.
    let _grows = message.encode_length_delimited(buffer);
}

/// Takes the first frame off `buffer`; none until all of it is there.
///
/// # Errors
/// When the bytes are not a frame: the connection is then of no more use.
pub fn decode_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    Ok(peek_frame(buffer)?.map(|(frame, length)| {
        buffer.advance(length);
        frame
    }))
}

/// The first frame in `bytes` and how many of them it takes; none until all of it is there.
///
/// The length is checked as soon as its prefix is there. Decoding allocates at most about 2.5 MiB for
/// a moment: 32,768 empty addresses of 40 bytes each, in a vector that doubles, until they are
/// counted and refused. A frame that is returned holds at most 8 KiB.
///
/// # Errors
/// When the bytes are not a frame.
pub fn peek_frame(bytes: &[u8]) -> Result<Option<(Frame, usize)>, WireError> {
    let Some((length, prefix)) = frame_length(bytes)? else { return Ok(None) };
    let end = prefix + length;
    let Some(encoded) = bytes.get(prefix..end) else { return Ok(None) };
    let message = proto::Frame::decode(encoded).map_err(|_| WireError::Malformed)?;
    Ok(Some((body::decode(message.body)?, end)))
}

/// Length of the frame and of the varint that says it.
fn frame_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut length = 0;
    for (index, &byte) in bytes.iter().take(LENGTH_PREFIX_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return match length {
                0..=FRAME_LENGTH_MAX => Ok(Some((length, index + 1))),
                _ => Err(WireError::FrameTooLong(length)),
            };
        }
    }
    if bytes.len() < LENGTH_PREFIX_MAX { Ok(None) } else { Err(WireError::LengthPrefix) }
}
