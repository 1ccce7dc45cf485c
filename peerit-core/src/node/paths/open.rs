//! Opening one connection as a traversal wants it.

use std::io;
use std::net::UdpSocket;

use super::super::context::{Context, DIAL_TIMEOUT, DialError};
use super::super::input::Opened;
use super::Means;
use crate::id::{ContentId, PeerId};
use crate::nat::{Fault, Opening};
use crate::path::Path;
use crate::runtime::timeout;
use crate::tracker::relay::{RelayOpen, RelaySide, RelayToken};
use crate::transport::{SharedUdp, TransportError, answer_swarm, dial_swarm};

/// Opens a connection to a peer of a swarm, within 10 s; from `socket` if there is one. Dropping it gives up.
pub(super) async fn open(
    context: &Context,
    means: &Means,
    content_id: ContentId,
    peer: PeerId,
    opening: Opening,
    socket: Option<UdpSocket>,
) -> Result<Opened, Fault> {
    let opened = timeout(
        &*context.runtime,
        DIAL_TIMEOUT,
        connect(context, means, content_id, peer, opening, socket),
    );
    let opened = match opened.await {
        Err(_) => return Err(Fault::TimedOut),
        Ok(Err(error)) => {
            log::debug!("{opening:?} to {peer:?} failed: {error}");
            return Err(fault(&error));
        }
        Ok(Ok(opened)) => opened,
    };
    if opened.stream.peer_id != peer {
        return Err(Fault::WrongPeer);
    }
    Ok(opened)
}

async fn connect(
    context: &Context,
    means: &Means,
    content_id: ContentId,
    peer: PeerId,
    opening: Opening,
    socket: Option<UdpSocket>,
) -> Result<Opened, DialError> {
    let own = context.peer_id;
    let (relay, token) = match opening {
        Opening::Tcp { address } => {
            return Ok(Opened::dialled(context.dial(address, content_id).await?));
        }
        Opening::Quic { address } => {
            let connection = means.quic.dial_path(address, Path::Punched).await?;
            return Ok(Opened::dialled(dial_swarm(connection, own, content_id).await?));
        }
        Opening::QuicFrom { address, .. } => {
            let socket = socket.ok_or(TransportError::Closed)?;
            let socket = SharedUdp::new(&*context.runtime, socket);
            let socket = socket.map_err(TransportError::from)?;
            let connection = means.quic.on(&socket)?.dial_path(address, Path::Punched).await?;
            return Ok(Opened::dialled(dial_swarm(connection, own, content_id).await?));
        }
        Opening::Relay { relay, token } => (relay, RelayToken(token)),
    };
    // Both know who dials inside the session without a message.
    let side = if own < peer { RelaySide::Offer } else { RelaySide::Answer };
    let connection = means.relays.meet(relay, RelayOpen { token, side }).await?;
    if side == RelaySide::Offer {
        return Ok(Opened::dialled(dial_swarm(connection, own, content_id).await?));
    }
    let find_key = |topic| (topic == content_id.topic()).then(|| content_id.swarm_key());
    let (_, stream) = answer_swarm(connection, own, find_key).await?;
    Ok(Opened::answered(stream))
}

fn fault(error: &DialError) -> Fault {
    let DialError::Transport(error) = error else { return Fault::Other };
    match error {
        TransportError::Relay(_) => Fault::RelayRefused,
        TransportError::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Fault::Refused,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                Fault::Unreachable
            }
            io::ErrorKind::TimedOut => Fault::TimedOut,
            _ => Fault::Other,
        },
        _ => Fault::Other,
    }
}
