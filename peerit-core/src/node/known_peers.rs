//! Who is where, as trackers have said of late.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::announcer::Found;
use crate::id::PeerId;

/// A bounded number of named peers, at most one for each address. Those that were not named for longest are forgotten:
/// they have left, or never were.
pub(super) struct KnownPeers {
    max: usize,
    /// The ones named last at the end.
    peers: VecDeque<Found>,
}

impl KnownPeers {
    /// Room for `max`, at 64 bytes each; looked through one by one, so 1,000 or so.
    pub(super) fn new(max: usize) -> Self {
        Self { max, peers: VecDeque::new() }
    }

    /// Notes that a peer was named; returns whether nobody was known at its address.
    pub(super) fn insert(&mut self, peer: PeerId, address: SocketAddr) -> bool {
        let known = self.peers.iter().position(|(_, known)| *known == address);
        if let Some(index) = known {
            self.peers.remove(index);
        } else if self.peers.len() == self.max {
            self.peers.pop_front();
        }
        self.peers.push_back((peer, address));
        known.is_none()
    }

    /// Who was named last at an address.
    pub(super) fn at(&self, address: SocketAddr) -> Option<PeerId> {
        self.iter().find(|(_, known)| *known == address).map(|(peer, _)| peer)
    }

    /// Those named last come last.
    pub(super) fn iter(&self) -> impl Iterator<Item = Found> + '_ {
        self.peers.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_named_again_stay() {
        let (peer, address) = (|n| PeerId([n; 32]), |n| SocketAddr::from(([10, 0, 0, n], 1)));
        let mut known = KnownPeers::new(2);
        assert!(known.insert(peer(1), address(1)));
        assert!(known.insert(peer(2), address(2)));
        assert!(!known.insert(peer(9), address(1)));
        assert!(known.insert(peer(3), address(3)));
        assert_eq!([1, 2, 3].map(|n| known.at(address(n))), [Some(peer(9)), None, Some(peer(3))]);
    }
}
