//! Events and their twins.

use bytes::Bytes;
use peerit_proto::nat::v1 as twin;
use twin::event::Body;

use super::super::{Candidate, Event, Transport, WayKey};
use super::{
    TwinError, address, address_twins, addresses, array, encode_address, peer_id, socket, topic,
};
use crate::id::{PeerId, SwarmKey, Topic};

pub(super) fn bytes(id: &[u8; 32]) -> Bytes {
    Bytes::copy_from_slice(id)
}

impl From<&Event> for twin::Event {
    fn from(event: &Event) -> Self {
        let body = match event {
            Event::Join { topic, key, relays } => Body::Join(twin::Join {
                topic: bytes(&topic.0),
                swarm_key: bytes(&key.0),
                relays: address_twins(relays),
            }),
            Event::Leave { topic } => Body::Leave(twin::Leave { topic: bytes(&topic.0) }),
            Event::LocalCandidates { candidates } => {
                let candidates = candidates.iter().map(twin::Candidate::from).collect();
                Body::LocalCandidates(twin::LocalCandidates { candidates })
            }
            Event::Observed { observer, address, other_port } => Body::Observed(twin::Observed {
                observer: Some(encode_address(*observer)),
                address: Some(encode_address(*address)),
                other_port: (*other_port).into(),
            }),
            Event::Want { topic, peer, addresses } => {
                let (topic, peer) = (bytes(&topic.0), bytes(&peer.0));
                Body::Want(twin::Want { topic, peer, addresses: address_twins(addresses) })
            }
            Event::Unwant { topic, peer } => {
                Body::Unwant(twin::Unwant { topic: bytes(&topic.0), peer: bytes(&peer.0) })
            }
            Event::Signal { topic, sender, sender_address, sealed } => {
                let (topic, peer, sealed) = (bytes(&topic.0), bytes(&sender.0), sealed.clone());
                let sender_address = sender_address.map(encode_address);
                Body::Signal(twin::SealedSignal { topic, peer, sealed, sender_address })
            }
            Event::Stun { from, datagram } => Body::Stun(twin::Datagram {
                peer: Some(encode_address(*from)),
                payload: datagram.clone(),
            }),
            Event::Opened { way } => Body::Opened(twin::Opened { way: way.0 }),
            Event::OpenFailed { way, fault } => {
                let fault = twin::Fault::from(*fault).into();
                Body::OpenFailed(twin::OpenFailed { way: way.0, fault })
            }
            Event::Accepted { topic, peer, address, by_quic } => {
                Body::Accepted(accepted_twin(*topic, *peer, *address, *by_quic))
            }
            Event::SocketsOpened { count } => {
                Body::SocketsOpened(twin::SocketsOpened { count: (*count).into() })
            }
            Event::StunAt { socket, from, datagram } => Body::StunAt(twin::SocketDatagram {
                socket: (*socket).into(),
                peer: Some(encode_address(*from)),
                payload: datagram.clone(),
            }),
            Event::Disconnected { topic, peer } => Body::Disconnected(twin::Disconnected {
                topic: bytes(&topic.0),
                peer: bytes(&peer.0),
            }),
        };
        Self { body: Some(body) }
    }
}

fn accepted_twin(
    topic: Topic,
    peer: PeerId,
    address: std::net::SocketAddr,
    by_quic: bool,
) -> twin::Accepted {
    let transport = if by_quic { Transport::Udp } else { Transport::Tcp };
    twin::Accepted {
        topic: bytes(&topic.0),
        peer: bytes(&peer.0),
        address: Some(encode_address(address)),
        transport: twin::CandidateTransport::from(transport).into(),
    }
}

impl TryFrom<twin::Event> for Event {
    type Error = TwinError;

    fn try_from(event: twin::Event) -> Result<Self, TwinError> {
        Ok(match event.body.ok_or(TwinError::Missing("body"))? {
            Body::Join(of) => Self::Join {
                topic: topic(&of.topic)?,
                key: SwarmKey(array(&of.swarm_key, "length of swarm_key")?),
                relays: addresses(of.relays)?,
            },
            Body::Leave(of) => Self::Leave { topic: topic(&of.topic)? },
            Body::LocalCandidates(of) => Self::LocalCandidates {
                candidates: of
                    .candidates
                    .iter()
                    .map(Candidate::try_from)
                    .collect::<Result<_, _>>()?,
            },
            Body::Observed(of) => Self::Observed {
                observer: address(of.observer)?,
                address: address(of.address)?,
                other_port: socket(of.other_port)?,
            },
            Body::Want(of) => Self::Want {
                topic: topic(&of.topic)?,
                peer: peer_id(&of.peer)?,
                addresses: addresses(of.addresses)?,
            },
            Body::Unwant(of) => Self::Unwant { topic: topic(&of.topic)?, peer: peer_id(&of.peer)? },
            Body::Signal(of) => Self::Signal {
                topic: topic(&of.topic)?,
                sender: peer_id(&of.peer)?,
                sender_address: of.sender_address.map(|at| address(Some(at))).transpose()?,
                sealed: of.sealed,
            },
            Body::Stun(of) => Self::Stun { from: address(of.peer)?, datagram: of.payload },
            Body::Opened(of) => Self::Opened { way: WayKey(of.way) },
            Body::OpenFailed(of) => {
                Self::OpenFailed { way: WayKey(of.way), fault: of.fault().try_into()? }
            }
            Body::Accepted(of) => Self::Accepted {
                topic: topic(&of.topic)?,
                peer: peer_id(&of.peer)?,
                by_quic: Transport::try_from(of.transport())? == Transport::Udp,
                address: address(of.address)?,
            },
            Body::SocketsOpened(of) => Self::SocketsOpened { count: socket(of.count)? },
            Body::StunAt(of) => Self::StunAt {
                socket: socket(of.socket)?,
                from: address(of.peer)?,
                datagram: of.payload,
            },
            Body::Disconnected(of) => {
                Self::Disconnected { topic: topic(&of.topic)?, peer: peer_id(&of.peer)? }
            }
        })
    }
}
