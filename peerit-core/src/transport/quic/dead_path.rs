//! Noticing soon that nothing comes back from a peer any more.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::{Receiver, TryRecvError};
use quinn::{Connection, VarInt};

use crate::runtime::{RoundTrip, Runtime};

/// Silence after which a path is dead on which something was asked: what a user takes for a hitch still. QUIC asks
/// about six times meanwhile (its probes double their distance, RFC 9002, section 6.2.1), so this is no loss by chance. A
/// path that comes back later has cost a handshake, and what was on the way.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// On long paths: so many round trips.
const ROUND_TRIPS: u32 = 4;

/// Packets that may follow the last one that came and ask for nothing: acknowledgements, one of them delayed. So
/// many are no question, and as few again may be lost by chance.
const ANSWERS_MAX: u64 = 2;
const QUESTIONS_MIN: u64 = 3;

/// Time between two looks, each of which costs some microseconds.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Tells the peer, if it hears it, that we have heard nothing of it.
const SILENT: VarInt = VarInt::from_u32(2);

/// Closes a connection whose path is dead: that of a peer whose address has changed or that was killed. Ends when
/// `stop` is closed, or with the connection. Tells the round trip time as well.
///
/// The idle timeout does not do that: it would have to be as short, and then idle connections would need keep-alives every
/// second.
pub(super) async fn watch(
    runtime: Arc<dyn Runtime>,
    (connection, round_trip): (Connection, RoundTrip),
    stop: Receiver<Infallible>,
) {
    let mut silence = Silence::default();
    while connection.close_reason().is_none() && stop.try_recv() == Err(TryRecvError::Empty) {
        runtime.sleep(LOOK_INTERVAL).await;
        let stats = connection.stats();
        round_trip.set(stats.path.rtt);
        let seen = Seen { received: stats.udp_rx.datagrams, sent: stats.udp_tx.datagrams };
        if silence.is_dead(Instant::now(), seen, stats.path.rtt) {
            connection.close(SILENT, b"");
        }
    }
}

/// Counters of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    received: u64,
    sent: u64,
}

/// What came of the last looks.
#[derive(Debug, Default)]
struct Silence {
    /// When something came last.
    before: Seen,
    /// Since when something is asked without an answer.
    since: Option<Instant>,
}

impl Silence {
    fn is_dead(&mut self, now: Instant, seen: Seen, rtt: Duration) -> bool {
        if seen.received != self.before.received {
            *self = Self { before: seen, since: None };
        }
        let questions = seen.sent.saturating_sub(self.before.sent + ANSWERS_MAX);
        if questions == 0 {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        questions >= QUESTIONS_MIN && now - since >= SILENCE_MAX.max(rtt * ROUND_TRIPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Duration = Duration::from_millis(20);

    /// What becomes of looks every 250 ms at connections whose counters are given.
    fn dead_after(rtt: Duration, counters: impl Fn(u64) -> (u64, u64)) -> Option<Duration> {
        let (start, mut silence) = (Instant::now(), Silence::default());
        (0..400).find_map(|look| {
            let (received, sent) = counters(look);
            let at = LOOK_INTERVAL * u32::try_from(look).unwrap();
            silence.is_dead(start + at, Seen { received, sent }, rtt).then_some(at)
        })
    }

    #[test]
    fn a_question_without_an_answer_is_the_end_after_two_seconds() {
        // The first look already sees a packet; then nothing comes.
        let after = dead_after(NEAR, |look| (1, 3 * look));
        assert_eq!(after, Some(LOOK_INTERVAL + SILENCE_MAX));
        assert_eq!(
            dead_after(Duration::from_secs(1), |look| (1, 3 * look)).unwrap().as_millis(),
            4_250
        );
    }

    #[test]
    fn who_is_not_asked_may_be_silent() {
        assert_eq!(dead_after(NEAR, |look| (1, 5 + look.min(ANSWERS_MAX))), None);
        // A keep-alive every 10 s that is answered at once, or by the next look.
        assert_eq!(dead_after(NEAR, |look| (look / 40, look / 40)), None);
        assert_eq!(dead_after(NEAR, |look| (look.saturating_sub(1) / 40, look / 40)), None);
        // A slow answer is one.
        assert_eq!(dead_after(NEAR, |look| (look / 7, look)), None);
    }

    #[test]
    fn one_lost_packet_is_not_the_end() {
        assert_eq!(dead_after(NEAR, |look| (1, 4 + (look / 4).min(4))), None);
    }
}
