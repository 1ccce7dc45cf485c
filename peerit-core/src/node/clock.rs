//! The one clock of a node, as the pure core wants it.

use std::time::{Duration, Instant};

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

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_origin(self.origin.elapsed())
    }

    /// Time left until `deadline`; zero once it has passed.
    pub(crate) fn until(&self, deadline: Timestamp) -> Duration {
        deadline - self.now()
    }
}
