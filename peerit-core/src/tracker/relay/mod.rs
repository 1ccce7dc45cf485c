//! A relay's rules: who is joined with whom, and for how long and how many bytes.
//!
//! Two peers that cannot reach each other both connect to a relay over TCP and show the same token:
//! the relay copies the bytes of each to the other. They have TLS inside, so it sees ciphertext
//! only. [`RelayTable`] is pure; sockets and tasks are the service's.

mod message;
mod table;

use std::fmt;

pub(super) use message::checked_open;
pub use message::{encode_answer, encode_open, parse_answer};
pub use table::{RelayConfig, RelayCounters, RelayTable};

use peerit_proto::tracker::v1 as proto;

/// Longest part of a stream in one frame from the relay to a peer, in bytes: what two bytes can
/// count.
pub const RELAY_FRAME_MAX: usize = 0xffff;

/// Names a session; known to its two peers, and to who reads the traffic between them and the
/// relay.
///
/// 2^128 are too many to guess. Who reads one on the way can take the other side's place before it
/// comes, and then fails in the TLS inside, as he has not its key: he can keep the two from meeting,
/// which he can anyway, by dropping their packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelayToken(pub [u8; 16]);

impl fmt::Debug for RelayToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayToken(secret)")
    }
}

/// The two sides of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelaySide {
    /// Dials inside the session: the one with the smaller peer id.
    Offer,
    /// Answers inside the session.
    Answer,
}

/// What a peer asks of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayOpen {
    /// The session.
    pub token: RelayToken,
    /// Which side of it.
    pub side: RelaySide,
}

/// Why a relay does not join a peer with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayRefusal {
    /// The tracker is no relay.
    #[error("the tracker is no relay")]
    Off,
    /// As many sessions as may be at once, of all peers or with this address.
    #[error("the relay has no place for another session")]
    Full,
    /// The bytes of a day are used up, of all peers or of this address.
    #[error("the relay's bytes for this day are used up")]
    Quota,
    /// There is somebody at this side already.
    #[error("this side of the relayed session is taken")]
    Taken,
    /// Nobody came for the other side.
    #[error("the other peer did not come to the relay")]
    Unknown,
    /// Some reason that this version does not know.
    #[error("the relay refuses")]
    Other,
}

/// Why a relay ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayEnd {
    /// The session has had all bytes that one may have.
    #[error("the relay ended the session: it has had all bytes that one session may have")]
    SessionBytes,
    /// The address of a side has had all bytes of a day.
    #[error("the relay ended the session: the address of a peer has had its bytes for this day")]
    HostBytes,
    /// The relay has carried all bytes of a day.
    #[error("the relay ended the session: it has carried all that it carries in a day")]
    TotalBytes,
    /// The session has lasted as long as one may.
    #[error("the relay ended the session: it has lasted as long as one may")]
    Time,
    /// Nothing was moved for too long.
    #[error("the relay ended the session: nothing was moved for too long")]
    Idle,
    /// The connection of the other side broke.
    #[error("the other peer's connection to the relay broke")]
    Lost,
    /// Some reason that this version does not know.
    #[error("the relay ended the session")]
    Other,
}

impl RelayEnd {
    /// The byte after a frame of length 0.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        use proto::RelayEndReason::{
            HostBytes, Idle, Lost, SessionBytes, Time, TotalBytes, Unspecified,
        };
        let reason = match self {
            Self::SessionBytes => SessionBytes,
            Self::HostBytes => HostBytes,
            Self::TotalBytes => TotalBytes,
            Self::Time => Time,
            Self::Idle => Idle,
            Self::Lost => Lost,
            Self::Other => Unspecified,
        };
        u8::try_from(i32::from(reason)).unwrap_or_default()
    }

    /// What a byte after a frame of length 0 says.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        let known = [
            Self::SessionBytes,
            Self::HostBytes,
            Self::TotalBytes,
            Self::Time,
            Self::Idle,
            Self::Lost,
        ];
        known.into_iter().find(|end| end.to_byte() == byte).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests;
