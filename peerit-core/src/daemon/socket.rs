//! The daemon's socket.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, chmod};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};

use super::atomic;
use super::error::DaemonError;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// Where the daemon of a data folder listens.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("daemon.sock")
}

/// Listens in a data folder that is locked: so a socket that is there already was left by a daemon that
/// was killed.
pub(super) fn open(data_dir: &Path) -> Result<UnixListener, DaemonError> {
    let path = path(data_dir);
    let address = address(&path)?;
    atomic::remove(&path)?;
    listen_on(&path, &address).map_err(|error| DaemonError::io(&path)(error.into()))
}

/// # Errors
/// When the path is longer than the system's address of a socket can be (108 bytes on Linux).
pub(super) fn address(path: &Path) -> Result<SocketAddrUnix, DaemonError> {
    SocketAddrUnix::new(path).map_err(|error| match error {
        Errno::NAMETOOLONG => DaemonError::SocketPath(path.to_owned()),
        error => DaemonError::io(path)(error.into()),
    })
}

/// Only the owner can connect: before `listen` nobody can, and by then the mode is set.
fn listen_on(path: &Path, address: &SocketAddrUnix) -> Result<UnixListener, Errno> {
    let socket: OwnedFd = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    bind(&socket, address)?;
    chmod(path, Mode::RUSR | Mode::WUSR)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_the_owner_can_connect() {
        let folder = tempfile::tempdir().unwrap();
        let _listener = open(folder.path()).unwrap();
        let mode = std::fs::metadata(path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(path(folder.path())).unwrap();
    }

    #[test]
    fn a_socket_left_behind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        assert!(UnixStream::connect(path(folder.path())).is_err());
        let _listener = open(folder.path()).unwrap();
        UnixStream::connect(path(folder.path())).unwrap();
    }

    #[test]
    fn a_long_path_is_named() {
        let folder = tempfile::tempdir().unwrap().path().join("x".repeat(120));
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains("too long") && error.contains("xxx"), "{error}");
    }
}
