//! What a client can make the daemon hold.

use std::time::Duration;

use crate::manifest::MANIFEST_LENGTH_MAX;

/// Most clients at a time. Each holds two buffers of 8 KiB, and a request of at most `TURN_LENGTH` or a
/// turn: 64 x (16 KiB + 1 MiB) + 64 MiB = 129 MiB at most.
pub(super) const CLIENTS_MAX: usize = 64;

/// Greatest message: a manifest, and 64 KiB for what goes with it.
pub(super) const MESSAGE_LENGTH_MAX: usize = MANIFEST_LENGTH_MAX + (64 << 10);

/// Requests longer than this are read and answered one at a time.
pub(super) const TURN_LENGTH: usize = 1 << 20;

/// How long a client may take to send a request whose length it has said: others may wait for its turn.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Most peers named by one download.
pub(super) const PEERS_MAX: usize = 256;

/// Time between two answers of a watch.
pub(super) const WATCH_INTERVAL_MS: std::ops::RangeInclusive<u32> = 50..=60_000;
