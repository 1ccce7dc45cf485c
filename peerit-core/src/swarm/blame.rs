//! Who sent what of a chunk that turned out corrupt.
//!
//! A chunk from one peer alone names its sender. Of a chunk from several, fingerprints of the blocks
//! are kept until the chunk is there and right: whose block differs from the right one has lied.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;

use super::Path;
use crate::id::{ChunkIndex, PeerId};

/// Most corrupt chunks that are remembered at a time. With 64 blocks of 16 MiB chunks and 96 bytes a
/// block, under 400 KiB in all. When there are more the lowest are forgotten: each comes back in one
/// piece from one peer anyway, so a liar is found at its next lie.
const CHUNKS_MAX: usize = 64;
/// Most blocks remembered of one chunk: two attempts of 64 blocks.
const SUSPECTS_MAX: usize = 128;

/// Somebody who sends blocks; may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) id: PeerId,
    pub(super) address: SocketAddr,
    pub(super) path: Path,
}

/// What is known about corrupt chunks.
#[derive(Debug, Default)]
pub(super) struct Blame {
    suspects: BTreeMap<ChunkIndex, Vec<Suspect>>,
}

#[derive(Debug)]
struct Suspect {
    source: Source,
    block: usize,
    fingerprint: [u8; 16],
}

impl Blame {
    /// A chunk is corrupt: the one who has sent all of it, if it was one; else what each has sent is
    /// remembered. An unknown source is `None`.
    pub(super) fn corrupt(
        &mut self,
        chunk: ChunkIndex,
        blocks: &[Bytes],
        sources: &[Option<Source>],
    ) -> Option<Source> {
        let first = sources.first().copied().flatten();
        let same = |source: &Option<Source>| source.map(|s| s.id) == first.map(|s| s.id);
        if first.is_some() && sources.iter().all(same) {
            return first;
        }
        if self.suspects.len() >= CHUNKS_MAX && !self.suspects.contains_key(&chunk) {
            self.suspects.pop_first();
        }
        let suspects = self.suspects.entry(chunk).or_default();
        for (block, (payload, source)) in blocks.iter().zip(sources).enumerate() {
            if let Some(source) = source.filter(|_| suspects.len() < SUSPECTS_MAX) {
                suspects.push(Suspect { source, block, fingerprint: fingerprint(payload) });
            }
        }
        None
    }

    /// A chunk is right: those who have sent anything else for it, each once.
    pub(super) fn stored(&mut self, chunk: ChunkIndex, blocks: &[Bytes]) -> Vec<Source> {
        let Some(suspects) = self.suspects.remove(&chunk) else { return Vec::new() };
        let right: Vec<_> = blocks.iter().map(|payload| fingerprint(payload)).collect();
        let mut liars: Vec<Source> = Vec::new();
        for suspect in suspects {
            let lied = right.get(suspect.block).is_some_and(|right| *right != suspect.fingerprint);
            if lied && liars.iter().all(|liar| liar.id != suspect.source.id) {
                liars.push(suspect.source);
            }
        }
        liars
    }
}

/// The first half of the BLAKE3 digest: nobody can make two blocks with the same one.
pub(super) fn fingerprint(payload: &[u8]) -> [u8; 16] {
    let digest = blake3::hash(payload);
    std::array::from_fn(|index| digest.as_bytes()[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: ChunkIndex = ChunkIndex(3);

    fn source(number: u8) -> Source {
        let address = SocketAddr::from(([10, 0, 0, number], 1));
        Source { id: PeerId([number; 32]), address, path: Path::Direct }
    }

    fn blocks(texts: [&'static str; 3]) -> Vec<Bytes> {
        texts.map(|text| Bytes::from_static(text.as_bytes())).to_vec()
    }

    #[test]
    fn a_chunk_from_one_peer_names_it() {
        let mut blame = Blame::default();
        let sources = [Some(source(1)); 3];
        assert_eq!(blame.corrupt(CHUNK, &blocks(["a", "x", "c"]), &sources), Some(source(1)));
        assert!(blame.stored(CHUNK, &blocks(["a", "b", "c"])).is_empty());
    }

    #[test]
    fn of_several_senders_the_liars_are_found_later() {
        let mut blame = Blame::default();
        let sources = [Some(source(1)), Some(source(2)), None];
        assert_eq!(blame.corrupt(CHUNK, &blocks(["a", "x", "y"]), &sources), None);
        let sources = [Some(source(3)), Some(source(2)), Some(source(3))];
        assert_eq!(blame.corrupt(CHUNK, &blocks(["x", "x", "x"]), &sources), None);
        assert_eq!(blame.stored(CHUNK, &blocks(["a", "b", "c"])), [source(2), source(3)]);
        assert!(blame.stored(CHUNK, &blocks(["a", "b", "c"])).is_empty());
    }

    #[test]
    fn an_unknown_sender_is_not_taken_for_another() {
        let mut blame = Blame::default();
        assert_eq!(blame.corrupt(CHUNK, &blocks(["a", "x", "c"]), &[None; 3]), None);
        let sources = [Some(source(1)), None, Some(source(1))];
        assert_eq!(blame.corrupt(CHUNK, &blocks(["a", "x", "c"]), &sources), None);
        assert!(blame.stored(CHUNK, &blocks(["a", "b", "c"])).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut blame = Blame::default();
        let sources = [Some(source(1)), Some(source(2)), Some(source(1))];
        for round in 0..100 {
            for chunk in 0..100 {
                blame.corrupt(ChunkIndex(chunk + round), &blocks(["a", "x", "c"]), &sources);
            }
        }
        assert!(blame.suspects.len() <= CHUNKS_MAX);
        assert!(blame.suspects.values().all(|suspects| suspects.len() <= SUSPECTS_MAX));
    }
}
