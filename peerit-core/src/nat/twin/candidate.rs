//! Candidates and their twins.

use peerit_proto::nat::v1 as twin;

use super::super::{Candidate, CandidateKind, Transport};
use super::{TwinError, address, encode_address};

impl From<&Candidate> for twin::Candidate {
    fn from(candidate: &Candidate) -> Self {
        use twin::CandidateKind as Kind;
        let kind = match candidate.kind {
            CandidateKind::Host => Kind::Host,
            CandidateKind::Reflexive => Kind::Reflexive,
            CandidateKind::Mapped => Kind::Mapped,
            CandidateKind::Relayed => Kind::Relayed,
        };
        Self {
            kind: kind.into(),
            transport: twin::CandidateTransport::from(candidate.transport).into(),
            address: Some(encode_address(candidate.address)),
            priority: candidate.priority(),
        }
    }
}

/// The priority is ours to say: a peer's own opinion would let it order our checks.
impl TryFrom<&twin::Candidate> for Candidate {
    type Error = TwinError;

    fn try_from(candidate: &twin::Candidate) -> Result<Self, TwinError> {
        use twin::CandidateKind as Kind;
        let kind = match candidate.kind() {
            Kind::Unspecified => return Err(TwinError::OutOfRange("kind")),
            Kind::Host => CandidateKind::Host,
            Kind::Reflexive => CandidateKind::Reflexive,
            Kind::Mapped => CandidateKind::Mapped,
            Kind::Relayed => CandidateKind::Relayed,
        };
        let transport = candidate.transport().try_into()?;
        Ok(Self::new(kind, transport, address(candidate.address.clone())?))
    }
}

impl From<Transport> for twin::CandidateTransport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Udp,
        }
    }
}

impl TryFrom<twin::CandidateTransport> for Transport {
    type Error = TwinError;

    fn try_from(transport: twin::CandidateTransport) -> Result<Self, TwinError> {
        match transport {
            twin::CandidateTransport::Unspecified => Err(TwinError::OutOfRange("transport")),
            twin::CandidateTransport::Tcp => Ok(Self::Tcp),
            twin::CandidateTransport::Udp => Ok(Self::Udp),
        }
    }
}
