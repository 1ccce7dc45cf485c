//! What can go wrong, and what to do about it.

use std::io::ErrorKind;

use peerit_core::node::TrackerServiceError;

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// The tracker could not start.
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Service(#[from] TrackerServiceError),
}

fn remedy(error: &TrackerServiceError) -> &'static str {
    let TrackerServiceError::Listen { source, .. } = error else { return "" };
    match source.kind() {
        ErrorKind::AddrInUse => {
            "\nanother program, perhaps another tracker, has this port: choose another with --listen ADDR:PORT"
        }
        ErrorKind::AddrNotAvailable => {
            "\nno interface of this machine has this address: --listen 0.0.0.0:PORT listens on all"
        }
        ErrorKind::PermissionDenied => {
            "\nports below 1024 need privileges: choose a higher one with --listen ADDR:PORT"
        }
        _ => "",
    }
}
