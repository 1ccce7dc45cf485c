//! Proof that a peer knows the swarm key, bound to one connection.

use crate::id::{PeerId, SwarmKey};

/// The side of a connection that a proof speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It opened the connection.
    Dial,
    /// It took the connection.
    Answer,
}

/// What the side `role` of the connection from `dialler` to `answerer` shows.
///
/// Keyed BLAKE3 over both peer ids, `binding` (see `transport::Connection::binding`) and the role. The binding makes it
/// worthless on any other connection, so a peer in the middle cannot pass it on; the role makes it
/// worthless for the other side, so it cannot be sent back to who made it.
#[must_use]
pub fn proof(
    swarm_key: SwarmKey,
    binding: &[u8; 32],
    role: Role,
    dialler: PeerId,
    answerer: PeerId,
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(&swarm_key.0);
    // All but the last part have a fixed length, so no two inputs look the same.
    hasher.update(&dialler.0).update(&answerer.0).update(binding);
    hasher.update(match role {
        Role::Dial => b"dial",
        Role::Answer => b"answer",
    });
    *hasher.finalize().as_bytes()
}

/// Whether two proofs are equal, in a time that does not tell where they differ.
#[must_use]
pub fn proofs_match(one: &[u8; 32], other: &[u8; 32]) -> bool {
    // `blake3::Hash` compares in constant time.
    blake3::Hash::from_bytes(*one) == blake3::Hash::from_bytes(*other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ContentId;

    #[test]
    fn every_part_changes_the_proof() {
        let key = ContentId([1; 32]).swarm_key();
        let other_key = ContentId([2; 32]).swarm_key();
        let (us, them) = (PeerId([3; 32]), PeerId([4; 32]));
        let (binding, other_binding) = ([5; 32], [6; 32]);
        let ours = proof(key, &binding, Role::Dial, us, them);
        assert!(proofs_match(&ours, &proof(key, &binding, Role::Dial, us, them)));
        for other in [
            proof(other_key, &binding, Role::Dial, us, them),
            proof(key, &other_binding, Role::Dial, us, them),
            proof(key, &binding, Role::Answer, us, them),
            proof(key, &binding, Role::Dial, them, us),
            proof(key, &binding, Role::Dial, us, us),
        ] {
            assert!(!proofs_match(&ours, &other));
        }
    }
}
