//! The first two frames of a connection, by which both sides prove that they know the manifest.
//!
//! The dialling side knocks with the topic and its proof; only if both are right does the answering
//! side say its first byte, the welcome with its own proof. So who knows a topic but not the manifest
//! learns nothing, not even whether the topic is known here.

use std::io;
use std::net::SocketAddr;

use super::{Carrier, Connection, FrameError, FrameReader, FrameWriter, framed};
use crate::id::{ContentId, PeerId, SwarmKey, Topic};
use crate::path::Path;
use crate::wire::{Frame, Role, proof, proofs_match};

/// A connection on which both sides have proved that they know the manifest.
pub struct PeerStream {
    /// Who is at the other end.
    pub peer_id: PeerId,
    /// Its address: as dialled, or as seen.
    pub address: SocketAddr,
    /// How it is reached.
    pub path: Path,
    /// What carries it.
    pub carrier: Carrier,
    /// Its frames; those that came right behind the handshake are not lost.
    pub reader: FrameReader,
    /// Ours.
    pub writer: FrameWriter,
}

/// Why two peers do not share a swarm.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke, or what came is no frame.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The peer hung up on our knock: it does not have this content (any more), or the address belongs to
    /// another peer by now.
    #[error("peer does not take part in this swarm")]
    Refused,
    /// The peer began with another frame.
    #[error("peer did not begin with a {0}")]
    WrongFrame(&'static str),
    /// The peer asks for a swarm that is not here.
    #[error("peer asks for unknown topic {0}")]
    UnknownTopic(Topic),
    /// The peer does not know the swarm key.
    #[error("peer's proof of the swarm key is wrong")]
    BadProof,
}

/// Asks the peer that was dialled into the swarm of `content`.
///
/// Sends nothing but the knock before the peer has proved itself. Dropping the future, or an
/// error, ends the connection. No deadline of its own: the caller has one.
///
/// # Errors
/// When the peer is not in that swarm, or breaks the rules.
pub async fn dial_swarm(
    connection: Connection,
    own_id: PeerId,
    content: ContentId,
) -> Result<PeerStream, HandshakeError> {
    let Connection { peer_id, address, path, carrier, binding, stream } = connection;
    let (mut reader, mut writer) = framed(stream);
    let key = content.swarm_key();
    let show = |role| proof(key, &binding, role, own_id, peer_id);

    let knock = Frame::Knock { topic: content.topic(), proof: show(Role::Dial) };
    writer.send(&knock).await?;
    writer.flush().await?;
    match reader.next_frame().await {
        Ok(Frame::Welcome { proof }) if proofs_match(&proof, &show(Role::Answer)) => {
            Ok(PeerStream { peer_id, address, path, carrier, reader, writer })
        }
        Ok(Frame::Welcome { .. }) => Err(HandshakeError::BadProof),
        Ok(_) => Err(HandshakeError::WrongFrame("welcome")),
        Err(error) if is_hangup(&error) => Err(HandshakeError::Refused),
        Err(error) => Err(error.into()),
    }
}

/// Lets a peer that dialled us into the swarm it asks for; `swarm_key_of` knows ours.
///
/// Sends nothing before the peer has proved itself. Dropping the future, or an error,
/// ends the connection. No deadline of its own: the caller has one.
///
/// # Errors
/// When there is no such swarm, the peer does not know its key, or it breaks the rules.
pub async fn answer_swarm(
    connection: Connection,
    own_id: PeerId,
    swarm_key_of: impl Fn(Topic) -> Option<SwarmKey>,
) -> Result<(Topic, PeerStream), HandshakeError> {
    let Connection { peer_id, address, path, carrier, binding, stream } = connection;
    let (mut reader, mut writer) = framed(stream);

    let Frame::Knock { topic, proof: shown } = reader.next_frame().await? else {
        return Err(HandshakeError::WrongFrame("knock"));
    };
    let key = swarm_key_of(topic).ok_or(HandshakeError::UnknownTopic(topic))?;
    let show = |role| proof(key, &binding, role, peer_id, own_id);
    if !proofs_match(&shown, &show(Role::Dial)) {
        return Err(HandshakeError::BadProof);
    }
    writer.send(&Frame::Welcome { proof: show(Role::Answer) }).await?;
    writer.flush().await?;
    Ok((topic, PeerStream { peer_id, address, path, carrier, reader, writer }))
}

/// Whether the peer ended the connection, orderly or not.
fn is_hangup(error: &FrameError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        FrameError::Closed => true,
        FrameError::Io(error) => {
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        }
        FrameError::Wire(_) => false,
    }
}

#[cfg(test)]
mod tests;
