//! A [`UdpWatch`] by tokio, for both runtimes: async-io arms epoll and a timer anew for each wait, which
//! would cost QUIC 1.6 to 1.8 times the CPU.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
#[cfg(feature = "async-std")]
use std::sync::LazyLock;
use std::task::{Context, Poll};
#[cfg(feature = "async-std")]
use std::thread;
use std::time::Duration;

use ::tokio::io::Interest;
use ::tokio::net;
use ::tokio::runtime::Handle;

use super::{BoxFuture, UdpWatch};

/// Has the runtime of `handle` watch a non-blocking socket.
pub(super) fn watch(handle: &Handle, socket: UdpSocket) -> io::Result<Arc<dyn UdpWatch>> {
    let _context = handle.enter();
    let socket = net::UdpSocket::from_std(socket)?;
    Ok(Arc::new(Watch { socket, runtime: handle.clone() }))
}

/// A thread that watches sockets and runs the tasks on them, started with the first of them and there for good.
/// Beside async-std's threads it costs QUIC a quarter less than tasks on these, which another would have to wake.
#[cfg(feature = "async-std")]
pub(super) fn thread() -> io::Result<&'static Handle> {
    static STARTED: LazyLock<io::Result<Handle>> = LazyLock::new(start);
    STARTED.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

#[cfg(feature = "async-std")]
fn start() -> io::Result<Handle> {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let watch = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("peerit-udp".into()).spawn(watch)?;
    Ok(handle)
}

struct Watch {
    socket: net::UdpSocket,
    runtime: Handle,
}

impl UdpWatch for Watch {
    fn spawn(&self, future: BoxFuture<'static, ()>) {
        // The handle can be dropped: the task goes on.
        drop(self.runtime.spawn(future));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _context = self.runtime.enter();
        Box::pin(::tokio::time::sleep(duration))
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_recv_ready(context)
    }

    fn writable(self: Arc<Self>) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(async move { self.socket.writable().await })
    }

    fn try_receive(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.socket.try_io(Interest::READABLE, call)
    }

    fn try_send(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.socket.try_io(Interest::WRITABLE, call)
    }
}
