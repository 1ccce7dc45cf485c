//! Messages between a tracker and its clients on a TCP connection.

use std::io;

use bytes::Bytes;
use futures_util::{AsyncReadExt, AsyncWriteExt};

use crate::runtime::BoxStream;

/// Greatest length of the varint before a message in bytes: two hold 14 bits, messages have 4,096
/// bytes at most.
const LENGTH_PREFIX_MAX: u32 = 2;

/// Reads one message after its length; none at the end of the stream. Not cancel safe.
pub(super) async fn read_message(
    stream: &mut BoxStream,
    length_max: usize,
) -> io::Result<Option<Bytes>> {
    let mut length = 0;
    for digit in 0..LENGTH_PREFIX_MAX {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return if digit == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        length |= usize::from(byte[0] & 0x7f) << (7 * digit);
        if byte[0] & 0x80 == 0 {
            if length > length_max {
                break;
            }
            let mut message = vec![0; length];
            stream.read_exact(&mut message).await?;
            return Ok(Some(message.into()));
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("message is longer than {length_max} bytes"),
    ))
}

/// Sends one message after its length. Not cancel safe.
#[expect(clippy::cast_possible_truncation, reason = "seven bits are left")]
pub(super) async fn write_message(stream: &mut BoxStream, message: &[u8]) -> io::Result<()> {
    let mut framed = Vec::with_capacity(message.len() + 2);
    let mut length = message.len();
    while length > 0x7f {
        framed.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    framed.push((length & 0x7f) as u8);
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    stream.flush().await
}
