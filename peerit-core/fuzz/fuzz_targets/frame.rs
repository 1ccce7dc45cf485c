//! Bytes as what a peer sends.
//!
//! Run in `peerit-core/`: `cargo +nightly fuzz run frame` (`cargo install cargo-fuzz` first); 60 seconds:
//! append `-- -max_total_time=60`.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use peerit_core::wire::{
    FRAME_LENGTH_MAX, Frame, LENGTH_PREFIX_MAX, decode_frame, encode_frame, peek_frame,
};

fuzz_target!(|bytes: &[u8]| {
    let mut left = BytesMut::from(bytes);
    loop {
        let before = left.clone();
        match decode_frame(&mut left) {
            Ok(Some(frame)) => {
                assert!(left.len() < before.len());
                check(&frame);
            }
            Ok(None) => {
                assert_eq!(left, before);
                assert!(left.len() < LENGTH_PREFIX_MAX + FRAME_LENGTH_MAX);
                break;
            }
            Err(_) => break,
        }
    }
});

/// A frame that was understood can be passed on.
fn check(frame: &Frame) {
    let mut buffer = BytesMut::new();
    encode_frame(frame, &mut buffer);
    assert_eq!(peek_frame(&buffer), Ok(Some((frame.clone(), buffer.len()))));
}
