//! Frames of a relay, whole, in pieces and broken. Meetings are tested where a relay is: in `node`.

use futures_util::io::Cursor;
use futures_util::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::runtime::testing::block_on;

/// Yields at most so many bytes at once.
struct Pieces(Cursor<Vec<u8>>, usize);

impl ByteStream for Pieces {}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let length = buffer.len().min(self.1);
        Pin::new(&mut self.0).poll_read(context, &mut buffer[..length])
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What is read of these bytes of a relay, and the error at the end, if there is one.
fn read(bytes: &[u8], piece_length: usize) -> (Vec<u8>, Option<io::Error>) {
    let pieces = Pieces(Cursor::new(bytes.to_vec()), piece_length);
    let mut stream = Unframed { stream: Box::new(pieces), state: State::default() };
    let mut received = Vec::new();
    let error = block_on(stream.read_to_end(&mut received)).err();
    (received, error)
}

#[test]
fn frames_are_joined_however_they_come() {
    for piece_length in [1, 2, 3, 100] {
        let (received, error) = read(b"\x00\x05hello\x00\x01 \x00\x05world", piece_length);
        assert_eq!(received, b"hello world");
        assert!(error.is_none());
    }
    let longest = [&[0xff, 0xff][..], &[7; 0xffff]].concat();
    assert_eq!(read(&longest, 1 << 20).0.len(), 0xffff);
}

#[test]
fn the_relay_says_why_after_what_came_before() {
    for (byte, end) in [(1, RelayEnd::SessionBytes), (6, RelayEnd::Lost), (99, RelayEnd::Other)] {
        let (received, error) = read(&[0, 2, b'h', b'i', 0, 0, byte], 1);
        assert_eq!(received, b"hi");
        let error = error.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&end));
    }
    assert!(read(&[0, 0], 1).1.is_some(), "ended without a reason");
}

#[test]
fn an_end_within_a_frame_is_no_orderly_end() {
    for broken in [&b"\x00"[..], b"\x00\x05", b"\x00\x05hell"] {
        let (_, error) = read(broken, 1);
        assert_eq!(error.unwrap().kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn the_error_stays() {
    let pieces = Pieces(Cursor::new(vec![0, 0, 5]), 9);
    let mut stream = Unframed { stream: Box::new(pieces), state: State::default() };
    for _ in 0..2 {
        let error = block_on(stream.read(&mut [0; 9])).unwrap_err();
        assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&RelayEnd::Idle));
    }
    block_on(stream.flush()).unwrap();
}
