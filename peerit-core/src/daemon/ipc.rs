//! Messages on the socket: a varint length, then one encoded message.

use futures_util::{AsyncRead, AsyncWrite};
use peerit_proto::Message;

use super::limits::MESSAGE_LENGTH_MAX;
use crate::transport::messages::{self, MessageError};

/// Why messages cannot be exchanged any more.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The system, or the end of the stream within a message.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A length beyond the limit, or more digits than one has.
    #[error("a message is longer than {MESSAGE_LENGTH_MAX} bytes")]
    TooLong,
    /// The bytes are no message.
    #[error("a message cannot be decoded: {0}")]
    Undecodable(#[from] peerit_proto::DecodeError),
}

impl From<MessageError> for IpcError {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Io(error) => Self::Io(error),
            MessageError::TooLong(_) => Self::TooLong,
        }
    }
}

/// Reads the length of the next message, in bytes; `None` at the end of the stream. It is within the
/// limit. Not cancel safe.
pub(super) async fn read_length(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<usize>, IpcError> {
    Ok(messages::read_length(stream, MESSAGE_LENGTH_MAX).await?)
}

/// Reads a message whose length is known. Memory is taken as bytes come, not as the length promises.
/// Not cancel safe.
pub(super) async fn read_body<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin),
    length: usize,
) -> Result<M, IpcError> {
    Ok(M::decode(messages::read_body(stream, length).await?)?)
}

/// Reads the next message; `None` at the end of the stream. Not cancel safe.
pub(super) async fn read<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<M>, IpcError> {
    match read_length(stream).await? {
        Some(length) => Ok(Some(read_body(stream, length).await?)),
        None => Ok(None),
    }
}

/// Sends one message. Nothing is sent of one that is too long. Not cancel safe.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl Message,
) -> Result<(), IpcError> {
    if message.encoded_len() > MESSAGE_LENGTH_MAX {
        return Err(IpcError::TooLong);
    }
    Ok(messages::write_message(stream, &message.encode_to_vec()).await?)
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use futures_util::io::Cursor;
    use peerit_proto::daemon::v1::{Failure, Request, Share};

    use super::*;

    fn read_from(bytes: &[u8]) -> Result<Option<Failure>, IpcError> {
        block_on(read(&mut Cursor::new(bytes)))
    }

    fn failure(length: usize) -> Failure {
        Failure { message: "x".repeat(length), usage: true, full: false }
    }

    #[test]
    fn messages_survive_the_stream() {
        for length in [0, 1, 100, 200, 20_000] {
            let mut stream = Cursor::new(Vec::new());
            block_on(write(&mut stream, &failure(length))).unwrap();
            block_on(write(&mut stream, &failure(3))).unwrap();
            let mut stream = Cursor::new(stream.into_inner());
            assert_eq!(block_on(read(&mut stream)).unwrap(), Some(failure(length)));
            assert_eq!(block_on(read(&mut stream)).unwrap(), Some(failure(3)));
            assert_eq!(block_on(read::<Failure>(&mut stream)).unwrap(), None);
        }
    }

    #[test]
    fn lengths_beyond_the_limit_are_refused_before_the_body() {
        let beyond = MESSAGE_LENGTH_MAX + 1;
        let digit = |position: usize| u8::try_from((beyond >> (7 * position)) & 0x7f).unwrap();
        let beyond = [digit(0) | 0x80, digit(1) | 0x80, digit(2) | 0x80, digit(3)];
        assert!(matches!(read_from(&beyond), Err(IpcError::TooLong)));
        assert!(matches!(read_from(&[0xff; 5]), Err(IpcError::TooLong)));
        assert!(matches!(read_from(&[0x80, 0x80, 0x80, 0x80, 0]), Err(IpcError::TooLong)));
    }

    #[test]
    fn a_stream_that_ends_within_a_message_is_an_error() {
        assert!(matches!(read_from(&[0x80]), Err(IpcError::Io(_))));
        assert!(matches!(read_from(&[5, 1, 2]), Err(IpcError::Io(_))));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        assert!(matches!(read_from(&[3, 0xff, 0xff, 0xff]), Err(IpcError::Undecodable(_))));
    }

    #[test]
    fn a_message_that_is_too_long_is_not_begun() {
        let path = vec![0; MESSAGE_LENGTH_MAX].into();
        let share = Share { path, ..Share::default() };
        let request = Request { body: Some(peerit_proto::daemon::v1::request::Body::Share(share)) };
        let mut stream = Cursor::new(Vec::new());
        assert!(matches!(block_on(write(&mut stream, &request)), Err(IpcError::TooLong)));
        assert!(stream.into_inner().is_empty());
    }
}
