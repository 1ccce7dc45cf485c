//! What can go wrong with a daemon and its data folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::node::NodeError;
use crate::transport::IdentityError;

/// Why a daemon cannot start, or cannot keep what it must.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another daemon has the data folder.
    #[error("another daemon uses {}", .0.display())]
    Locked(PathBuf),
    /// The path of the socket does not fit into the system's address.
    #[error(
        "{} is too long for the path of a socket: choose a data folder with a shorter path",
        .0.display()
    )]
    SocketPath(PathBuf),
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the data folder is not what the daemon wrote.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no identity, and none can be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The node cannot start.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl DaemonError {
    /// Names the file that an operation failed on.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(super) fn damaged(path: &Path, problem: &dyn ToString) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.to_string() }
    }
}
