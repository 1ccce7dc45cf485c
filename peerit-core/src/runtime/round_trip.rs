//! How long the way to the peer and back is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The round trip time of a path as it was measured last, shared by who measures it and who asks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RoundTrip {
    /// Microseconds; 0: not yet.
    micros: Arc<AtomicU64>,
}

impl RoundTrip {
    /// Says what was measured, in microseconds; shorter ones count as one.
    pub fn set(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.micros.store(micros.max(1), Ordering::Relaxed);
    }

    /// What was measured last; none: nothing yet.
    #[must_use]
    pub fn get(&self) -> Option<Duration> {
        let micros = self.micros.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }
}
