//! Blocking work (disk, hashing) on a bounded number of threads.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Where a job is in the queue.
pub(crate) struct Ticket {
    number: u64,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    active: usize,
    /// Number of the next job.
    next: u64,
    waiting: BTreeMap<u64, Job>,
}

impl Workers {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, limit: usize) -> Self {
        Self { runtime, limit, queue: Arc::default() }
    }

    /// Queues `job`; returns at once.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) -> Ticket {
        let mut queue = lock(&self.queue);
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, Box::new(job));
        if queue.active < self.limit {
            queue.active += 1;
            let jobs = Arc::clone(&self.queue);
            self.runtime.spawn_blocking(Box::new(move || drain(&jobs)));
        }
        Ticket { number, queue: Arc::clone(&self.queue) }
    }

    /// Queues `job` now and hands its result back; if it panics, so does the future. Dropping the
    /// future does not stop the job. Never resolves if the runtime is shut down before.
    pub(crate) fn run<T, J>(&self, job: J) -> impl Future<Output = T> + Send + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        self.run_revocable(job).1
    }

    /// As [`Workers::run`]. Never resolves if the job is taken back.
    pub(crate) fn run_revocable<T, J>(
        &self,
        job: J,
    ) -> (Ticket, impl Future<Output = T> + Send + use<T, J>)
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let (job, output) = with_output(job);
        (self.submit(job), output)
    }
}

impl Ticket {
    /// Takes the job back if it has not begun; else it runs, or has run, and this is `false`.
    pub(crate) fn take_back(self) -> bool {
        // What the job holds is dropped when the queue is free again.
        let job = lock(&self.queue).waiting.remove(&self.number);
        job.is_some()
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn drain(queue: &Mutex<Queue>) {
    loop {
        let job = {
            let mut queue = lock(queue);
            let Some((_, job)) = queue.waiting.pop_first() else {
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
