//! How content is shared and downloaded.

use std::net::SocketAddr;
use std::sync::Arc;

use super::rate_limit::RateLimits;
use crate::hash::HashAlgorithm;

/// Told bytes done and bytes in all, from any thread.
pub type ProgressFn = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How [`Node::share`](super::Node::share) makes a manifest.
#[derive(Clone, Default)]
pub struct ShareOptions {
    /// Trackers as "host:port". None (the default): the node's embedded tracker, if it has one, at
    /// the addresses of this machine.
    pub trackers: Vec<String>,
    /// Chunk length in bytes, a power of two from 64 KiB to 16 MiB. Default: by the content's length, see
    /// [`Layout::suggested_chunk_length`](crate::layout::Layout::suggested_chunk_length).
    pub chunk_length: Option<u32>,
    /// What the digests are made with. Default: BLAKE3.
    pub hash_algorithm: HashAlgorithm,
    /// Told how far hashing is.
    pub progress: Option<ProgressFn>,
}

/// How [`Node::download`](super::Node::download) fetches content.
#[derive(Clone, Debug, Default)]
pub struct DownloadOptions {
    /// Peers to dial besides those that trackers name.
    pub peers: Vec<SocketAddr>,
    /// Whether files that are there, but not part of the content, may be replaced. Default: no.
    pub overwrite: bool,
    /// Begin paused: check what is on disk, then wait for [`Share::resume`](super::Share::resume). Default: no.
    pub paused: bool,
    /// How fast content is sent and received, as well as by the limits of the node;
    /// [`Share::set_rate_limits`](super::Share::set_rate_limits) for later. Default: as fast as it goes.
    pub rate_limits: RateLimits,
}

/// How [`Node::seed`](super::Node::seed) gives existing content to others.
#[derive(Clone, Debug, Default)]
pub struct SeedOptions {
    /// Begin paused. Default: no.
    pub paused: bool,
    /// How fast content is sent, as well as by the limits of the node. Default: as fast as it goes.
    pub rate_limits: RateLimits,
}
