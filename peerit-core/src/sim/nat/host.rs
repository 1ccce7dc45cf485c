//! A host: the real client of trackers, the real traversal, and a driver for both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::net::Addresses;
use super::report::NatEnd;
use crate::id::PeerId;
use crate::nat::{Candidate, CandidateKind, NatTraversal, Opening, Transport, WayKey};
use crate::path::Path;
use crate::time::Timestamp;
use crate::tracker::TrackerClient;

/// The port of the shared UDP socket, the same everywhere, as programs have their usual ports.
pub(super) const UDP_PORT: u16 = 7_000;

/// The first port of the sockets beside the shared one.
pub(super) const SOCKETS_PORT: u16 = 20_000;

/// The port on which a host takes connections.
pub(super) const TCP_PORT: u16 = 7_001;

/// One of the two.
pub(super) struct Host {
    pub(super) id: PeerId,
    pub(super) client: TrackerClient,
    pub(super) traversal: NatTraversal,
    pub(super) addresses: Addresses,
    /// Whether it looks for the other.
    pub(super) wants: bool,
    /// What it is opening, and from which port.
    pub(super) ways: BTreeMap<WayKey, (Opening, SocketAddr)>,
    /// Connections of the peer that are open already.
    pub(super) accepted: BTreeSet<WayKey>,
    pub(super) path: Option<Path>,
    pub(super) connected_at: Option<Duration>,
    pub(super) direct_at: Option<Duration>,
    pub(super) is_trying: bool,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) ends: Vec<NatEnd>,
    pub(super) signals: usize,
    pub(super) checks: usize,
    /// How many sockets it has beside the shared one.
    pub(super) sockets: u16,
    next_port: u16,
}

impl Host {
    pub(super) fn new(id: PeerId, seed: u64, addresses: Addresses, wants: bool) -> Self {
        let secret = blake3::derive_key("peerit 2026 v1 nat simulation", &seed.to_be_bytes());
        Self {
            id,
            client: TrackerClient::new(id, seed),
            traversal: NatTraversal::new(id, secret),
            addresses,
            wants,
            ways: BTreeMap::new(),
            accepted: BTreeSet::new(),
            path: None,
            connected_at: None,
            direct_at: None,
            is_trying: false,
            retry_at: None,
            ends: Vec::new(),
            signals: 0,
            checks: 0,
            sockets: 0,
            next_port: 40_000,
        }
    }

    /// Its places, as its interfaces tell.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let ips = [Some(self.addresses.v4), self.addresses.v6];
        let of = |ip: IpAddr| {
            let of = |transport, port| {
                Candidate::new(CandidateKind::Host, transport, SocketAddr::new(ip, port))
            };
            [of(Transport::Udp, UDP_PORT), of(Transport::Tcp, TCP_PORT)]
        };
        ips.into_iter().flatten().flat_map(of).collect()
    }

    /// Its own address towards another; none if it has none of that family.
    pub(super) fn ip_towards(&self, to: SocketAddr) -> Option<IpAddr> {
        if to.is_ipv4() { Some(self.addresses.v4) } else { self.addresses.v6 }
    }

    /// A port of its own for a connection that it opens.
    pub(super) fn new_port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    /// There is a connection. A direct one is never given up for a relayed one.
    pub(super) fn connected(&mut self, now: Timestamp, path: Path) {
        let now = Some(now.since_origin());
        self.connected_at = self.connected_at.or(now);
        if path != Path::Relayed {
            self.direct_at = self.direct_at.or(now);
        }
        if self.path.is_none_or(|path| path == Path::Relayed) {
            self.path = Some(path);
        }
    }

    /// The earliest that anything is due.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let timeouts = [self.client.poll_timeout(), self.traversal.poll_timeout(), self.retry_at];
        timeouts.into_iter().flatten().min()
    }
}
