//! Bytes as a `.p2p` file, an `Info` fetched from peers, and a link.
//!
//! Run in `peerit-core/`: `cargo +nightly fuzz run manifest` (`cargo install cargo-fuzz` first); 60 seconds:
//! append `-- -max_total_time=60`.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use peerit_core::manifest::{EnvelopeFields, Link, Manifest};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        check(&manifest);
    }
    if let Ok(manifest) =
        Manifest::from_info(Bytes::copy_from_slice(bytes), EnvelopeFields::default())
    {
        check(&manifest);
    }
    if let Ok(link) = String::from_utf8_lossy(bytes).parse::<Link>() {
        assert_eq!(link.to_string().parse(), Ok(link));
    }
});

/// What is valid stays so when it is passed on, keeps its id, and has a place in a file for every byte.
fn check(manifest: &Manifest) {
    let encoded = manifest.encode();
    let again = Manifest::parse(&encoded).expect("an encoded manifest is valid");
    assert_eq!(again.content_id(), manifest.content_id());
    assert_eq!(again.encode(), encoded);
    let link = manifest.link();
    assert_eq!(link.to_string().parse(), Ok(link));

    let layout = manifest.layout();
    let placed: u64 = manifest.file_ranges(0, u64::MAX).map(|range| range.length).sum();
    assert_eq!(placed, layout.length());
    for chunk in layout.chunks() {
        assert_eq!(manifest.digest(chunk).len(), manifest.hash_algorithm().digest_length());
        assert!(!manifest.matches(chunk, &[]));
    }
}
