//! Keeping a NAT's mapping, so that a tracker's signals come in.

use std::time::Duration;

use super::backoff::random_part;
use crate::rng::Rng;
use crate::time::Timestamp;

/// Longest silence towards a tracker. NATs should keep a mapping for two minutes (RFC 4787, REQ-5), but Linux
/// keeps one without an answer for 30 s, and so do many boxes in homes with all of them. With the random part, 20 to 25
/// s: one lost datagram can make it 50, and the next one mends it, as its answer says which address the tracker
/// sees now.
///
/// It costs a peer about 60 bytes with IP's header every 22 s, each way, for each tracker: 22 bit/s. A tracker
/// with a full table of 262,144 peers gets 12,000 of them a second, 0.7 MB/s.
const SILENCE_MAX: Duration = Duration::from_secs(25);
const RANDOM_PART: Duration = Duration::from_secs(5);

/// Least time between two of them, however many peers are lost at once: as for lost datagrams.
const HURRY_MIN: Duration = Duration::from_secs(1);

/// When something is next said to one address of a tracker.
#[derive(Default)]
pub(super) struct KeepAlive {
    due: Timestamp,
    begun_at: Option<Timestamp>,
    transaction: Option<u64>,
    repeated_at: Option<Timestamp>,
}

impl KeepAlive {
    /// A datagram goes out.
    pub(super) fn spoken(&mut self, now: Timestamp, rng: &mut Rng) {
        self.due = now + (SILENCE_MAX - random_part(RANDOM_PART, rng));
    }

    pub(super) fn due(&self) -> Timestamp {
        self.due
    }

    /// Brings the next one forward.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        let earliest = self.begun_at.map_or(now, |at| (at + HURRY_MIN).max(now));
        self.due = self.due.min(earliest);
    }

    /// Names the next one, which goes out now.
    pub(super) fn begin(&mut self, now: Timestamp, transaction: u64) {
        self.begun_at = Some(now);
        self.transaction = Some(transaction);
    }

    /// Whether one may be sent again at once, as its token was too old: so seldom that a tracker which takes no
    /// token of its own does not make us talk to it without end.
    pub(super) fn may_repeat(&mut self, now: Timestamp) -> bool {
        let may = self.repeated_at.is_none_or(|at| now - at >= SILENCE_MAX - RANDOM_PART);
        if may {
            self.repeated_at = Some(now);
        }
        may
    }

    /// Whether this is the last one's name. Once.
    pub(super) fn take(&mut self, transaction: u64) -> bool {
        let is_ours = self.transaction == Some(transaction);
        if is_ours {
            self.transaction = None;
        }
        is_ours
    }
}
