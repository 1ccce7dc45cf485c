//! Peer-to-peer file sharing as a library.
//!
//! The pure core (`hash`, `manifest`, `wire`, `scheduler`, `swarm`, `nat`, `tracker`) holds the
//! rules: no socket, file, clock, thread or random source, so that every run can be repeated. What
//! touches the world (`runtime`, `store`, `transport`, `node`, `daemon`) comes with the feature `node`,
//! which a runtime's feature (`async-std`, the default, or `tokio`) turns on.

mod allowance;
pub mod bitfield;
pub mod hash;
mod host;
pub mod id;
pub mod layout;
pub mod manifest;
pub mod nat;
mod path;
pub mod rng;
pub mod scheduler;
#[cfg(feature = "sim")]
pub mod sim;
pub mod swarm;
pub mod time;
pub mod tracker;
pub mod wire;

#[cfg(feature = "node")]
mod block_buffer;
#[cfg(feature = "node")]
pub mod daemon;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "node")]
pub mod runtime;
#[cfg(feature = "node")]
pub mod store;
#[cfg(feature = "node")]
pub mod transport;

/// The snippets of the README are tests.
#[cfg(all(doctest, feature = "async-std"))]
#[doc = include_str!("../../README.md")]
struct Readme;
