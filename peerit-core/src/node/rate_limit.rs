//! How fast a node sends and receives.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event;
use futures_util::{FutureExt, select_biased};

use super::clock::Clock;
use crate::runtime::Runtime;
use crate::time::Timestamp;

/// Time that goes unused and is made up for later. Longer than timers are late, so that these do not slow
/// the traffic; short enough that nobody sees a burst.
const LATENESS: Duration = Duration::from_millis(50);

/// Most bytes of content a second, of one share, or of all shares of a node together. What goes around the content
/// (headers, encryption, what peers tell each other) comes on top, some 2 to 7 %. Default: as fast as it goes.
///
/// Content moves in blocks of up to 256 KiB, so below about 64 KiB a second a block takes long enough to be
/// asked for again elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// What is sent.
    pub up: Option<NonZeroU64>,
    /// What is received.
    pub down: Option<NonZeroU64>,
    /// Whether sending gives way to other traffic of this machine and its network, as far as that fills a queue on the
    /// way: it takes what others leave (LEDBAT, RFC 6817). Where the system does not tell the round trip time (TCP
    /// elsewhere than on Linux) it makes no difference. Default: no, as who shares wants to give.
    pub background: bool,
}

/// Says when bytes may pass: the virtual scheduling form of the generic cell rate algorithm (ITU-T I.371).
#[derive(Debug, Default)]
pub(super) struct Pacer {
    rate: Option<NonZeroU64>,
    /// When all that was let pass is through at that rate.
    free: Timestamp,
}

impl Pacer {
    fn set(&mut self, now: Timestamp, rate: Option<NonZeroU64>) {
        *self = Self { rate, free: now };
    }

    /// Goes on at another rate, after what was let pass already.
    pub(super) fn change(&mut self, now: Timestamp, rate: u64) {
        self.rate = NonZeroU64::new(rate);
        self.free = self.free.max(now);
    }

    /// When `bytes` may pass; they are counted as if they did.
    pub(super) fn reserve(&mut self, now: Timestamp, bytes: u32) -> Timestamp {
        let Some(rate) = self.rate else { return now };
        let latest = now.since_origin().saturating_sub(LATENESS);
        let start = self.free.max(Timestamp::from_origin(latest));
        self.free = start + Self::time_of(bytes, rate);
        start.max(now)
    }

    /// Bytes that were reserved will not pass: those after them may do so sooner.
    fn give_back(&mut self, bytes: u32) {
        let Some(rate) = self.rate else { return };
        let free = self.free.since_origin().saturating_sub(Self::time_of(bytes, rate));
        self.free = Timestamp::from_origin(free);
    }

    fn time_of(bytes: u32, rate: NonZeroU64) -> Duration {
        // At most 2^32 bytes at one a second: 4.3e18 ns fit.
        Duration::from_nanos(u64::from(bytes) * 1_000_000_000 / rate)
    }
}

/// Bytes that may pass, or soon may.
#[must_use]
struct Reservation<'a> {
    limit: &'a RateLimit,
    /// Given back when dropped before they are spent.
    refund: u32,
}

impl Reservation<'_> {
    fn spend(mut self) {
        self.refund = 0;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.refund > 0 {
            self.limit.pacer().give_back(self.refund);
        }
    }
}

/// A limit that any number of connections share, in the order in which they ask.
#[derive(Default)]
pub(crate) struct RateLimit {
    /// All that is looked at where there is no limit.
    is_on: AtomicBool,
    pacer: Mutex<Pacer>,
    changed: Event,
}

impl RateLimit {
    fn set(&self, now: Timestamp, rate: Option<NonZeroU64>) {
        self.pacer().set(now, rate);
        self.is_on.store(rate.is_some(), Ordering::Release);
        // Who waits asks again.
        self.changed.notify(usize::MAX);
    }

    fn get(&self) -> Option<NonZeroU64> {
        self.pacer().rate
    }

    /// Resolves when `bytes` may pass; none where nothing limits them. If they do not, `refund` of them do not count.
    async fn pass(
        &self,
        clock: Clock,
        runtime: &dyn Runtime,
        bytes: u32,
        refund: u32,
    ) -> Option<Reservation<'_>> {
        while bytes > 0 && self.is_on.load(Ordering::Acquire) {
            let changed = self.changed.listen();
            let now = clock.now();
            let at = self.pacer().reserve(now, bytes);
            let reservation = Reservation { limit: self, refund };
            if at <= now {
                return Some(reservation);
            }
            select_biased! {
                // What was reserved has gone with the limit.
                () = changed.fuse() => reservation.spend(),
                () = clock.sleep_until(runtime, Some(at)).fuse() => return Some(reservation),
            }
        }
        None
    }

    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        // No code that runs under the lock panics.
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both directions of a share or a node.
pub(crate) struct Limits {
    clock: Clock,
    up: RateLimit,
    down: RateLimit,
    background: AtomicBool,
}

impl Limits {
    pub(crate) fn new(clock: Clock, limits: RateLimits) -> Self {
        let (up, down, background) = Default::default();
        let new = Self { clock, up, down, background };
        new.set(limits);
        new
    }

    pub(crate) fn set(&self, limits: RateLimits) {
        let now = self.clock.now();
        self.up.set(now, limits.up);
        self.down.set(now, limits.down);
        self.background.store(limits.background, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> RateLimits {
        let background = self.background.load(Ordering::Relaxed);
        RateLimits { up: self.up.get(), down: self.down.get(), background }
    }
}

/// What the connections of a share have to keep to.
#[derive(Clone)]
pub(crate) struct Bounds {
    pub(crate) share: Arc<Limits>,
    pub(crate) node: Arc<Limits>,
}

impl Bounds {
    /// Resolves when so many bytes of content may be sent. Cancel safe: if it is dropped before, they do not count.
    pub(crate) async fn up(&self, runtime: &dyn Runtime, bytes: u32) {
        self.pass(|limits| &limits.up, runtime, bytes, bytes).await;
    }

    pub(crate) fn is_background(&self) -> bool {
        [&self.share, &self.node].iter().any(|limits| limits.background.load(Ordering::Relaxed))
    }

    /// Resolves when, after so many bytes of content, more may be received. They are here: if it is dropped before,
    /// they count all the same.
    pub(crate) async fn down(&self, runtime: &dyn Runtime, bytes: u32) {
        self.pass(|limits| &limits.down, runtime, bytes, 0).await;
    }

    async fn pass(
        &self,
        of: fn(&Limits) -> &RateLimit,
        runtime: &dyn Runtime,
        bytes: u32,
        refund: u32,
    ) {
        let Self { share, node } = self;
        let in_share = of(share).pass(share.clock, runtime, bytes, refund).await;
        // That of the node last: whoever waits for his own share takes no turn of the others'.
        let in_node = of(node).pass(node.clock, runtime, bytes, refund).await;
        [in_share, in_node].into_iter().flatten().for_each(Reservation::spend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_origin(Duration::from_millis(milliseconds))
    }

    fn pacer(rate: u64) -> Pacer {
        let mut pacer = Pacer::default();
        pacer.set(at(1_000), NonZeroU64::new(rate));
        pacer
    }

    #[test]
    fn bytes_pass_one_after_the_other() {
        let mut pacer = pacer(1_000);
        // The first ones pass at once; each makes those after it wait.
        assert_eq!(pacer.reserve(at(1_000), 500), at(1_000));
        assert_eq!(pacer.reserve(at(1_000), 100), at(1_500));
        assert_eq!(pacer.reserve(at(1_200), 100), at(1_600));
    }

    #[test]
    fn late_timers_do_not_slow_it_and_idle_time_is_not_saved_up() {
        let mut pacer = pacer(1_000);
        let mut now = at(1_000);
        for _ in 0..100 {
            // Each wakes 7 ms late.
            now = pacer.reserve(now, 20) + Duration::from_millis(7);
        }
        assert_eq!(pacer.reserve(now, 20), at(3_000).max(now), "100 times 20 bytes: 2 s");
        assert_eq!(pacer.reserve(at(60_000), 500), at(60_000));
        assert_eq!(pacer.reserve(at(60_000), 500), at(60_450), "but for 50 ms");
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut pacer = pacer(0);
        for _ in 0..3 {
            assert_eq!(pacer.reserve(at(1_000), u32::MAX), at(1_000));
        }
    }

    #[test]
    fn who_does_not_wait_to_the_end_takes_nothing() {
        let runtime = crate::runtime::default().unwrap();
        let up = NonZeroU64::new(1 << 20);
        let limits = Arc::new(Limits::new(Clock::start(), RateLimits { up, ..Default::default() }));
        let node = Arc::new(Limits::new(limits.clock, RateLimits::default()));
        let bounds = Bounds { share: Arc::clone(&limits), node };
        futures_lite::future::block_on(async {
            bounds.up(&*runtime, 1 << 20).await;
            let before = limits.up.pacer().free;
            for _ in 0..3 {
                let mut waiting = Box::pin(bounds.up(&*runtime, 1 << 20));
                assert!(futures_lite::future::poll_once(&mut waiting).await.is_none());
                assert_eq!(limits.up.pacer().free, before + Duration::from_secs(1));
            }
            assert_eq!(limits.up.pacer().free, before);
        });
    }

    #[test]
    fn who_waits_hears_of_a_new_limit() {
        let runtime = crate::runtime::default().unwrap();
        let slow = RateLimits { up: NonZeroU64::new(1), ..RateLimits::default() };
        let limits = |limits| Arc::new(Limits::new(Clock::start(), limits));
        for slow_one in 0..2 {
            let both = [0, 1]
                .map(|one| limits(if one == slow_one { slow } else { RateLimits::default() }));
            let [share, node] = both.clone();
            let bounds = Bounds { share, node };
            futures_lite::future::block_on(async {
                bounds.up(&*runtime, 1 << 20).await;
                bounds.down(&*runtime, 1 << 20).await;
                let mut waiting = Box::pin(bounds.up(&*runtime, 1).fuse());
                assert!(futures_lite::future::poll_once(&mut waiting).await.is_none());
                both[slow_one].set(RateLimits::default());
                waiting.await;
            });
            assert_eq!(both[slow_one].get(), RateLimits::default());
        }
    }
}
