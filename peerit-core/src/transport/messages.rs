//! Messages on a byte stream: a varint length, then that many bytes. What trackers and daemons
//! speak; peers have frames, see `frames`.

use std::io;

use bytes::Bytes;
use futures_util::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most bytes of a length: 4 x 7 bits hold 256 MiB, more than any message has.
const LENGTH_PREFIX_MAX: u32 = 4;

/// Why there is no next message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// The system, or the end of the stream within a message.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A length beyond the limit, or more digits than one has.
    #[error("message is longer than {0} bytes")]
    TooLong(usize),
}

/// Reads the length of the next message, in bytes, at most `length_max`; none at the end of the
/// stream. Not cancel safe.
pub(crate) async fn read_length(
    stream: &mut (impl AsyncRead + Unpin),
    length_max: usize,
) -> Result<Option<usize>, MessageError> {
    let mut length = 0;
    for digit in 0..LENGTH_PREFIX_MAX {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return if digit == 0 { Ok(None) } else { Err(unexpected_end()) };
        }
        length |= usize::from(byte[0] & 0x7f) << (7 * digit);
        if byte[0] & 0x80 == 0 && length <= length_max {
            return Ok(Some(length));
        } else if byte[0] & 0x80 == 0 {
            break;
        }
    }
    Err(MessageError::TooLong(length_max))
}

/// Reads a message whose length is known. Memory is taken as bytes come, not as the length
/// promises. Not cancel safe.
pub(crate) async fn read_body(
    stream: &mut (impl AsyncRead + Unpin),
    length: usize,
) -> Result<Bytes, MessageError> {
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length { Err(unexpected_end()) } else { Ok(body.into()) }
}

/// Reads the next message, at most `length_max` bytes; none at the end of the stream. Not cancel
/// safe.
pub(crate) async fn read_message(
    stream: &mut (impl AsyncRead + Unpin),
    length_max: usize,
) -> Result<Option<Bytes>, MessageError> {
    match read_length(stream, length_max).await? {
        Some(length) => read_body(stream, length).await.map(Some),
        None => Ok(None),
    }
}

/// Sends one message after its length. Not cancel safe.
pub(crate) async fn write_message(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &[u8],
) -> io::Result<()> {
    let mut framed = Vec::with_capacity(message.len() + LENGTH_PREFIX_MAX as usize);
    peerit_proto::encode_length_delimiter(message.len(), &mut framed)?;
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    stream.flush().await
}

fn unexpected_end() -> MessageError {
    MessageError::Io(io::ErrorKind::UnexpectedEof.into())
}
