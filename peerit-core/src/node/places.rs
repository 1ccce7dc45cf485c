//! Places for connections of strangers, of which one host gets a few only.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// A bounded number of places; who shares an IPv4 address or an IPv6 /64 shares a smaller number.
pub(crate) struct Places {
    max: usize,
    per_host_max: usize,
    taken: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A place for one connection, given back when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    host: IpAddr,
}

impl Places {
    pub(crate) fn new(max: usize, per_host_max: usize) -> Arc<Self> {
        Arc::new(Self { max, per_host_max, taken: Mutex::default() })
    }

    /// A place for a connection from `ip`; none when all, or all of its host, are taken.
    pub(crate) fn take(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let host = host_of(ip);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&host).copied().unwrap_or(0);
        if all >= self.max || own >= self.per_host_max {
            return None;
        }
        taken.insert(host, own + 1);
        drop(taken);
        Some(Place { places: Arc::clone(self), host })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.host);
            }
        }
    }
}

/// Whoever has one address of an IPv6 /64 has all of them.
fn host_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_does_not_take_all_places() {
        let places = Places::new(3, 2);
        let take = |ip: &str| places.take(ip.parse().unwrap());
        let first = take("192.0.2.1").unwrap();
        let _second = take("::ffff:192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_none());
        let _other = take("2001:db8::1").unwrap();
        assert!(take("192.0.2.2").is_none(), "all are taken");
        drop(first);
        assert!(take("2001:db8::ffff").is_some(), "a place comes back");
    }

    #[test]
    fn a_network_of_one_owner_is_one_host() {
        let places = Places::new(9, 1);
        let _one = places.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(places.take("2001:db8::2".parse().unwrap()).is_none());
        assert!(places.take("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
