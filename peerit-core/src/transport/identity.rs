//! Who a node is: an ed25519 key pair.

use std::fmt;

use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::id::PeerId;

/// Why there is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The system has no random numbers.
    #[error("no random numbers for a new identity: {0}")]
    Random(getrandom::Error),
    /// The stored bytes are no identity.
    #[error("stored identity is not a seed of 32 bytes")]
    Seed,
}

/// An ed25519 key pair (RFC 8032); its public key is the [`PeerId`].
#[derive(Clone)]
pub struct Identity {
    seed: [u8; 32],
    peer_id: PeerId,
}

impl Identity {
    /// A new one, from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none.
    pub fn generate() -> Result<Self, IdentityError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(IdentityError::Random)?;
        Self::from_seed(&seed)
    }

    /// The one that [`Self::to_seed`] gave the bytes of.
    ///
    /// # Errors
    /// When there are not 32 bytes.
    pub fn from_seed(seed: &[u8]) -> Result<Self, IdentityError> {
        let seed: [u8; 32] = seed.try_into().map_err(|_| IdentityError::Seed)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| IdentityError::Seed)?;
        let peer_id =
            PeerId::try_from(pair.public_key().as_ref()).map_err(|_| IdentityError::Seed)?;
        Ok(Self { seed, peer_id })
    }

    /// The bytes to store. A secret: who has them is this peer.
    #[must_use]
    pub fn to_seed(&self) -> [u8; 32] {
        self.seed
    }

    /// What others know this peer by.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The private key in the form that TLS libraries take: PKCS #8 (RFC 8410, section 7), which for
    /// ed25519 is a fixed head and the seed.
    pub(super) fn to_pkcs8(&self) -> Vec<u8> {
        const HEAD: [u8; 16] = [
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        [HEAD.as_slice(), &self.seed].concat()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, secret)", self.peer_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_that_of_the_rfc() {
        // RFC 8032, section 7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let seed = data_encoding::HEXLOWER.decode(seed.as_bytes()).unwrap();
        assert_eq!(Identity::from_seed(&seed).unwrap().peer_id().to_string(), key);
    }

    #[test]
    fn an_identity_survives_its_storage() {
        let identity = Identity::generate().unwrap();
        let again = Identity::from_seed(&identity.to_seed()).unwrap();
        assert_eq!(again.peer_id(), identity.peer_id());
        assert_ne!(Identity::generate().unwrap().peer_id(), identity.peer_id());
        assert_eq!(Identity::from_seed(&[0; 31]).unwrap_err(), IdentityError::Seed);
    }

    #[test]
    fn the_seed_stays_out_of_debug_output() {
        let identity = Identity::from_seed(&[0x5a; 32]).unwrap();
        assert!(!format!("{identity:?}").contains("5a5a"));
    }
}
