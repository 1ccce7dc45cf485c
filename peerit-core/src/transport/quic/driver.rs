//! What watches the socket as quinn's runtime.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket};

use crate::runtime::{BoxFuture, UdpWatch};

/// Runs quinn's tasks: one for the socket, one for each connection.
pub(super) struct Driver(pub(super) Arc<dyn UdpWatch>);

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("driver")
    }
}

impl quinn::Runtime for Driver {
    fn new_timer(&self, due: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer { watch: Arc::clone(&self.0), due, sleep: None })
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.spawn(future);
    }

    /// Never called: only for sockets that quinn binds itself.
    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A timer that is set anew only when it must ring earlier: a connection's deadline moves with nearly
/// every packet, a system timer should not.
struct Timer {
    watch: Arc<dyn UdpWatch>,
    due: Instant,
    sleep: Option<(Instant, BoxFuture<'static, ()>)>,
}

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, due: Instant) {
        self.due = due;
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { watch, due, sleep } = &mut *self;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Poll::Ready(());
            }
            if sleep.as_ref().is_none_or(|(rings, _)| rings > due) {
                *sleep = Some((*due, watch.sleep(left)));
            }
            if let Some((_, sleep)) = sleep {
                ready!(sleep.as_mut().poll(context));
            }
            *sleep = None;
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timer for {:?}", self.due)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use futures_util::FutureExt;
    use quinn::Runtime as _;

    use super::*;
    use crate::runtime::testing::on_each_runtime;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_timer_rings_at_the_last_moment_it_was_set_to() {
        on_each_runtime(|runtime| async move {
            let start = Instant::now();
            let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            let watch = runtime.watch_udp(socket).unwrap();
            let mut timer = Driver(watch).new_timer(start + LONG);
            let mut rings = |due| {
                timer.as_mut().reset(due);
                poll_fn(|context| timer.as_mut().poll(context)).now_or_never()
            };
            assert_eq!(rings(start + LONG), None);
            let soon = Instant::now() + Duration::from_millis(5);
            assert_eq!(rings(soon + LONG), None, "later again");
            timer.as_mut().reset(soon);
            poll_fn(|context| timer.as_mut().poll(context)).await;
            assert!(Instant::now() >= soon);
        });
    }
}
