//! Peers tell each other about peers: BEP 11 in spirit.
//!
//! Only peers that the teller is connected to, only where anybody can dial them, only what is new.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Direction, Misbehaviour, Path, Swarm};
use crate::id::PeerKey;
use crate::time::Timestamp;
use crate::wire::address::canonical;
use crate::wire::{Frame, PEER_EXCHANGE_MAX};

/// From connecting to our first message: soon, so that a swarm knits quickly, but after its Hello.
const FIRST_AFTER: Duration = Duration::from_secs(2);
/// Between two messages of ours, as in BEP 11.
const INTERVAL: Duration = Duration::from_secs(60);
/// Least time between two messages of a peer: half of ours, as the network may bunch them.
const INTERVAL_MIN: Duration = Duration::from_secs(30);

/// What one peer and we have told each other.
///
/// Each address that becomes known in a swarm gets the next number; how far a peer was told is then
/// one number, not a list.
#[derive(Debug)]
pub(super) struct Exchange {
    next_at: Timestamp,
    told: u64,
    heard_at: Option<Timestamp>,
}

impl Exchange {
    pub(super) fn starting(now: Timestamp) -> Self {
        Self { next_at: now + FIRST_AFTER, told: 0, heard_at: None }
    }

    /// When to send the next message; `newest` is the number of the latest address.
    pub(super) fn due(&self, newest: u64) -> Option<Timestamp> {
        (self.told < newest).then_some(self.next_at)
    }
}

/// How far an address can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Machine,
    Site,
    World,
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        ip if ip.is_loopback() => Reach::Machine,
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() => Reach::Site,
        IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Reach::Site,
        _ => Reach::World,
    }
}

/// Whether an address means anything to a peer. One far away must not learn of, nor make us dial,
/// what is on our own network.
fn concerns(address: SocketAddr, peer: SocketAddr) -> bool {
    reach(address.ip()) >= reach(peer.ip())
}

impl Swarm {
    /// Notes where anybody can dial a peer that has said on which port it listens.
    pub(super) fn note_listener(&mut self, key: PeerKey, port: u16) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let direct = matches!(peer.path, Path::Direct | Path::Mapped);
        let address = match peer.direction {
            Direction::Dialled => peer.address,
            Direction::Answered if port != 0 => SocketAddr::new(peer.address.ip(), port),
            Direction::Answered => return,
        };
        if !direct {
            return;
        }
        self.listeners += 1;
        peer.listens = Some((self.listeners, address));
        self.book.add(self.now, address, &mut self.rng);
        self.book.found(address, peer.id);
    }

    /// Tells a peer what is new; at most [`PEER_EXCHANGE_MAX`] addresses, the rest later.
    pub(super) fn tell_addresses(&mut self, key: PeerKey) {
        let (now, newest) = (self.now, self.listeners);
        let Some(peer) = self.peers.get(key) else { return };
        let mut news: Vec<_> = self
            .peers
            .iter()
            .filter(|&(other, _)| other != key)
            .filter_map(|(_, other)| other.listens)
            .filter(|&(number, address)| {
                number > peer.exchange.told && concerns(address, peer.address)
            })
            .collect();
        news.sort_unstable();
        let rest = news.split_off(news.len().min(PEER_EXCHANGE_MAX));
        let told = if rest.is_empty() { Some(newest) } else { news.last().map(|last| last.0) };
        if let Some(peer) = self.peers.get_mut(key) {
            peer.exchange.told = told.unwrap_or(newest);
            if !news.is_empty() {
                peer.exchange.next_at = now + INTERVAL;
            }
        }
        if !news.is_empty() {
            let addresses = news.into_iter().map(|(_, address)| address).collect();
            self.send(key, Frame::PeerExchange(addresses));
        }
    }

    /// A peer has told us of others.
    pub(super) fn addresses_told(
        &mut self,
        key: PeerKey,
        addresses: &[SocketAddr],
    ) -> Result<(), Misbehaviour> {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(key) else { return Ok(()) };
        let early = peer.exchange.heard_at.is_some_and(|before| now - before < INTERVAL_MIN);
        if early || addresses.len() > PEER_EXCHANGE_MAX {
            return Err(Misbehaviour::Flood);
        }
        peer.exchange.heard_at = Some(now);
        let from = peer.address;
        for &address in addresses {
            if concerns(canonical(address), from) {
                self.book.add(now, address, &mut self.rng);
            }
        }
        self.dial_at = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_concerns_only_those_who_are_near() {
        let concerns =
            |address: &str, peer: &str| concerns(address.parse().unwrap(), peer.parse().unwrap());
        assert!(concerns("127.0.0.1:1", "127.0.0.1:2"));
        assert!(!concerns("127.0.0.1:1", "192.168.0.2:2"));
        assert!(concerns("192.168.0.3:1", "192.168.0.2:2"));
        assert!(!concerns("192.168.0.3:1", "1.2.3.4:2"));
        assert!(!concerns("[fe80::1]:1", "[2600::1]:2"));
        assert!(concerns("1.2.3.5:1", "127.0.0.1:2"));
    }
}
