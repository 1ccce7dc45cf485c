//! The tables of swarms, and how peers ask for them.
//!
//! [`TrackerServer`] and [`TrackerClient`] are state machines with the four verbs of the pure core:
//! `handle_event`, `handle_timeout`, `poll` and `poll_timeout`. A driver hands them what arrives,
//! does what `poll` says until it says nothing more, and calls `handle_timeout` once the moment of
//! `poll_timeout` has come. The messages are those of `peerit/tracker/v1/tracker.proto`.

mod attendance;
mod client;
mod codec;
mod rate;
pub mod relay;
mod server;
pub mod stun;
mod table;
mod token;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use attendance::ATTENDED_IDLE_MAX;
pub use client::{
    Action as ClientAction, Event as ClientEvent, TRACKERS_PER_TOPIC_MAX, TrackerClient,
    TrackerKey, TrackerStatus,
};
pub use codec::{empty_request, other_port};
pub use server::{Action as ServerAction, Event as ServerEvent, ServerConfig, TrackerServer};

/// Where a tracker listens unless told otherwise, UDP and TCP.
pub const DEFAULT_PORT: u16 = 59_000;

/// Longest datagram of either side, and longest request over TCP, in bytes: below the smallest MTU
/// of IPv6 (1,280), so it is never cut into fragments.
pub const DATAGRAM_MAX: usize = 1_200;

/// Longest response over TCP, in bytes: 50 peers of at most 62 bytes (id 34, IPv6 address 24, seed
/// 2, field header 2) and at most 62 bytes before them are 3,162.
pub const STREAM_RESPONSE_MAX: usize = 4_096;

/// Most peers in one answer.
pub const PEERS_WANTED_MAX: usize = 50;

/// Shortest announce interval that a peer keeps to, whatever the tracker says.
pub const INTERVAL_MIN: Duration = Duration::from_secs(10);

/// Longest announce interval that a peer keeps to, whatever the tracker says.
pub const INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);

/// Whether a datagram is of a tracker or for one, by its first byte (RFC 9443 gives it to nobody).
#[must_use]
pub fn is_tracker(datagram: &[u8]) -> bool {
    datagram.first() == Some(&codec::FIRST_BYTE)
}
