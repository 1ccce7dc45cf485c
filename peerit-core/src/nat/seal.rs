//! Signals as the tracker sees them: sealed for those who know the manifest.

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::id::{PeerId, SwarmKey};

/// Length of a nonce in bytes.
pub(super) const NONCE_LENGTH: usize = 24;

/// What sealing adds, in bytes: the nonce before, Poly1305's tag after.
pub(super) const SEAL_LENGTH: usize = NONCE_LENGTH + 16;

/// The key for signals from one peer to another: of each swarm, pair and direction another one.
///
/// So a signal that the tracker hands to somebody else, or says came from somebody else, cannot be opened:
/// sender and receiver need no place in it. The key is derived from what all of the swarm know; a signal is
/// therefore from somebody of the swarm, who may lie about his name. What he can win is said in
/// [`super::NatTraversal`]; who a peer is, its connection proves.
fn cipher(key: &SwarmKey, sender: PeerId, receiver: PeerId) -> XChaCha20Poly1305 {
    let material = [key.0, sender.0, receiver.0].concat();
    let key = blake3::derive_key("peerit 2026 v1 signal", &material);
    XChaCha20Poly1305::new(&key.into())
}

/// Seals a signal. The nonce must be random: 192 bits do not meet by chance.
///
/// None if the cipher refuses, as it does above 256 GiB.
pub(super) fn seal(
    key: &SwarmKey,
    sender: PeerId,
    receiver: PeerId,
    nonce: [u8; NONCE_LENGTH],
    signal: &[u8],
) -> Option<Bytes> {
    let sealed = cipher(key, sender, receiver).encrypt(&XNonce::from(nonce), signal).ok()?;
    Some([nonce.as_slice(), &sealed].concat().into())
}

/// Opens what [`seal`] has sealed; none if it is not that, or for another swarm, sender or receiver.
pub(super) fn open(
    key: &SwarmKey,
    sender: PeerId,
    receiver: PeerId,
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
    cipher(key, sender, receiver).decrypt(&XNonce::from(*nonce), sealed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ContentId;

    fn key(content: u8) -> SwarmKey {
        ContentId([content; 32]).swarm_key()
    }

    const A: PeerId = PeerId([1; 32]);
    const B: PeerId = PeerId([2; 32]);

    #[test]
    fn a_signal_is_opened_by_its_receiver_alone() {
        let sealed = seal(&key(1), A, B, [7; NONCE_LENGTH], b"here I am").unwrap();
        assert_eq!(sealed.len(), b"here I am".len() + SEAL_LENGTH);
        assert_eq!(open(&key(1), A, B, &sealed).as_deref(), Some(&b"here I am"[..]));
        assert_eq!(open(&key(1), B, A, &sealed), None, "sent back");
        assert_eq!(open(&key(1), A, A, &sealed), None, "to somebody else");
        assert_eq!(open(&key(1), B, B, &sealed), None, "from somebody else");
        assert_eq!(open(&key(2), A, B, &sealed), None, "another swarm");
    }

    #[test]
    fn no_bit_can_be_changed() {
        let sealed = seal(&key(1), A, B, [7; NONCE_LENGTH], b"here I am").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.to_vec();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key(1), A, B, &forged), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(open(&key(1), A, B, &sealed[..length]), None, "{length} bytes");
        }
    }
}
