//! Swarms on fake time: alone with a peer that the test plays ([`alone`]), or many of them with links
//! between ([`net`]).

mod alone;
mod connecting;
mod garbage;
mod net;
mod replay;
mod rules;
mod serving;
mod super_seeding;
mod swarming;
mod telling;

use bytes::Bytes;

use crate::layout::Layout;

/// A content of chunks that have four blocks each, the last one a little less.
fn content(chunks: u32) -> (Layout, Bytes) {
    let length = u64::from(chunks) * (1 << 20) - 1_000;
    let layout = Layout::new(length, 1 << 20).unwrap();
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    (layout, Bytes::from(bytes))
}
