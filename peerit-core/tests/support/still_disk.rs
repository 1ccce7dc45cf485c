//! A disk that stands still: what is to be done on threads that may block waits until it goes on.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use peerit_core::runtime::{
    self, BoxFuture, BoxStream, Runtime, TcpListener, UdpSocket, UdpWatch, UnixListener,
};

/// The default runtime, but for its blocking threads.
#[derive(Clone)]
pub(crate) struct StillDisk {
    inner: Arc<dyn Runtime>,
    is_still: Arc<(Mutex<bool>, Condvar)>,
}

impl StillDisk {
    pub(crate) fn new() -> Self {
        Self { inner: runtime::default().unwrap(), is_still: Arc::default() }
    }

    /// Whether jobs that begin from now on wait.
    pub(crate) fn stand_still(&self, is_still: bool) {
        *self.is_still.0.lock().unwrap() = is_still;
        self.is_still.1.notify_all();
    }
}

impl Runtime for StillDisk {
    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.inner.spawn(future);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(duration)
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        let is_still = Arc::clone(&self.is_still);
        self.inner.spawn_blocking(Box::new(move || {
            let (lock, changed) = &*is_still;
            drop(changed.wait_while(lock.lock().unwrap(), |is_still| *is_still).unwrap());
            job();
        }));
    }

    fn connect_tcp(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<BoxStream>> {
        self.inner.connect_tcp(address)
    }

    fn tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn TcpListener>> {
        self.inner.tcp_listener(listener)
    }

    fn udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpSocket>> {
        self.inner.udp_socket(socket)
    }

    fn watch_udp(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn UdpWatch>> {
        self.inner.watch_udp(socket)
    }

    fn connect_unix(&self, path: PathBuf) -> BoxFuture<'_, io::Result<BoxStream>> {
        self.inner.connect_unix(path)
    }

    fn unix_listener(
        &self,
        listener: std::os::unix::net::UnixListener,
    ) -> io::Result<Arc<dyn UnixListener>> {
        self.inner.unix_listener(listener)
    }
}
