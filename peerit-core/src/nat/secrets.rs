//! What nobody may guess: passwords, nonces and names of attempts, from a seed.

/// A sequence of secrets: the outputs of keyed BLAKE3, which is a pseudorandom function, over a counter.
///
/// [`crate::rng::Rng`] will not do: its state is 64 bits, and can be told from a few of its numbers, some
/// of which travel in the clear.
pub(super) struct Secrets {
    key: [u8; 32],
    drawn: u64,
}

/// The alphabet of ICE (RFC 8445, section 5.3): six bits a character.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Secrets {
    /// The sequence of a seed, which must be random and is to be used once.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { key: blake3::derive_key("peerit 2026 v1 nat secrets", &seed), drawn: 0 }
    }

    /// The next secret.
    pub(super) fn next<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        self.drawn += 1;
        let mut secret = [0; LENGTH];
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.drawn.to_be_bytes()).finalize_xof().fill(&mut secret);
        secret
    }

    /// A secret of `LENGTH` characters of ICE's alphabet.
    pub(super) fn next_text<const LENGTH: usize>(&mut self) -> String {
        let bytes = self.next::<LENGTH>();
        bytes.iter().map(|byte| char::from(ICE_CHARS[usize::from(byte % 64)])).collect()
    }
}

/// Whether a text has only characters of ICE's alphabet.
pub(super) fn is_ice_text(text: &str) -> bool {
    text.bytes().all(|byte| ICE_CHARS.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_can_be_repeated() {
        let draw = |seed| {
            let mut secrets = Secrets::new([seed; 32]);
            (secrets.next::<16>(), secrets.next::<16>(), secrets.next_text::<24>())
        };
        let (first, second, text) = draw(1);
        assert_ne!(first, second);
        assert!(is_ice_text(&text) && text.len() == 24);
        assert_eq!(draw(1), (first, second, text));
        assert_ne!(draw(2).0, first);
    }
}
