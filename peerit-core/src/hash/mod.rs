//! Digests of chunks.

use std::fmt;
use std::str::FromStr;

/// Length of the longest digest in bytes.
pub const DIGEST_LENGTH_MAX: usize = 32;

/// What the digests of a manifest are made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// BLAKE3, 32 bytes.
    #[default]
    Blake3,
    /// SHA-1, 20 bytes. Collision-broken: only for content that BitTorrent v1 pieces describe.
    Sha1,
}

impl HashAlgorithm {
    /// Length of a digest in bytes.
    #[must_use]
    pub const fn digest_length(self) -> usize {
        match self {
            Self::Blake3 => 32,
            Self::Sha1 => 20,
        }
    }

    /// The digest of `data`, on the calling thread alone.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(data);
        hasher.finish()
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blake3 => "blake3",
            Self::Sha1 => "sha1",
        })
    }
}

/// A text that names no hash algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hash algorithm {0:?} is neither blake3 nor sha1")]
pub struct ParseHashAlgorithmError(String);

impl FromStr for HashAlgorithm {
    type Err = ParseHashAlgorithmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "blake3" => Ok(Self::Blake3),
            "sha1" => Ok(Self::Sha1),
            _ => Err(ParseHashAlgorithmError(text.to_owned())),
        }
    }
}

/// A digest of either algorithm, kept inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    // The bytes beyond the algorithm's digest length stay zero, so that comparing all is right.
    bytes: [u8; DIGEST_LENGTH_MAX],
    algorithm: HashAlgorithm,
}

impl Digest {
    fn new(algorithm: HashAlgorithm, digest: &[u8]) -> Self {
        let mut bytes = [0; DIGEST_LENGTH_MAX];
        bytes[..algorithm.digest_length()].copy_from_slice(digest);
        Self { bytes, algorithm }
    }

    /// The digest; as long as its algorithm's digests are.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.digest_length()]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", self.algorithm)
    }
}

/// Makes a digest of data that comes in parts.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    // Boxed: it is two kilobytes, twenty times the other's.
    Blake3(Box<blake3::Hasher>),
    Sha1(sha1::Sha1),
}

impl Hasher {
    /// Starts a digest.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm) -> Self {
        Self(match algorithm {
            HashAlgorithm::Blake3 => State::Blake3(Box::default()),
            HashAlgorithm::Sha1 => State::Sha1(sha1::Sha1::default()),
        })
    }

    /// Takes in the next part.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Blake3(hasher) => {
                hasher.update(data);
            }
            State::Sha1(hasher) => sha1::Digest::update(hasher, data),
        }
    }

    /// The digest of all parts, joined.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Blake3(hasher) => {
                Digest::new(HashAlgorithm::Blake3, hasher.finalize().as_bytes())
            }
            State::Sha1(hasher) => {
                Digest::new(HashAlgorithm::Sha1, &sha1::Digest::finalize(hasher))
            }
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Blake3(_) => "Hasher(blake3)",
            State::Sha1(_) => "Hasher(sha1)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the algorithms' own documents: BLAKE3's test vector of length 0, and
    /// FIPS 180's "abc".
    #[test]
    fn digests_are_those_of_the_standards() {
        let blake3 = HashAlgorithm::Blake3.digest(b"");
        assert_eq!(
            blake3.to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
        let sha1 = HashAlgorithm::Sha1.digest(b"abc");
        assert_eq!(sha1.to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    #[test]
    fn parts_make_the_digest_of_the_whole() {
        let data: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        for algorithm in [HashAlgorithm::Blake3, HashAlgorithm::Sha1] {
            let mut hasher = Hasher::new(algorithm);
            data.chunks(777).for_each(|part| hasher.update(part));
            let digest = hasher.finish();
            assert_eq!(digest, algorithm.digest(&data));
            assert_eq!(digest.as_bytes().len(), algorithm.digest_length());
        }
    }

    #[test]
    fn algorithms_survive_their_text() {
        for algorithm in [HashAlgorithm::Blake3, HashAlgorithm::Sha1] {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        let error = "md5".parse::<HashAlgorithm>().unwrap_err();
        assert_eq!(error.to_string(), "hash algorithm \"md5\" is neither blake3 nor sha1");
    }
}
