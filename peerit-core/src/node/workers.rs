//! Blocking work (disk, hashing) on a bounded number of threads.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::runtime::{Runtime, with_output};

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs on at most `limit` blocking threads of the runtime at a time, first come, first served.
///
/// The queue is not bounded here: what submits jobs is (by its memory for partial chunks, by its
/// upload slots).
#[derive(Clone)]
pub(crate) struct Workers {
    runtime: Arc<dyn Runtime>,
    limit: usize,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    active: usize,
    waiting: VecDeque<Job>,
}

impl Workers {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, limit: usize) -> Self {
        Self { runtime, limit, queue: Arc::default() }
    }

    /// Queues `job`; returns at once.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.push_back(Box::new(job));
        if queue.active < self.limit {
            queue.active += 1;
            let jobs = Arc::clone(&self.queue);
            self.runtime.spawn_blocking(Box::new(move || drain(&jobs)));
        }
    }

    /// Queues `job` now and hands its result back; if it panics, so does the future. Dropping the
    /// future does not stop the job. Never resolves if the runtime is shut down before.
    pub(crate) fn run<T, J>(&self, job: J) -> impl Future<Output = T> + Send + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let (job, output) = with_output(job);
        self.submit(job);
        output
    }
}

fn drain(queue: &Mutex<Queue>) {
    loop {
        let job = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(job) = queue.waiting.pop_front() else {
                queue.active -= 1;
                return;
            };
            job
        };
        // A job that panics must not take the thread's place in the count with it.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            log::error!("a blocking job panicked");
        }
    }
}
