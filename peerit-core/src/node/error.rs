//! What can go wrong with a node and its shares.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::tracker_service::TrackerServiceError;
use crate::store::StoreError;
use crate::store::create::CreateError;
use crate::transport::{IdentityError, TransportError};

/// Why a node cannot start, or cannot take a share.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// No runtime was given, and none can be found.
    #[error("no async runtime: enable a runtime's feature, or give the builder one")]
    NoRuntime,
    /// The system gave no random bytes for a key.
    #[error("the system gives no random bytes: {0}")]
    NoRandomness(#[from] getrandom::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The embedded tracker cannot start.
    #[error(transparent)]
    Tracker(#[from] TrackerServiceError),
    /// No key pair can be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The transport cannot start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The content cannot be read into a manifest.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The content is a share already, in another folder.
    #[error("the content is already at {}: remove that share first, its files stay", .0.display())]
    Elsewhere(PathBuf),
    /// The path has no parent folder.
    #[error("{} is not in a folder", .0.display())]
    NoFolder(PathBuf),
    /// What was to be shared cannot be seeded.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The node is shutting down.
    #[error("the node is shutting down")]
    ShutDown,
}

/// Why a share does not go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ShareError {
    /// The content cannot be read or written.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// A file of shared content does not match the manifest.
    #[error("{} was changed after it was shared: share it again", .0.display())]
    Changed(PathBuf),
    /// It was removed, or the node was shut down, before it was complete.
    #[error("the share was removed before it was complete")]
    Removed,
}

impl From<StoreError> for ShareError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
