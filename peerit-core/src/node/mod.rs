//! The engine an application embeds: drives the state machines with sockets, files and a clock.
//!
//! [`Node::builder`] starts one. [`Node::share`] and [`Node::download`] give [`Share`] handles. Each
//! share is one task that owns its swarm's state machine (`share_task`, `swarm_driver`); each
//! connection is one task that turns bytes into events and actions into bytes (`connection`); disk
//! and hashing run on blocking threads (`workers`).

mod accept;
mod announcer;
mod background;
mod builder;
mod clock;
mod connection;
mod context;
pub mod doctor;
mod error;
mod handle;
mod input;
mod interfaces;
mod known_peers;
mod lines;
mod manifest_fetch;
mod memory;
mod options;
mod paths;
mod places;
mod ports;
mod rate_limit;
#[cfg(test)]
mod relay_tests;
mod resolve;
mod share;
mod share_task;
mod status;
mod swarm_driver;
mod tracker_service;
#[cfg(test)]
mod tracker_tests;
mod trackers;
mod workers;

pub use announcer::{Announcer, Found};
pub use builder::NodeBuilder;
pub use error::{NodeError, ShareError};
pub use handle::Node;
pub use options::{DownloadOptions, ProgressFn, SeedOptions, ShareOptions};
pub use paths::IceLibrary;
pub use rate_limit::RateLimits;
pub use resolve::{PeerAddressError, resolve_peers};
pub use share::Share;
pub use status::{PeerStatus, ShareState, ShareStatus};
pub use tracker_service::{TrackerService, TrackerServiceConfig, TrackerServiceError};
