//! Frames and payloads through pipes.

use futures_util::FutureExt;
use futures_util::future::join;

use super::super::pipe::{PIPE_LENGTH, Pipe, pipe};
use super::*;
use crate::id::ChunkIndex;
use crate::layout::{BLOCK_LENGTH_MAX, Block};
use crate::runtime::testing::block_on;

fn data(length: u32) -> Frame {
    Frame::Data(Block { chunk: ChunkIndex(1), offset: 0, length })
}

fn payload(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

fn reader(end: Pipe) -> FrameReader {
    framed(Box::new(end)).0
}

#[test]
fn frames_and_payloads_keep_their_order() {
    block_on(async {
        let (here, there) = pipe();
        let (mut reader, (_open, mut writer)) = (reader(there), framed(Box::new(here)));
        let lengths = [1, 70_000, BLOCK_LENGTH_MAX];
        let write = async {
            for length in lengths {
                writer.send(&Frame::Choke(true)).await.unwrap();
                let payload = payload(length as usize);
                writer.send_with_payload(&data(length), &payload).await.unwrap();
            }
            writer.close().await.unwrap();
        };
        let read = async {
            for length in lengths {
                assert_eq!(reader.next().await.unwrap(), (Frame::Choke(true), None));
                let (frame, received) = reader.next().await.unwrap();
                assert_eq!(frame, data(length));
                assert!(received.unwrap() == payload(length as usize));
            }
            assert!(matches!(reader.next().await, Err(FrameError::Closed)));
        };
        join(write, read).await;
    });
}

#[test]
fn a_dropped_read_loses_nothing() {
    block_on(async {
        let (here, there) = pipe();
        let (mut reader, (_open, mut writer)) = (reader(there), framed(Box::new(here)));
        let payload = payload(BLOCK_LENGTH_MAX as usize);
        let sending = data(BLOCK_LENGTH_MAX);
        let mut write = Box::pin(writer.send_with_payload(&sending, &payload));
        let mut dropped = 0;
        let received = loop {
            // Each round fills the pipe, and reads it empty.
            let _ = (&mut write).now_or_never();
            match reader.next().now_or_never() {
                Some(result) => break result.unwrap(),
                None => dropped += 1,
            }
        };
        assert!(dropped >= BLOCK_LENGTH_MAX as usize / PIPE_LENGTH - 1);
        assert!(received == (sending.clone(), Some(Bytes::from(payload.clone()))));
    });
}

#[test]
fn small_frames_wait_for_a_flush_but_not_for_ever() {
    block_on(async {
        let (here, there) = pipe();
        let (mut reader, (_open, mut writer)) = (reader(there), framed(Box::new(here)));
        writer.send(&Frame::Choke(true)).await.unwrap();
        assert!(reader.next().now_or_never().is_none());
        writer.flush().await.unwrap();
        assert!(reader.next().now_or_never().is_some());

        // 64 KiB are there with the eighth of these, and the length and tags of each.
        let bitfield = Frame::Bitfield(vec![0; 8_192].into());
        let write = async {
            for _ in 0..8 {
                writer.send(&bitfield).await.unwrap();
            }
        };
        let read = async {
            for _ in 0..8 {
                assert_eq!(reader.next().await.unwrap().0, bitfield);
            }
        };
        join(write, read).await;
    });
}

#[test]
fn a_reader_that_waits_does_not_hold_up_the_writer() {
    block_on(async {
        let (here, there) = pipe();
        let (mut reader, mut writer) = framed(Box::new(here));
        let mut other = self::reader(there);
        let mut waiting = Box::pin(reader.next());
        assert!((&mut waiting).now_or_never().is_none());
        writer.send(&Frame::Choke(true)).await.unwrap();
        writer.flush().await.unwrap();
        assert!(other.next().await.is_ok());
    });
}

#[test]
fn what_is_no_frame_ends_the_reading() {
    use futures_util::AsyncWriteExt;
    block_on(async {
        let (mut here, there) = pipe();
        here.write_all(&[0xff, 0xff, 0x7f]).await.unwrap();
        let result = reader(there).next().await;
        assert!(matches!(result, Err(FrameError::Wire(WireError::FrameTooLong(2_097_151)))));
    });
}

#[test]
fn an_end_inside_a_frame_or_payload_is_told_from_an_orderly_one() {
    use futures_util::AsyncWriteExt;
    let mut bytes = BytesMut::new();
    encode_frame(&data(9), &mut bytes);
    bytes.extend_from_slice(&[0; 9]);
    for length in 0..bytes.len() {
        block_on(async {
            let (mut here, there) = pipe();
            here.write_all(&bytes[..length]).await.unwrap();
            drop(here);
            match reader(there).next().await {
                Err(FrameError::Closed) => assert_eq!(length, 0),
                Err(FrameError::Io(error)) => {
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                }
                other => panic!("{other:?}"),
            }
        });
    }
}
