//! What follows from a runtime's few primitives.

use std::future::{Future, pending};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::Runtime;

/// A deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer within the time allowed")]
pub struct Elapsed;

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// Awaits `future`, but not longer than `limit`. As cancel safe as `future`, which is dropped when the
/// time is over.
///
/// # Errors
/// When the time is over first. A future that is ready at once wins, even if `limit` is zero.
pub async fn timeout<F: Future>(
    runtime: &dyn Runtime,
    limit: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    match select(pin!(future), runtime.sleep(limit)).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(((), _)) => Err(Elapsed),
    }
}

/// Runs `job` on a thread that may block and resolves to what it returns.
///
/// The job starts now and runs to its end, awaited or not. If it panics, so does the future, as if it had run here.
/// If the runtime is shut down before the job ran, the future never resolves.
pub fn blocking<T, J>(runtime: &dyn Runtime, job: J) -> impl Future<Output = T> + Send + use<T, J>
where
    T: Send + 'static,
    J: FnOnce() -> T + Send + 'static,
{
    let (job, output) = with_output(job);
    runtime.spawn_blocking(Box::new(job));
    output
}

/// Splits a job into one that can run anywhere and a future of what it returns.
///
/// If the job panics, so does the future, as if it had run there. If the job is dropped before it ran, the future never
/// resolves.
pub(crate) fn with_output<T, J>(
    job: J,
) -> (impl FnOnce() + Send + 'static + use<T, J>, impl Future<Output = T> + Send + use<T, J>)
where
    T: Send + 'static,
    J: FnOnce() -> T + Send + 'static,
{
    let (sender, receiver) = async_channel::bounded(1);
    let job = move || {
        // The panic is not swallowed: it goes on where the output is awaited.
        let output = catch_unwind(AssertUnwindSafe(job));
        // An error here means that nobody awaits the output any more.
        let _ = sender.try_send(output);
    };
    let output = async move {
        match receiver.recv().await {
            Ok(Ok(output)) => output,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => pending().await,
        }
    };
    (job, output)
}

/// Runs a future that knows tokio only to its end on this thread, which may block: in a runtime of its own, so that it
/// works the same whichever runtime the node is on.
///
/// # Errors
/// When the system has no file descriptors for it.
pub(crate) fn on_tokio<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(::tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}
