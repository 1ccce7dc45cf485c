//! Topic to peers, with expiry and bounds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use super::codec::Announce;
use super::server::ServerConfig;
use crate::host::{Host, uncount};
use crate::id::{PeerId, Topic};
use crate::rng::Rng;
use crate::time::Timestamp;

/// Most addresses of one peer: two interfaces with IPv4 and IPv6 each.
const ADDRESSES_MAX: usize = 4;

/// The tables are full for this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// All swarms.
///
/// Memory a peer, in bytes: itself 72 (up to 4 times that in a vector that may be a quarter full),
/// an address 64, its host's count 32, its place 80 and its expiry 112 in trees and maps with the
/// usual slack: about 0.5 KiB, and 0.9 KiB with four addresses. The default limit of 262,144 peers
/// is 130 to 240 MB.
///
/// All operations cost O(log n); a sample costs O(peers wanted).
pub(super) struct Table {
    config: ServerConfig,
    swarms: HashMap<Topic, Swarm>,
    /// Where each peer is.
    places: HashMap<(Topic, PeerId), Place>,
    /// Each peer, the one not seen for longest first.
    seen: BTreeSet<(Timestamp, Topic, PeerId)>,
    /// How many addresses of peers each host has.
    hosts: BTreeMap<Host, u32>,
}

/// One swarm; never empty.
#[derive(Default)]
struct Swarm {
    leeches: Vec<Peer>,
    seeds: Vec<Peer>,
}

#[derive(Clone, Copy)]
struct Place {
    seed: bool,
    index: usize,
}

struct Peer {
    id: PeerId,
    seen: Timestamp,
    /// At most one per host.
    addresses: Vec<Address>,
}

/// Where a peer was seen.
#[derive(Clone, Copy)]
struct Address {
    /// As the socket gave it, so that it can be sent to.
    from: SocketAddr,
    reach: Option<Reach>,
    listen_port: u16,
    seen: Timestamp,
}

/// How signals reach a peer at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// As datagrams, to where its last one came from.
    Datagram,
    /// Down a TCP connection that it keeps open.
    Stream(u64),
}

impl Address {
    fn host(&self) -> Host {
        Host::of(self.from.ip())
    }

    /// Where the peer can be dialled.
    fn dial(&self) -> Option<SocketAddr> {
        let port = Some(self.listen_port).filter(|port| *port != 0)?;
        Some(SocketAddr::new(self.from.ip().to_canonical(), port))
    }
}

impl Swarm {
    fn list(&mut self, seed: bool) -> &mut Vec<Peer> {
        if seed { &mut self.seeds } else { &mut self.leeches }
    }

    fn len(&self) -> usize {
        self.leeches.len() + self.seeds.len()
    }
}

impl Table {
    pub(super) fn new(config: ServerConfig) -> Self {
        Self {
            config,
            swarms: HashMap::new(),
            places: HashMap::new(),
            seen: BTreeSet::new(),
            hosts: BTreeMap::new(),
        }
    }

    /// Puts a peer into its swarm, or notes that it is still there.
    ///
    /// A peer id is not proved here, so whoever knows it and the topic can add addresses to it,
    /// last seen wins. They are his own addresses, and the id is proved when they are dialled: it
    /// costs the peer some of its answers, no more.
    pub(super) fn announce(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        reach: Option<Reach>,
        announce: &Announce,
    ) -> Result<(), Full> {
        let address = Address { from, reach, listen_port: announce.listen_port, seen: now };
        let known = self.take(announce.topic, announce.peer_id);
        if known.is_none() {
            self.check_room(announce.topic)?;
        }
        let mut peer = known.unwrap_or(Peer {
            id: announce.peer_id,
            seen: now,
            addresses: Vec::with_capacity(1),
        });
        let noted = self.note_address(&mut peer, address);
        self.put(announce.topic, announce.seed, peer);
        noted
    }

    fn check_room(&self, topic: Topic) -> Result<(), Full> {
        let config = &self.config;
        let topic_has_room = match self.swarms.get(&topic) {
            Some(swarm) => swarm.len() < config.peers_per_topic_max,
            None => self.swarms.len() < config.topics_max,
        };
        let room = topic_has_room && self.places.len() < config.peers_max;
        if room { Ok(()) } else { Err(Full) }
    }

    /// Notes where a peer was seen, at the cost of what is out of date, and of the address not seen
    /// for longest.
    fn note_address(&mut self, peer: &mut Peer, address: Address) -> Result<(), Full> {
        let host = address.host();
        let out_of_date = |old: &Address| !self.config.is_fresh(address.seen, old.seen);
        peer.addresses.retain(|old| {
            let kept = old.host() != host && !out_of_date(old);
            if !kept {
                uncount(&mut self.hosts, old.host());
            }
            kept
        });
        let count = self.hosts.get(&host).copied().unwrap_or(0);
        if count >= self.config.peers_per_host_max {
            return Err(Full);
        }
        self.hosts.insert(host, count + 1);
        if peer.addresses.len() == ADDRESSES_MAX {
            let oldest = (0..ADDRESSES_MAX).min_by_key(|index| peer.addresses[*index].seen);
            let oldest = peer.addresses.swap_remove(oldest.unwrap_or(0));
            uncount(&mut self.hosts, oldest.host());
        }
        peer.addresses.push(address);
        peer.seen = address.seen;
        Ok(())
    }

    /// Forgets where a peer was seen by this host; without any address left, the peer.
    ///
    /// Others cannot be taken out of the table by whoever knows their ids.
    pub(super) fn stop(&mut self, topic: Topic, id: PeerId, from: SocketAddr) {
        let Some(place) = self.places.get(&(topic, id)).copied() else { return };
        let Some(mut peer) = self.take(topic, id) else { return };
        let host = Host::of(from.ip());
        let before = peer.addresses.len();
        peer.addresses.retain(|address| address.host() != host);
        if peer.addresses.len() < before {
            uncount(&mut self.hosts, host);
        }
        peer.seen = peer.addresses.iter().map(|address| address.seen).max().unwrap_or(peer.seen);
        self.put(topic, place.seed, peer);
    }

    /// Seeds and leeches of a topic.
    pub(super) fn size(&self, topic: Topic) -> (usize, usize) {
        self.swarms.get(&topic).map_or((0, 0), |swarm| (swarm.seeds.len(), swarm.leeches.len()))
    }

    /// Peers for `asker`, each as likely, with all their addresses: first one of each, of the
    /// asker's family where there is one, then the second of each, and so on. Seeds are no use to a
    /// seed.
    pub(super) fn sample(&self, now: Timestamp, rng: &mut Rng, asker: &Asker) -> Vec<Sampled> {
        let Some(swarm) = self.swarms.get(&asker.topic) else { return Vec::new() };
        let seeds: &[Peer] = if asker.seed { &[] } else { &swarm.seeds };
        // One more than wanted, as the asker may be among them.
        let chosen = sample_indices(rng, swarm.leeches.len() + seeds.len(), asker.wanted + 1);
        let peers: Vec<(&Peer, bool)> = chosen
            .into_iter()
            .map(|index| match index.checked_sub(swarm.leeches.len()) {
                None => (&swarm.leeches[index], false),
                Some(index) => (&seeds[index], true),
            })
            .filter(|(peer, _)| peer.id != asker.id)
            .take(asker.wanted)
            .collect();
        let addresses: Vec<Vec<SocketAddr>> =
            peers.iter().map(|(peer, _)| self.dialable(now, peer, asker.from)).collect();
        (0..ADDRESSES_MAX)
            .flat_map(|round| peers.iter().zip(&addresses).map(move |pair| (round, pair)))
            .filter_map(|(round, ((peer, seed), addresses))| {
                Some(Sampled { id: peer.id, address: *addresses.get(round)?, seed: *seed })
            })
            .take(asker.wanted)
            .collect()
    }

    /// Where a peer can be dialled, best first.
    fn dialable(&self, now: Timestamp, peer: &Peer, asker: SocketAddr) -> Vec<SocketAddr> {
        let is_ipv4 = |address: SocketAddr| address.ip().to_canonical().is_ipv4();
        let mut addresses = peer.addresses.clone();
        addresses.retain(|address| self.config.is_fresh(now, address.seen));
        addresses.sort_by_key(|address| {
            (is_ipv4(address.from) != is_ipv4(asker), Reverse(address.seen))
        });
        addresses.iter().filter_map(Address::dial).collect()
    }

    /// Whether a peer of the topic was seen at the host of `from`.
    pub(super) fn is_at(&self, topic: Topic, id: PeerId, from: SocketAddr) -> bool {
        let host = Host::of(from.ip());
        self.peer(topic, id)
            .is_some_and(|peer| peer.addresses.iter().any(|address| address.host() == host))
    }

    /// How a peer is reached: as it was when it was last seen, if that is so still.
    pub(super) fn reach(
        &self,
        now: Timestamp,
        topic: Topic,
        id: PeerId,
        is_open: impl Fn(u64) -> bool,
    ) -> Option<(SocketAddr, Reach)> {
        let holds = |reach: &Reach| match reach {
            Reach::Datagram => true,
            Reach::Stream(connection) => is_open(*connection),
        };
        let addresses = self.peer(topic, id)?.addresses.iter();
        let fresh = addresses.filter(|address| self.config.is_fresh(now, address.seen));
        let reached = fresh
            .filter_map(|address| Some((address, address.reach.filter(|reach| holds(reach))?)));
        let (address, reach) = reached.max_by_key(|(address, _)| address.seen)?;
        Some((address.from, reach))
    }

    /// Takes out all peers that have not been seen for too long.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((seen, topic, id)) = self.seen.first().copied() {
            if self.config.is_fresh(now, seen) {
                break;
            }
            for address in self.take(topic, id).into_iter().flat_map(|peer| peer.addresses) {
                uncount(&mut self.hosts, address.host());
            }
        }
    }

    /// When [`Table::expire`] has something to do.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.seen.first().map(|(seen, ..)| *seen + self.config.lifetime())
    }

    fn peer(&self, topic: Topic, id: PeerId) -> Option<&Peer> {
        let place = self.places.get(&(topic, id))?;
        let swarm = self.swarms.get(&topic)?;
        if place.seed { swarm.seeds.get(place.index) } else { swarm.leeches.get(place.index) }
    }

    /// Takes a peer out; its addresses stay counted.
    fn take(&mut self, topic: Topic, id: PeerId) -> Option<Peer> {
        let place = self.places.remove(&(topic, id))?;
        let swarm = self.swarms.get_mut(&topic)?;
        let list = swarm.list(place.seed);
        let peer = list.swap_remove(place.index);
        if let Some(moved) = list.get(place.index) {
            self.places.insert((topic, moved.id), place);
        }
        // Else swarms that were large once would hold memory that no limit counts.
        if list.len() * 4 < list.capacity() {
            list.shrink_to(list.len() * 2);
        }
        if swarm.len() == 0 {
            self.swarms.remove(&topic);
        }
        self.seen.remove(&(peer.seen, topic, id));
        Some(peer)
    }

    /// Puts a peer in that has an address.
    fn put(&mut self, topic: Topic, seed: bool, peer: Peer) {
        if peer.addresses.is_empty() {
            return;
        }
        let (id, seen) = (peer.id, peer.seen);
        let list = self.swarms.entry(topic).or_default().list(seed);
        list.push(peer);
        self.places.insert((topic, id), Place { seed, index: list.len() - 1 });
        self.seen.insert((seen, topic, id));
    }
}

/// `wanted` different numbers below `bound` (all of them if there are no more), in random order.
///
/// R. W. Floyd's algorithm ("A sample of brilliance", CACM 30(9), 1987): as many steps as numbers
/// are wanted. The search in what is chosen already makes that at most 51 * 50 / 2 comparisons.
fn sample_indices(rng: &mut Rng, bound: usize, wanted: usize) -> Vec<usize> {
    let wanted = wanted.min(bound);
    let mut chosen = Vec::with_capacity(wanted);
    for last in bound - wanted..bound {
        let candidate = rng.below(last + 1);
        chosen.push(if chosen.contains(&candidate) { last } else { candidate });
    }
    rng.shuffle(&mut chosen);
    chosen
}

/// Who asks for peers.
pub(super) struct Asker {
    pub(super) topic: Topic,
    pub(super) id: PeerId,
    pub(super) from: SocketAddr,
    pub(super) seed: bool,
    pub(super) wanted: usize,
}

/// One address of a peer in the answer.
pub(super) struct Sampled {
    pub(super) id: PeerId,
    pub(super) address: SocketAddr,
    pub(super) seed: bool,
}
