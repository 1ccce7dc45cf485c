//! Why a command fails, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use peerit_core::daemon::{ClientError, DaemonError};
use peerit_core::manifest::ManifestError;
use peerit_core::node::NodeError;
use peerit_core::node::doctor::DoctorError;
use peerit_core::store::{StoreError, create::CreateError};

/// Why a command fails. Says what to do where that is not plain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command or the machine is not as it must be.
    #[error("{0}")]
    Usage(String),
    /// Not all of the content is there and verified.
    #[error("{0}")]
    Incomplete(String),
    /// Ctrl-C.
    #[error("interrupted{0}")]
    Interrupted(&'static str),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{} is not a .p2p file as `peerit create` and `peerit share` write it: {source}",
        path.display()
    )]
    Manifest { path: PathBuf, source: ManifestError },
    #[error("standard output: {0}")]
    Output(io::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CliError {
    /// 1 content incomplete or not verified, 2 usage or environment, 130 interrupted.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Incomplete(_) | Self::Client(ClientError::Refused { usage: false, .. }) => 1,
            Self::Interrupted(_) => 130,
            _ => 2,
        }
    }

    /// Whether the reader of our output has seen enough.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// What to do about a daemon that does not start; on the same line, as only the log's last one is shown of a
/// daemon in the background.
fn remedy(error: &DaemonError) -> &'static str {
    let DaemonError::Node(NodeError::Listen { source, .. }) = error else { return "" };
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            ": another program has this port, choose another with `peerit daemon --listen ADDR:PORT`"
        }
        io::ErrorKind::AddrNotAvailable => {
            ": no interface of this machine has this address, 0.0.0.0:PORT listens on all"
        }
        _ => "",
    }
}
