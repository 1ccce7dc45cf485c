//! Names of things: content, swarms, peers and chunks.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 64 hexadecimal digits")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let start = &self.0[..4];
                write!(f, "{}({}..)", stringify!($name), data_encoding::HEXLOWER.encode(start))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| ParseIdError)?;
                Self::try_from(bytes.as_slice())
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = ParseIdError;

            fn try_from(bytes: &[u8]) -> Result<Self, ParseIdError> {
                Ok(Self(bytes.try_into().map_err(|_| ParseIdError)?))
            }
        }
    };
}

id! {
    /// BLAKE3 of a manifest's encoded `Info`: names the content, and whoever knows it may join.
    ContentId
}

id! {
    /// What trackers and eavesdroppers see of a swarm; derived from the [`ContentId`], not back.
    Topic
}

id! {
    /// A peer's ed25519 public key.
    PeerId
}

/// The secret that all who know a manifest share; derived from the [`ContentId`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SwarmKey(pub(crate) [u8; 32]);

impl fmt::Debug for SwarmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SwarmKey(secret)")
    }
}

impl ContentId {
    /// What a tracker sees of this content's swarm.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic(blake3::derive_key("peerit 2026 v1 topic", &self.0))
    }

    /// The key that peers prove to each other before they exchange anything.
    #[must_use]
    pub fn swarm_key(&self) -> SwarmKey {
        SwarmKey(blake3::derive_key("peerit 2026 v1 swarm key", &self.0))
    }
}

/// Local handle of a connected peer; never reused within a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u32);

/// Index of a chunk in the content, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkIndex(pub u32);

impl ChunkIndex {
    /// The index as a slice index.
    #[must_use]
    pub fn as_usize(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text() {
        let id = ContentId([0xa5; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("a5".repeat(32).to_uppercase().parse(), Ok(id));
        assert_eq!("a5".repeat(31).parse::<ContentId>(), Err(ParseIdError));
        assert_eq!("zz".repeat(32).parse::<ContentId>(), Err(ParseIdError));
    }

    #[test]
    fn topic_and_swarm_key_differ() {
        let id = ContentId([7; 32]);
        assert_ne!(id.topic().0, id.swarm_key().0);
        assert_ne!(id.topic().0, id.0);
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        assert_eq!(format!("{:?}", ContentId([7; 32]).swarm_key()), "SwarmKey(secret)");
    }
}
