//! Where peers may be, and when to try them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::id::PeerId;
use crate::rng::Rng;
use crate::time::Timestamp;
use crate::wire::address::canonical;

/// Most addresses kept: ten times the usual number of peers. At about 120 bytes each, 120 KiB.
pub(super) const ADDRESSES_MAX: usize = 1_000;
/// Pause after a first failure; it doubles with each further one.
const BACKOFF_MIN: Duration = Duration::from_secs(10);
/// Greatest pause after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(10 * 60);
/// Failures in a row after which an address is forgotten: pauses of 10 s to 10 min, half an hour in
/// all. Whoever knows better (a tracker, the user) names it again.
const FAILURES_MAX: u32 = 9;
/// How long a dial may take: more than any connection attempt with its handshake, so that a lost
/// answer does not hold a place forever.
const DIAL_DEADLINE: Duration = Duration::from_secs(60);

/// A bounded set of addresses, whoever named them.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    entries: BTreeMap<SocketAddr, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Dials and short connections in a row that led to nothing.
    failures: u32,
    /// When it may be dialled; for one being dialled, when that has taken too long.
    due: Timestamp,
    dialling: bool,
    /// Who was found there last.
    owner: Option<PeerId>,
    /// Breaks ties at random: else all peers would dial the lowest address first.
    tie: u64,
}

impl AddressBook {
    /// Remembers an address, unless it is known, cannot be dialled, or the book is full of addresses
    /// that have not failed.
    pub(super) fn add(&mut self, now: Timestamp, address: SocketAddr, rng: &mut Rng) {
        let address = canonical(address);
        let odd = address.port() == 0
            || address.ip().is_unspecified()
            || address.ip().is_multicast()
            || address.ip() == std::net::IpAddr::from([255; 4]);
        if odd || self.entries.contains_key(&address) {
            return;
        }
        if self.entries.len() >= ADDRESSES_MAX && !self.forget_worst() {
            return;
        }
        let tie = rng.next_u64();
        let entry = Entry { failures: 0, due: now, dialling: false, owner: None, tie };
        self.entries.insert(address, entry);
    }

    /// Says who was found at an address.
    pub(super) fn found(&mut self, address: SocketAddr, owner: PeerId) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.owner = Some(owner);
            entry.dialling = false;
        }
    }

    /// Takes the best address that is due and whose owner, as far as known, is `wanted`; it counts as
    /// being dialled from now on. O(addresses).
    pub(super) fn dial(
        &mut self,
        now: Timestamp,
        wanted: impl Fn(Option<PeerId>) -> bool,
    ) -> Option<SocketAddr> {
        let (&address, entry) = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| !entry.dialling && entry.due <= now && wanted(entry.owner))
            .min_by_key(|(_, entry)| (entry.failures, entry.tie))?;
        entry.dialling = true;
        entry.due = now + DIAL_DEADLINE;
        Some(address)
    }

    /// When [`AddressBook::dial`] or [`AddressBook::expire`] has something to do. O(addresses).
    pub(super) fn next_due(&self, wanted: impl Fn(Option<PeerId>) -> bool) -> Option<Timestamp> {
        let counts = |entry: &&Entry| entry.dialling || wanted(entry.owner);
        self.entries.values().filter(counts).map(|entry| entry.due).min()
    }

    /// How many are being dialled.
    pub(super) fn dialling(&self) -> usize {
        self.entries.values().filter(|entry| entry.dialling).count()
    }

    /// Whether this address is being dialled.
    pub(super) fn is_dialling(&self, address: SocketAddr) -> bool {
        self.entries.get(&canonical(address)).is_some_and(|entry| entry.dialling)
    }

    /// Dials that were never answered have failed.
    pub(super) fn expire(&mut self, now: Timestamp, rng: &mut Rng) {
        let late = |entry: &Entry| entry.dialling && entry.due <= now;
        let late: Vec<_> =
            self.entries.iter().filter(|(_, entry)| late(entry)).map(|(&at, _)| at).collect();
        for address in late {
            self.failed(now, address, rng);
        }
    }

    /// A dial, or a connection that was hardly one, led to nothing: a pause that doubles, a quarter
    /// more or less so that peers do not meet again and again; in the end the address is forgotten.
    pub(super) fn failed(&mut self, now: Timestamp, address: SocketAddr, rng: &mut Rng) {
        let address = canonical(address);
        let Some(entry) = self.entries.get_mut(&address) else { return };
        entry.dialling = false;
        entry.failures += 1;
        if entry.failures >= FAILURES_MAX {
            self.entries.remove(&address);
            return;
        }
        let pause = (BACKOFF_MIN * (1 << (entry.failures - 1))).min(BACKOFF_MAX);
        let jitter = u32::try_from(rng.below(512)).unwrap_or(0);
        entry.due = now + pause * 3 / 4 + pause * jitter / 1_024;
    }

    /// A proper connection has ended: worth another after `pause`.
    pub(super) fn retry(&mut self, now: Timestamp, address: SocketAddr, pause: Duration) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.dialling = false;
            entry.failures = 0;
            entry.due = now + pause;
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Forgets the address with most failures; false when none has any.
    fn forget_worst(&mut self) -> bool {
        let failed = |entry: &Entry| !entry.dialling && entry.failures > 0;
        let worst = self
            .entries
            .iter()
            .filter(|(_, entry)| failed(entry))
            .max_by_key(|(_, entry)| (entry.failures, entry.tie))
            .map(|(&address, _)| address);
        worst.is_some_and(|address| self.entries.remove(&address).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_origin(Duration::from_secs(s))
    }

    fn address(number: usize) -> SocketAddr {
        let number = u32::try_from(number).unwrap();
        SocketAddr::from((std::net::Ipv4Addr::from_bits(0x0a00_0000 + number), 1))
    }

    fn book(count: usize) -> (AddressBook, Rng) {
        let (mut book, mut rng) = (AddressBook::default(), Rng::from_seed(1));
        (0..count).for_each(|number| book.add(at(0), address(number), &mut rng));
        (book, rng)
    }

    #[test]
    fn a_dead_address_is_tried_ever_more_seldom_and_then_forgotten() {
        let (mut book, mut rng) = book(1);
        let mut pauses = Vec::new();
        let mut now = at(0);
        while let Some(due) = book.next_due(|_| true) {
            pauses.push((due - now).as_secs());
            now = due;
            let address = book.dial(now, |_| true).unwrap();
            assert_eq!(book.dial(now, |_| true), None);
            book.failed(now, address, &mut rng);
        }
        assert_eq!(pauses.len(), 9);
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1] || pair[0] >= 450), "{pauses:?}");
        assert!((1_200..2_800).contains(&pauses.iter().sum::<u64>()), "{pauses:?}");
    }

    #[test]
    fn a_full_book_gives_up_failures_only() {
        let (mut book, mut rng) = book(ADDRESSES_MAX + 10);
        assert_eq!(book.len(), ADDRESSES_MAX);
        book.add(at(0), address(5_000), &mut rng);
        assert!(!book.entries.contains_key(&address(5_000)));
        book.failed(at(0), address(7), &mut rng);
        book.add(at(0), address(5_000), &mut rng);
        assert!(book.entries.contains_key(&address(5_000)));
        assert!(!book.entries.contains_key(&address(7)));
        assert_eq!(book.len(), ADDRESSES_MAX);
    }

    #[test]
    fn an_unanswered_dial_does_not_hold_its_place() {
        let (mut book, mut rng) = book(1);
        book.dial(at(0), |_| true).unwrap();
        book.expire(at(59), &mut rng);
        assert_eq!(book.dialling(), 1);
        book.expire(at(60), &mut rng);
        assert_eq!(book.dialling(), 0);
    }

    #[test]
    fn addresses_of_unwanted_owners_are_left_alone() {
        let (mut book, _) = book(1);
        let me = PeerId([1; 32]);
        book.found(address(0), me);
        assert_eq!(book.dial(at(0), |owner| owner != Some(me)), None);
        assert_eq!(book.next_due(|owner| owner != Some(me)), None);
        assert!(book.dial(at(0), |_| true).is_some());
    }

    #[test]
    fn places_that_cannot_be_dialled_are_refused_and_each_has_one_name() {
        let (mut book, mut rng) = book(0);
        for odd in ["0.0.0.0:1", "10.0.0.1:0", "224.0.0.1:9", "255.255.255.255:9", "[::]:1"] {
            book.add(at(0), odd.parse().unwrap(), &mut rng);
        }
        assert_eq!(book.len(), 0);
        book.add(at(0), "[::ffff:10.0.0.1]:9".parse().unwrap(), &mut rng);
        book.add(at(0), "10.0.0.1:9".parse().unwrap(), &mut rng);
        assert_eq!(book.len(), 1);
    }
}
