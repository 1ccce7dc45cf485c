//! A [`UdpWatch`] by tokio, for both runtimes: async-io arms epoll and a timer anew for each wait, which
//! cost QUIC 1.6 to 1.8 times the CPU.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
#[cfg(feature = "async-std")]
use std::sync::LazyLock;
use std::task::{Context, Poll};
#[cfg(feature = "async-std")]
use std::thread;

use ::tokio::io::Interest;
use ::tokio::net;
use ::tokio::runtime::Handle;

use super::{BoxFuture, UdpWatch};

/// Has the runtime of `handle` watch a non-blocking socket.
pub(super) fn watch(handle: &Handle, socket: UdpSocket) -> io::Result<Arc<dyn UdpWatch>> {
    let _context = handle.enter();
    Ok(Arc::new(Watch(net::UdpSocket::from_std(socket)?)))
}

/// A thread that does nothing but watch sockets, started with the first of them and there for good.
#[cfg(feature = "async-std")]
pub(super) fn thread() -> io::Result<&'static Handle> {
    static STARTED: LazyLock<io::Result<Handle>> = LazyLock::new(start);
    STARTED.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

#[cfg(feature = "async-std")]
fn start() -> io::Result<Handle> {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let handle = runtime.handle().clone();
    let watch = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("peerit-udp".into()).spawn(watch)?;
    Ok(handle)
}

struct Watch(net::UdpSocket);

impl UdpWatch for Watch {
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_recv_ready(context)
    }

    fn writable(self: Arc<Self>) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(async move { self.0.writable().await })
    }

    fn try_receive(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.0.try_io(Interest::READABLE, call)
    }

    fn try_send(&self, call: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.0.try_io(Interest::WRITABLE, call)
    }
}
