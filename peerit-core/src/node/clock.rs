//! The one clock of a node, as the pure core wants it.

use std::time::{Duration, Instant};

use crate::runtime::{BoxFuture, Runtime};
use crate::time::Timestamp;

/// Reads the system's monotonic clock as [`Timestamp`]s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(self) -> Timestamp {
        Timestamp::from_origin(self.origin.elapsed())
    }

    /// Resolves at `deadline`; never if there is none.
    pub(crate) fn sleep_until(
        self,
        runtime: &dyn Runtime,
        deadline: Option<Timestamp>,
    ) -> BoxFuture<'static, ()> {
        match deadline {
            // Timers may count in milliseconds and wake a little early: better a little late.
            Some(at) => runtime.sleep((at - self.now()) + Duration::from_millis(1)),
            None => Box::pin(std::future::pending()),
        }
    }
}
