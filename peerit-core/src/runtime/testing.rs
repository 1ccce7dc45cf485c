//! The same test on every runtime that is compiled in.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::thread::{self, Thread};

use super::Runtime;

/// Runs `test` on each runtime whose feature is on.
///
/// The future is awaited on this thread, outside of all runtimes: an application may do so too.
pub(crate) fn on_each_runtime<F>(test: impl Fn(Arc<dyn Runtime>) -> F)
where
    F: Future<Output = ()>,
{
    #[cfg(feature = "async-std")]
    block_on(test(Arc::new(super::async_std::AsyncStd)));
    #[cfg(feature = "tokio")]
    super::tokio::on_own_runtime(|runtime| block_on(test(Arc::new(runtime))));
}

/// Awaits `future` on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => thread::park(),
        }
    }
}
