//! Digests of chunks.

/// What the digests of a manifest are made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// BLAKE3, 32 bytes.
    #[default]
    Blake3,
    /// SHA-1, 20 bytes. Collision-broken: only for content that BitTorrent v1 pieces describe.
    Sha1,
}
