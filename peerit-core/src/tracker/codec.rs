//! Messages to bytes and back, with every bound checked on the way in.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;
use peerit_proto::wire::v1::SocketAddress;

use super::relay::{RelayOpen, checked_open};
use super::{DATAGRAM_MAX, PEERS_WANTED_MAX, STREAM_RESPONSE_MAX};
use crate::id::{PeerId, Topic};
use crate::wire::address::{self, canonical, decode_ip};

/// First byte of every message: the tag of field 1, a fixed64.
pub(super) const FIRST_BYTE: u8 = 0x09;

/// Longest sealed signal, in bytes.
pub(super) const SEALED_MAX: usize = 900;

/// Most topics in a scrape.
pub(super) const SCRAPE_MAX: usize = 16;

/// A request that is within its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Announce(Announce),
    Scrape(Vec<Topic>),
    Signal(proto::Signal),
    Relay(RelayOpen),
}

/// An announce that is within its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announce {
    pub(super) topic: Topic,
    pub(super) peer_id: PeerId,
    /// 0: the peer takes no connections.
    pub(super) listen_port: u16,
    pub(super) stopped: bool,
    pub(super) seed: bool,
    pub(super) peers_wanted: usize,
    /// Whether signals are to be pushed down the connection that this came by.
    pub(super) attend: bool,
}

/// The message in a datagram or TCP frame of a peer; none if it is not one.
///
/// 1,200 bytes decode to less than 50 KB: an entry of the only repeated field takes two bytes at
/// least and becomes a `Bytes` of 32.
pub(super) fn decode_request(bytes: Bytes) -> Option<proto::Request> {
    if bytes.len() > DATAGRAM_MAX || bytes.first() != Some(&FIRST_BYTE) {
        return None;
    }
    proto::Request::decode(bytes).ok().filter(|request| request.transaction != 0)
}

/// The message in a datagram or TCP frame of a tracker; none if it is not one.
///
/// 4,096 bytes decode to less than 256 KB: an empty peer takes two bytes and becomes about 100.
pub(super) fn decode_response(bytes: Bytes) -> Option<proto::Response> {
    if bytes.len() > STREAM_RESPONSE_MAX || bytes.first() != Some(&FIRST_BYTE) {
        return None;
    }
    proto::Response::decode(bytes).ok()
}

/// What a request asks; none if a field of it is out of its bounds.
pub(super) fn checked(body: proto::request::Body) -> Option<Ask> {
    match body {
        proto::request::Body::Announce(announce) => checked_announce(&announce).map(Ask::Announce),
        proto::request::Body::Scrape(scrape) if scrape.topics.len() <= SCRAPE_MAX => {
            let topics = scrape.topics.iter().map(|topic| Topic::try_from(topic.as_ref()).ok());
            topics.collect::<Option<_>>().map(Ask::Scrape)
        }
        proto::request::Body::Signal(signal) if signal.sealed.len() <= SEALED_MAX => {
            let ids = [&signal.topic, &signal.sender, &signal.receiver];
            ids.iter().all(|id| id.len() == 32).then_some(Ask::Signal(signal))
        }
        proto::request::Body::RelayOpen(open) => checked_open(&open).map(Ask::Relay),
        proto::request::Body::Scrape(_) | proto::request::Body::Signal(_) => None,
    }
}

fn checked_announce(announce: &proto::Announce) -> Option<Announce> {
    Some(Announce {
        topic: Topic::try_from(announce.topic.as_ref()).ok()?,
        peer_id: PeerId::try_from(announce.peer_id.as_ref()).ok()?,
        listen_port: u16::try_from(announce.listen_port).ok()?,
        stopped: announce.event() == proto::AnnounceEvent::Stopped,
        seed: announce.seed,
        peers_wanted: usize::try_from(announce.peers_wanted).ok()?.min(PEERS_WANTED_MAX),
        attend: announce.attend,
    })
}

/// A request that asks for nothing: who answers is a tracker. `transaction` must not be zero.
#[must_use]
pub fn empty_request(transaction: u64) -> Bytes {
    let body = Some(proto::request::Body::Scrape(proto::Scrape::default()));
    let request = proto::Request { transaction, body, ..proto::Request::default() };
    request.encode_to_vec().into()
}

/// The tracker's other port, 0 if it has none, from its answer over TCP to the [`empty_request`] of that transaction;
/// none if `response` is not that.
#[must_use]
pub fn other_port(response: Bytes, transaction: u64) -> Option<u16> {
    let response = decode_response(response).filter(|one| one.transaction == transaction)?;
    let Some(proto::response::Body::ScrapeReply(reply)) = response.body else { return None };
    Some(decode_other_port(reply.other_port))
}

/// 0, which means none, also for what is no port.
pub(super) fn decode_other_port(port: u32) -> u16 {
    u16::try_from(port).unwrap_or(0)
}

/// As many of `peers` as fit into `reply` when the whole response may have `limit` bytes.
pub(super) fn fill_peers(reply: &mut proto::AnnounceReply, peers: Vec<proto::Peer>, limit: usize) {
    // Transaction 9; field header of the reply: tag 1, length at most 3.
    let mut length = 9 + 4 + reply.encoded_len();
    for peer in peers {
        // Field header: tag 1, length 1, as a peer has at most 60 bytes.
        length += 2 + peer.encoded_len();
        if length > limit {
            break;
        }
        reply.peers.push(peer);
    }
}

pub(super) fn encode_address(address: SocketAddr) -> SocketAddress {
    address::encode_address(canonical(address))
}

/// None if it is not an address that can be dialled.
pub(super) fn decode_address(address: &SocketAddress) -> Option<SocketAddr> {
    let ip = decode_ip(&address.ip)?.to_canonical();
    let port = u16::try_from(address.port).ok().filter(|port| *port != 0)?;
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    let dialable = !(ip.is_unspecified() || ip.is_multicast() || broadcast);
    dialable.then(|| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: IpAddr) -> proto::Peer {
        let address = encode_address(SocketAddr::new(ip, 65_535));
        proto::Peer { peer_id: Bytes::from(vec![1; 32]), address: Some(address), seed: true }
    }

    #[test]
    fn the_largest_answers_are_within_their_limits() {
        let ip = IpAddr::from([0xfe; 16]);
        for (limit, count) in [(DATAGRAM_MAX, 18), (STREAM_RESPONSE_MAX, PEERS_WANTED_MAX)] {
            let mut reply = proto::AnnounceReply {
                interval_ms: u32::MAX,
                seeds: u32::MAX,
                leeches: u32::MAX,
                observed: Some(encode_address(SocketAddr::new(ip, 65_535))),
                peers: Vec::new(),
                attended: limit == STREAM_RESPONSE_MAX,
                other_port: 65_535,
            };
            fill_peers(&mut reply, vec![peer(ip); PEERS_WANTED_MAX], limit);
            assert_eq!(reply.peers.len(), count);
            let body = Some(proto::response::Body::AnnounceReply(reply));
            let bytes = proto::Response { transaction: u64::MAX, body }.encode_to_vec();
            assert!(bytes.len() <= limit && bytes.len() + 62 > limit.min(3_170), "{}", bytes.len());
            assert_eq!(bytes[0], FIRST_BYTE);
        }
    }

    #[test]
    fn addresses_that_nobody_can_dial_are_refused() {
        let address = |ip: &[u8], port| SocketAddress { ip: Bytes::copy_from_slice(ip), port };
        let good = Some(SocketAddr::from(([198, 51, 100, 7], 1)));
        assert_eq!(decode_address(&address(&[198, 51, 100, 7], 1)), good);
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7];
        assert_eq!(decode_address(&address(&mapped, 1)), good);
        for (ip, port) in [
            (&[198, 51, 100, 7][..], 0),
            (&[198, 51, 100, 7], 65_536),
            (&[0, 0, 0, 0], 1),
            (&[224, 0, 0, 1], 1),
            (&[255, 255, 255, 255], 1),
            (&[1, 2, 3], 1),
            (&[0; 16], 1),
            (&[], 1),
        ] {
            assert_eq!(decode_address(&address(ip, port)), None, "{ip:?}:{port}");
        }
    }
}
