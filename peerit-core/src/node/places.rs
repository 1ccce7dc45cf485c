//! Places for connections of strangers, of which one host gets a few only.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::host::{Host, uncount};

/// A bounded number of places; who shares an IPv4 address or an IPv6 /64 shares a smaller number.
pub(crate) struct Places {
    max: u32,
    per_host_max: u32,
    taken: Mutex<BTreeMap<Host, u32>>,
}

/// A place for one connection, given back when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    host: Host,
}

impl Places {
    pub(crate) fn new(max: u32, per_host_max: u32) -> Arc<Self> {
        Arc::new(Self { max, per_host_max, taken: Mutex::default() })
    }

    /// A place for a connection from `ip`; none when all, or all of its host, are taken.
    pub(crate) fn take(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let host = Host::of(ip);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = taken.values().sum();
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
        uncount(&mut taken, self.host);
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
