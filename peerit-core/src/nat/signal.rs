//! What two peers tell each other through the tracker.

use std::fmt;

use peerit_proto::Message;
use peerit_proto::nat::v1 as proto;

use super::candidate::Candidate;
use super::report::Mapping;
use super::seal::SEAL_LENGTH;
use super::secrets::is_ice_text;

/// Most candidates in a signal.
pub const CANDIDATES_MAX: usize = 16;

/// Longest signal in bytes, whatever it says within its bounds: attempt 18, answer 2, fragment 34, password
/// 66, mapping 2, open ports 2; and for each candidate its header 2, kind 2, transport 2, priority 6 and an address of 24 (header 2, IPv6
/// 18, port 4).
const ENCODED_MAX: usize = 18 + 2 + 34 + 66 + 2 + 2 + CANDIDATES_MAX * (2 + 2 + 2 + 6 + 24);

/// Longest sealed signal that trackers relay, in bytes.
const SEALED_MAX: usize = 900;

const _: () = assert!(ENCODED_MAX + SEAL_LENGTH <= SEALED_MAX);

/// Names an attempt: 128 random bits, chosen by who offers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AttemptId(pub(super) [u8; 16]);

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttemptId({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

/// What a check must prove to know (RFC 8445, section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) fragment: String,
    pub(crate) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, secret)", self.fragment)
    }
}

/// An offer of an attempt or the answer to one; said again with more candidates, an addition to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) attempt: AttemptId,
    pub(super) answer: bool,
    pub(super) credentials: Credentials,
    /// Best first; at most 16.
    pub(super) candidates: Vec<Candidate>,
    /// How the sender's NAT maps.
    pub(super) mapping: Mapping,
    /// The sender has opened many ports of its NAT for the receiver.
    pub(super) ports_open: bool,
}

/// Why what was sealed is no signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignalError {
    #[error("not sealed for this swarm, sender and receiver")]
    Seal,
    #[error("not a protobuf message")]
    Encoding,
    #[error("the attempt's id has not 16 bytes")]
    Attempt,
    #[error("ICE fragments have 4 to 32 characters, passwords 22 to 64")]
    Credentials,
    #[error("more than 16 candidates")]
    Candidates,
}

impl Signal {
    /// At most 700 bytes, 740 when sealed.
    pub(super) fn encode(&self) -> Vec<u8> {
        let candidates = self.candidates.iter().take(CANDIDATES_MAX);
        let signal = proto::Signal {
            attempt: self.attempt.0.to_vec().into(),
            answer: self.answer,
            ice_user_fragment: self.credentials.fragment.clone(),
            ice_password: self.credentials.password.clone(),
            candidates: candidates.map(proto::Candidate::from).collect(),
            mapping: proto::Mapping::from(self.mapping).into(),
            ports_open: self.ports_open,
        };
        signal.encode_to_vec()
    }

    /// Candidates of a kind or transport that is not known here, or where nobody can be, are left out.
    ///
    /// 900 bytes decode to at most 450 candidates of about 100 bytes, before they are counted.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SignalError> {
        let signal = proto::Signal::decode(bytes).map_err(|_| SignalError::Encoding)?;
        let attempt = signal.attempt.as_ref().try_into().map_err(|_| SignalError::Attempt)?;
        let (mapping, ports_open) = (signal.mapping().into(), signal.ports_open);
        let credentials =
            Credentials { fragment: signal.ice_user_fragment, password: signal.ice_password };
        let is_within = (4..=32).contains(&credentials.fragment.len())
            && (22..=64).contains(&credentials.password.len())
            && is_ice_text(&credentials.fragment)
            && is_ice_text(&credentials.password);
        if !is_within {
            return Err(SignalError::Credentials);
        }
        if signal.candidates.len() > CANDIDATES_MAX {
            return Err(SignalError::Candidates);
        }
        let mut candidates: Vec<_> =
            signal.candidates.iter().filter_map(|one| Candidate::try_from(one).ok()).collect();
        candidates.retain(Candidate::is_usable);
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.priority()));
        Ok(Self {
            attempt: AttemptId(attempt),
            answer: signal.answer,
            credentials,
            candidates,
            mapping,
            ports_open,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidate::{CandidateKind, Transport};
    use super::*;

    fn largest() -> Signal {
        let of = |number| {
            let address = format!("[fd00:ffff:ffff:ffff:ffff:ffff:ffff:{number:x}]:65535");
            Candidate::new(CandidateKind::Host, Transport::Udp, address.parse().unwrap())
        };
        let credentials = Credentials { fragment: "f".repeat(32), password: "p".repeat(64) };
        let candidates = (1..=CANDIDATES_MAX).map(of).collect();
        Signal {
            attempt: AttemptId([255; 16]),
            answer: true,
            credentials,
            candidates,
            mapping: Mapping::EndpointDependent,
            ports_open: true,
        }
    }

    #[test]
    fn the_largest_signal_is_within_its_bound_and_comes_back() {
        let encoded = largest().encode();
        assert_eq!(encoded.len(), ENCODED_MAX);
        assert_eq!(Signal::decode(&encoded), Ok(largest()));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let refused = |change: fn(&mut proto::Signal)| {
            let mut signal = proto::Signal::decode(largest().encode().as_slice()).unwrap();
            change(&mut signal);
            Signal::decode(&signal.encode_to_vec()).unwrap_err()
        };
        assert_eq!(refused(|it| it.attempt = vec![1; 15].into()), SignalError::Attempt);
        assert_eq!(refused(|it| it.ice_password.truncate(21)), SignalError::Credentials);
        assert_eq!(refused(|it| it.ice_user_fragment = "a:bcd".into()), SignalError::Credentials);
        assert_eq!(refused(|it| it.ice_user_fragment.clear()), SignalError::Credentials);
        let more = |it: &mut proto::Signal| it.candidates.push(it.candidates[0].clone());
        assert_eq!(refused(more), SignalError::Candidates);
        assert_eq!(Signal::decode(&[0xff; 40]), Err(SignalError::Encoding));
    }

    #[test]
    fn candidates_of_tomorrow_are_left_out() {
        let mut signal = proto::Signal::decode(largest().encode().as_slice()).unwrap();
        signal.candidates[0].kind = 99;
        signal.candidates[1].transport = 99;
        signal.candidates[2].address = None;
        signal.candidates[3].priority = u32::MAX;
        let decoded = Signal::decode(&signal.encode_to_vec()).unwrap();
        assert_eq!(decoded.candidates.len(), CANDIDATES_MAX - 3);
        assert_eq!(decoded.candidates[0].priority(), largest().candidates[0].priority());
    }
}
