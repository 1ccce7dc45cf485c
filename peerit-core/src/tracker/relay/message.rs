//! What a peer and a relay say before the session.

use bytes::Bytes;
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;
use proto::RefusalReason;
use proto::response::Body;

use super::super::codec;
use super::{RelayOpen, RelayRefusal, RelaySide, RelayToken};

/// A request to be joined. `transaction` must not be zero.
#[must_use]
pub fn encode_open(transaction: u64, open: RelayOpen) -> Bytes {
    let side = match open.side {
        RelaySide::Offer => proto::RelaySide::Offer,
        RelaySide::Answer => proto::RelaySide::Answer,
    };
    let token = Bytes::copy_from_slice(&open.token.0);
    let body = proto::request::Body::RelayOpen(proto::RelayOpen { token, side: side.into() });
    let request = proto::Request { transaction, body: Some(body), ..proto::Request::default() };
    request.encode_to_vec().into()
}

/// The session that a request names; none if a field of it is out of its bounds.
pub(in super::super) fn checked_open(open: &proto::RelayOpen) -> Option<RelayOpen> {
    let token = RelayToken(open.token.as_ref().try_into().ok()?);
    let side = match open.side() {
        proto::RelaySide::Offer => RelaySide::Offer,
        proto::RelaySide::Answer => RelaySide::Answer,
        proto::RelaySide::Unspecified => return None,
    };
    Some(RelayOpen { token, side })
}

/// What a relay answers: that the other side is there, or why not.
#[must_use]
pub fn encode_answer(transaction: u64, answer: Result<(), RelayRefusal>) -> Bytes {
    let refusal = |reason: RefusalReason| Body::Refusal(proto::Refusal { reason: reason.into() });
    let body = match answer {
        Ok(()) => Body::RelayReady(proto::RelayReady {}),
        Err(RelayRefusal::Off) => refusal(RefusalReason::RelayOff),
        Err(RelayRefusal::Full) => refusal(RefusalReason::RelayFull),
        Err(RelayRefusal::Quota) => refusal(RefusalReason::RelayQuota),
        Err(RelayRefusal::Taken) => refusal(RefusalReason::RelayTaken),
        Err(RelayRefusal::Unknown) => refusal(RefusalReason::RelayUnknown),
        Err(RelayRefusal::Other) => refusal(RefusalReason::Unspecified),
    };
    proto::Response { transaction, body: Some(body) }.encode_to_vec().into()
}

/// A relay's answer to the request of that transaction; none if it is no such answer.
#[must_use]
pub fn parse_answer(response: Bytes, transaction: u64) -> Option<Result<(), RelayRefusal>> {
    let response = codec::decode_response(response)?;
    match response.body.filter(|_| response.transaction == transaction)? {
        Body::RelayReady(proto::RelayReady {}) => Some(Ok(())),
        Body::Refusal(refusal) => Some(Err(match refusal.reason() {
            // A tracker that does not know the request takes it for malformed.
            RefusalReason::RelayOff | RefusalReason::Malformed => RelayRefusal::Off,
            RefusalReason::RelayFull => RelayRefusal::Full,
            RefusalReason::RelayQuota => RelayRefusal::Quota,
            RefusalReason::RelayTaken => RelayRefusal::Taken,
            RefusalReason::RelayUnknown => RelayRefusal::Unknown,
            _ => RelayRefusal::Other,
        })),
        _ => None,
    }
}
