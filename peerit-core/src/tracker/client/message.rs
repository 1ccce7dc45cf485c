//! What is sent to trackers, and what is taken from their answers.

use std::net::SocketAddr;

use bytes::Bytes;
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;
use proto::AnnounceEvent;

use super::super::token::TOKEN_LENGTH;
use super::super::{PEERS_WANTED_MAX, codec};
use super::Part;
use crate::id::{PeerId, Topic};

/// An announce, encoded.
pub(super) fn request(
    transaction: u64,
    token: &Bytes,
    topic: Topic,
    own: PeerId,
    event: AnnounceEvent,
    part: Part,
    attend: bool,
) -> Bytes {
    // An announce has 70 bytes at least, the answer to one without a valid token 29: no padding is
    // needed.
    let announce = proto::Announce {
        topic: Bytes::copy_from_slice(&topic.0),
        peer_id: Bytes::copy_from_slice(&own.0),
        listen_port: part.listen_port.into(),
        event: event.into(),
        seed: part.seed,
        peers_wanted: PEERS_WANTED_MAX.try_into().unwrap_or(u32::MAX),
        attend,
    };
    encoded(transaction, token, proto::request::Body::Announce(announce))
}

/// A signal, encoded: at most 1,036 bytes with 900 sealed ones.
pub(super) fn signal(transaction: u64, token: &Bytes, signal: &proto::Signal) -> Bytes {
    encoded(transaction, token, proto::request::Body::Signal(signal.clone()))
}

/// What costs both sides least: a question for no topics. With its token it has 29 bytes, as many as the answer when
/// the token is no longer good; without one it is made as long, as trackers answer nothing that is shorter.
pub(super) fn keep_alive(transaction: u64, token: &Bytes) -> Bytes {
    let body = proto::request::Body::Scrape(proto::Scrape::default());
    let padding = if token.is_empty() { &[0; TOKEN_LENGTH][..] } else { &[] };
    padded(transaction, token, body, padding)
}

fn encoded(transaction: u64, token: &Bytes, body: proto::request::Body) -> Bytes {
    padded(transaction, token, body, &[])
}

fn padded(
    transaction: u64,
    token: &Bytes,
    body: proto::request::Body,
    padding: &'static [u8],
) -> Bytes {
    let (token, body, padding) = (token.clone(), Some(body), Bytes::from_static(padding));
    proto::Request { transaction, token, body, padding }.encode_to_vec().into()
}

/// The peers of an answer that can be dialled: the first 50, without ourselves, and without this
/// machine's own addresses unless the tracker is on this machine.
pub(super) fn peers(
    reply: &proto::AnnounceReply,
    own: PeerId,
    tracker: SocketAddr,
) -> Vec<(PeerId, SocketAddr)> {
    let peers = reply.peers.iter().take(PEERS_WANTED_MAX).filter_map(|peer| {
        let id = PeerId::try_from(peer.peer_id.as_ref()).ok()?;
        Some((id, codec::decode_address(peer.address.as_ref()?)?))
    });
    let local = tracker.ip().to_canonical().is_loopback();
    peers.filter(|(id, address)| *id != own && (local || !address.ip().is_loopback())).collect()
}
