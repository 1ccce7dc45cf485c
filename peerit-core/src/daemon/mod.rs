//! The node served over IPC, and the client for it.
//!
//! A [`Daemon`] owns a data folder and serves one [`Node`](crate::node::Node) over a Unix socket in it; a
//! [`DaemonClient`] makes the same calls from another process. What must outlive the process is written
//! before it is acted on, each file atomically (temporary file, fsync, rename), so that a killed daemon finds
//! its shares again:
//!
//! ```text
//! lock                          held while a daemon runs
//! daemon.sock                   mode 0600
//! identity                      the seed of the peer id
//! ports                         sockets of the last run
//! shares/<content id>/share     folder, paused, ...: the share exists while this file does
//! shares/<content id>/manifest.p2p
//! stamps/<content id>           vouches for complete content, see the store
//! ```

mod atomic;
mod catalogue;
mod changes;
mod client;
mod convert;
mod data_dir;
mod error;
mod ipc;
mod limits;
mod office;
mod record;
mod requests;
mod server;
mod shares;
mod socket;
#[cfg(test)]
mod tests;
mod wanted;

pub use client::{ClientError, DaemonClient, DaemonStatus, DownloadRequest, ShareRequest};
pub use error::DaemonError;
pub use server::{Daemon, DaemonConfig, Stopper};
