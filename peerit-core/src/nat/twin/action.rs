//! Actions and their twins.

use bytes::Bytes;
use peerit_proto::nat::v1 as twin;
use peerit_proto::swarm::v1 as swarm_twin;
use twin::action::Body;

use super::super::{Action, AttemptKey, Opening, Transport, WayKey};
use super::event::bytes;
use super::{TwinError, address, array, encode_address, peer_id, socket, topic};
use crate::path::Path;

impl From<&Action> for twin::Action {
    fn from(action: &Action) -> Self {
        let body = match action {
            Action::SendSignal { topic, receiver, sealed } => {
                let (topic, peer, sealed) = (bytes(&topic.0), bytes(&receiver.0), sealed.clone());
                Body::SendSignal(twin::SealedSignal { topic, peer, sealed, sender_address: None })
            }
            Action::SendStun { to, datagram } => Body::SendStun(twin::Datagram {
                peer: Some(encode_address(*to)),
                payload: datagram.clone(),
            }),
            Action::OpenSockets { count } => {
                Body::OpenSockets(twin::OpenSockets { count: (*count).into() })
            }
            Action::SendFrom { socket, to, datagram } => Body::SendFrom(twin::SocketDatagram {
                socket: (*socket).into(),
                peer: Some(encode_address(*to)),
                payload: datagram.clone(),
            }),
            Action::CloseSockets => Body::CloseSockets(twin::CloseSockets {}),
            Action::Open { way, topic, peer, opening } => {
                let mut socket = None;
                let (transport, address, token) = match opening {
                    Opening::Tcp { address } => (Transport::Tcp, address, None),
                    Opening::Quic { address } => (Transport::Udp, address, None),
                    Opening::QuicFrom { socket: from, address } => {
                        socket = Some((*from).into());
                        (Transport::Udp, address, None)
                    }
                    Opening::Relay { relay, token } => (Transport::Tcp, relay, Some(token)),
                };
                Body::Open(twin::Open {
                    way: way.0,
                    topic: bytes(&topic.0),
                    peer: bytes(&peer.0),
                    transport: twin::CandidateTransport::from(transport).into(),
                    address: Some(encode_address(*address)),
                    relay_token: token.map_or_else(Bytes::new, |token| token.to_vec().into()),
                    socket,
                })
            }
            Action::Close { way } => Body::Close(twin::Close { way: way.0 }),
            Action::Established { attempt, topic, peer, way, path, report } => {
                Body::Established(twin::Established {
                    attempt: attempt.0,
                    topic: bytes(&topic.0),
                    peer: bytes(&peer.0),
                    way: way.map_or(0, |way| way.0),
                    path: swarm_twin::Path::from(*path).into(),
                    report: Some(report.into()),
                })
            }
            Action::Failed { attempt, topic, peer, report } => Body::Failed(twin::Failed {
                attempt: attempt.0,
                topic: bytes(&topic.0),
                peer: bytes(&peer.0),
                report: Some(report.into()),
            }),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<twin::Action> for Action {
    type Error = TwinError;

    fn try_from(action: twin::Action) -> Result<Self, TwinError> {
        Ok(match action.body.ok_or(TwinError::Missing("body"))? {
            Body::SendSignal(of) => Self::SendSignal {
                topic: topic(&of.topic)?,
                receiver: peer_id(&of.peer)?,
                sealed: of.sealed,
            },
            Body::SendStun(of) => Self::SendStun { to: address(of.peer)?, datagram: of.payload },
            Body::OpenSockets(of) => Self::OpenSockets { count: socket(of.count)? },
            Body::SendFrom(of) => Self::SendFrom {
                socket: socket(of.socket)?,
                to: address(of.peer)?,
                datagram: of.payload,
            },
            Body::CloseSockets(_) => Self::CloseSockets,
            Body::Open(of) => open(of)?,
            Body::Close(of) => Self::Close { way: WayKey(of.way) },
            Body::Established(of) => Self::Established {
                attempt: AttemptKey(of.attempt),
                topic: topic(&of.topic)?,
                peer: peer_id(&of.peer)?,
                way: Some(of.way).filter(|way| *way != 0).map(WayKey),
                path: Path::try_from(of.path()).map_err(|_| TwinError::OutOfRange("path"))?,
                report: of.report.ok_or(TwinError::Missing("report"))?.try_into()?,
            },
            Body::Failed(of) => Self::Failed {
                attempt: AttemptKey(of.attempt),
                topic: topic(&of.topic)?,
                peer: peer_id(&of.peer)?,
                report: of.report.ok_or(TwinError::Missing("report"))?.try_into()?,
            },
        })
    }
}

fn open(of: twin::Open) -> Result<Action, TwinError> {
    let transport = Transport::try_from(of.transport())?;
    let (way, topic, peer) = (WayKey(of.way), topic(&of.topic)?, peer_id(&of.peer)?);
    let address = address(of.address)?;
    let from = of.socket.map(socket).transpose()?;
    let opening = match (transport, of.relay_token.is_empty(), from) {
        (Transport::Tcp, true, None) => Opening::Tcp { address },
        (Transport::Udp, true, None) => Opening::Quic { address },
        (Transport::Udp, true, Some(socket)) => Opening::QuicFrom { socket, address },
        (Transport::Tcp, false, None) => Opening::Relay {
            relay: address,
            token: array(&of.relay_token, "length of relay_token")?,
        },
        _ => return Err(TwinError::OutOfRange("transport")),
    };
    Ok(Action::Open { way, topic, peer, opening })
}
