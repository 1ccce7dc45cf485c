//! Actions and their twins.

use peerit_proto::swarm::v1 as twin;
use twin::DisconnectReason as Reason;
use twin::action::Body;

use super::super::{Action, DisconnectReason};
use super::{TwinError, address, block, encode_address, frame, frame_twin, payload_twin, payloads};
use crate::id::{ChunkIndex, PeerKey};

impl From<&Action> for twin::Action {
    fn from(action: &Action) -> Self {
        let body = match action {
            Action::Dial { address } => {
                Body::Dial(twin::Dial { address: Some(encode_address(*address)) })
            }
            Action::Disconnect { peer, reason } => {
                Body::Disconnect(disconnect_twin(*peer, *reason))
            }
            Action::Send { peer, frame } => {
                Body::Send(twin::Send { peer: peer.0, frame: frame_twin(frame) })
            }
            Action::SendBlock { peer, block } => {
                Body::SendBlock(twin::SendBlock { peer: peer.0, block: Some((*block).into()) })
            }
            Action::SendManifest { peer, offset, length } => {
                Body::SendManifest(twin::SendManifest {
                    peer: peer.0,
                    offset_bytes: *offset,
                    length_bytes: *length,
                })
            }
            Action::VerifyChunk { chunk, blocks } => {
                let blocks = blocks.iter().map(payload_twin).collect();
                Body::VerifyChunk(twin::VerifyChunk { chunk: chunk.0, blocks })
            }
            Action::Completed => Body::Completed(twin::Completed {}),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<twin::Action> for Action {
    type Error = TwinError;

    fn try_from(action: twin::Action) -> Result<Self, TwinError> {
        Ok(match action.body.ok_or(TwinError::Missing("body"))? {
            Body::Dial(of) => Self::Dial { address: address(of.address)? },
            Body::Disconnect(of) => {
                Self::Disconnect { peer: PeerKey(of.peer), reason: reason(of)? }
            }
            Body::Send(of) => Self::Send { peer: PeerKey(of.peer), frame: frame(of.frame)? },
            Body::SendBlock(of) => {
                Self::SendBlock { peer: PeerKey(of.peer), block: block(of.block)? }
            }
            Body::SendManifest(of) => Self::SendManifest {
                peer: PeerKey(of.peer),
                offset: of.offset_bytes,
                length: of.length_bytes,
            },
            Body::VerifyChunk(of) => {
                Self::VerifyChunk { chunk: ChunkIndex(of.chunk), blocks: payloads(of.blocks)? }
            }
            Body::Completed(_) => Self::Completed,
        })
    }
}

fn disconnect_twin(peer: PeerKey, reason: DisconnectReason) -> twin::Disconnect {
    let mut misbehaviour = None;
    let reason = match reason {
        DisconnectReason::Misbehaviour(what) => {
            misbehaviour = Some(what.into());
            Reason::Misbehaviour
        }
        DisconnectReason::Banned => Reason::Banned,
        DisconnectReason::Duplicate => Reason::Duplicate,
        DisconnectReason::Full => Reason::Full,
        DisconnectReason::Useless => Reason::Useless,
        DisconnectReason::Idle => Reason::Idle,
        DisconnectReason::Paused => Reason::Paused,
    };
    twin::Disconnect { peer: peer.0, reason: reason.into(), misbehaviour }
}

fn reason(disconnect: twin::Disconnect) -> Result<DisconnectReason, TwinError> {
    Ok(match disconnect.reason() {
        Reason::Unspecified => return Err(TwinError::OutOfRange("reason")),
        Reason::Misbehaviour => {
            let misbehaviour = disconnect.misbehaviour.ok_or(TwinError::Missing("misbehaviour"))?;
            DisconnectReason::Misbehaviour(misbehaviour.try_into()?)
        }
        Reason::Banned => DisconnectReason::Banned,
        Reason::Duplicate => DisconnectReason::Duplicate,
        Reason::Full => DisconnectReason::Full,
        Reason::Useless => DisconnectReason::Useless,
        Reason::Idle => DisconnectReason::Idle,
        Reason::Paused => DisconnectReason::Paused,
    })
}
